/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/runs.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * exFAT (little-endian; "exFAT file system specification", Microsoft). Boot sector:
 *
 *	3 "EXFAT   "  72 u64 sectors  80 u32 FAT at  84 u32 its length  88 u32 clusters at
 *	92 u32 clusters  96 u32 root directory's first  104 u16 revision
 *	106 u16 flags: bit 0 second FAT, bit 1 dirty, bit 2 media failed
 *	108 u8 log2 sector bytes  109 u8 log2 sectors a cluster  110 u8 FATs
 *
 * One of the first entries (32 bytes each) of the root directory is the allocation bitmap:
 * u8 type 0x81, u8 flags, 20 u32 first cluster, 24 u64 bytes. It may be fragmented.
 */
#define BOOT_BYTES   120u
#define ENTRY_BYTES  32u
#define ENTRY_BITMAP 0x81u
#define CLUSTER_END  0xfffffff8u
#define FLAGS_BAD    7u

struct exfat {
	const struct map_view *view;
	uint64_t fat_at, data_at;
	uint32_t cluster_bytes, clusters, root, flags, fats, revision;
};

static int boot_read(struct exfat *f, struct p2v_err *err)
{
	uint8_t boot[BOOT_BYTES];
	struct p2v_rd rd = p2v_rd_init(boot + 72, BOOT_BYTES - 72);
	uint64_t sectors, end, fat_end;
	uint32_t fat, fat_sectors, data;
	unsigned sector_log, cluster_log;
	int r = map_view_read(f->view, 0, boot, sizeof(boot), err);

	if (r < 0)
		return r;
	sectors = p2v_rd_le64(&rd);
	fat = p2v_rd_le32(&rd);
	fat_sectors = p2v_rd_le32(&rd);
	data = p2v_rd_le32(&rd);
	f->clusters = p2v_rd_le32(&rd);
	f->root = p2v_rd_le32(&rd);
	p2v_rd_le32(&rd);
	f->revision = p2v_rd_le16(&rd);
	f->flags = p2v_rd_le16(&rd);
	sector_log = p2v_rd_u8(&rd);
	cluster_log = p2v_rd_u8(&rd);
	f->fats = p2v_rd_u8(&rd);
	if (memcmp(boot + 3, "EXFAT   ", 8) != 0 || sector_log < 9 || sector_log > 12 ||
		cluster_log > 25 - sector_log || sectors > f->view->length_bytes >> sector_log)
		return map_odd(err, "its boot sector makes no sense");
	f->cluster_bytes = 1u << (sector_log + cluster_log);
	f->fat_at = (uint64_t)fat << sector_log;
	f->data_at = (uint64_t)data << sector_log;
	fat_end = f->fat_at + ((uint64_t)f->clusters + 2) * 4;
	end = f->data_at + (uint64_t)f->clusters * f->cluster_bytes;
	if (f->clusters == 0 || f->clusters >= CLUSTER_END - 2 || fat_end > f->data_at ||
		((uint64_t)f->clusters + 2) * 4 > (uint64_t)fat_sectors << sector_log ||
		end > sectors << sector_log)
		return map_odd(err, "its sizes do not add up");
	return 0;
}

static int cluster_read(
	const struct exfat *f, uint32_t cluster, void *buf, size_t n, struct p2v_err *err)
{
	if (cluster < 2 || cluster - 2 >= f->clusters)
		return map_odd(err, "it points to a cluster that is not there");
	return map_view_read(
		f->view, f->data_at + (uint64_t)(cluster - 2) * f->cluster_bytes, buf, n, err);
}

/* ret 0: that was the last one. */
static int cluster_next(const struct exfat *f, uint32_t cluster, uint32_t *ret, struct p2v_err *err)
{
	uint8_t entry[4];
	struct p2v_rd rd = p2v_rd_init(entry, sizeof(entry));
	int r = map_view_read(
		f->view, f->fat_at + (uint64_t)cluster * 4, entry, sizeof(entry), err);

	if (r < 0)
		return r;
	*ret = p2v_rd_le32(&rd);
	if (*ret >= CLUSTER_END)
		*ret = 0;
	return 0;
}

/* Looks through the first cluster of the root directory: that is where it stands, as volume label,
 * bitmap and upper-case table are made first. */
static int bitmap_find(
	const struct exfat *f, uint8_t *buf, uint32_t *ret_first, struct p2v_err *err)
{
	int r = cluster_read(f, f->root, buf, f->cluster_bytes, err);

	if (r < 0)
		return r;
	for (size_t at = 0; at < f->cluster_bytes && buf[at]; at += ENTRY_BYTES) {
		struct p2v_rd rd = p2v_rd_init(buf + at, ENTRY_BYTES);

		if (buf[at] != ENTRY_BITMAP)
			continue;
		p2v_rd_bytes(&rd, 20);
		*ret_first = p2v_rd_le32(&rd);
		return p2v_rd_le64(&rd) == p2v_div_up(f->clusters, 8)
			       ? 0
			       : map_odd(err, "its bitmap has another size");
	}
	return map_odd(err, "it has no bitmap");
}

static int bitmap_map(const struct exfat *f, uint32_t cluster, uint8_t *buf, struct map_out *out,
	struct p2v_err *err)
{
	uint64_t step = (uint64_t)f->cluster_bytes * 8;
	struct map_runs runs = {.view = f->view,
		.out = out,
		.base_bytes = f->data_at,
		.unit_bytes = f->cluster_bytes};
	int r = 0;

	for (uint64_t at = 0; at < f->clusters && r == 0; at += step) {
		uint64_t n = p2v_min_u64(step, f->clusters - at);

		r = cluster_read(f, cluster, buf, (size_t)p2v_div_up(n, 8), err);
		if (r == 0)
			r = map_runs_bits(&runs, buf, at, n, err);
		if (r == 0 && at + n < f->clusters)
			r = cluster_next(f, cluster, &cluster, err);
	}
	return r == 0 ? map_runs_end(&runs, err) : r;
}

int map_exfat(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	struct exfat f = {.view = v};
	p2v_autofree uint8_t *buf = NULL;
	uint32_t first = 0;
	int r = boot_read(&f, err);

	if (r < 0)
		return r;
	if (f.fats != 1 || f.revision >> 8 != 1)
		return map_out_used(out, "exFAT: of a kind that nothing here knows: all copied");
	if (f.flags & FLAGS_BAD)
		return map_out_used(
			out, "exFAT: it is marked as not cleanly unmounted: all copied");
	buf = malloc(f.cluster_bytes);
	if (!buf)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = bitmap_find(&f, buf, &first, err);
	out->why_used = "files and metadata, by its bitmap";
	out->why_free = "free by its bitmap; cleanly unmounted";
	return r == 0 ? bitmap_map(&f, first, buf, out, err) : r;
}
