/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/runs.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * FAT16 and FAT32 (little-endian; "FAT: General Overview", Microsoft, 2000). Boot sector:
 *
 *	11 u16 sector bytes  13 u8 sectors a cluster  14 u16 reserved sectors  16 u8 FATs
 *	17 u16 root entries  19 u16 sectors  22 u16 sectors a FAT  32 u32 sectors
 *	36 u32 sectors a FAT (FAT32)  40 u16 flags: 0x80 one FAT is active  42 u16 version (0)
 *	37 (65 on FAT32) u8 state: bit 0 dirty, bit 1 to be tested
 *
 * [reserved][FATs][root directory, not FAT32][clusters 2, 3, ...]. Entry 1 of the FAT has two bits
 * that are set where the volume is clean and where the disk had no errors. FAT12 has none, so
 * nothing shows that it was unmounted, and it is small: it is copied whole.
 */
#define BOOT_BYTES     512u
#define FAT12_CLUSTERS 4085u
#define FAT16_CLUSTERS 65525u
#define FAT32_CLUSTERS 0x0ffffff5u
#define FAT32_MASK     0x0fffffffu
#define CLEAN_16       0xc000u
#define CLEAN_32       0x0c000000u
#define STATE_BAD      3u
#define FLAG_NO_MIRROR 0x80u
#define PIECE_BYTES    ((size_t)64 << 10)

struct fat {
	uint64_t fat_at, fat_bytes, data_at, cluster_bytes;
	uint32_t fats, clusters;
	unsigned entry_bytes; /* 2 or 4; 0: FAT12 */
	unsigned state;
	bool mirrored;
};

static bool sane_power(uint32_t v, uint32_t max)
{
	return v && v <= max && (v & (v - 1)) == 0;
}

static int boot_read(const struct map_view *v, struct fat *f, struct p2v_err *err)
{
	uint8_t boot[BOOT_BYTES];
	struct p2v_rd rd = p2v_rd_init(boot + 11, BOOT_BYTES - 11);
	uint64_t sector, per_cluster, reserved, root, sectors, fat_sectors, flags, version;
	int r = map_view_read(v, 0, boot, sizeof(boot), err);

	if (r < 0)
		return r;
	sector = p2v_rd_le16(&rd);
	per_cluster = p2v_rd_u8(&rd);
	reserved = p2v_rd_le16(&rd);
	f->fats = p2v_rd_u8(&rd);
	root = p2v_rd_le16(&rd);
	sectors = p2v_rd_le16(&rd);
	p2v_rd_u8(&rd);
	fat_sectors = p2v_rd_le16(&rd);
	p2v_rd_bytes(&rd, 8);
	sectors = sectors ? sectors : p2v_rd_le32(&rd);
	rd = p2v_rd_init(boot + 36, BOOT_BYTES - 36);
	if (fat_sectors == 0) {
		fat_sectors = p2v_rd_le32(&rd);
		flags = p2v_rd_le16(&rd);
		version = p2v_rd_le16(&rd);
		f->state = boot[65];
	} else {
		flags = version = 0;
		f->state = boot[37];
	}
	if (!sane_power((uint32_t)sector, 4096) || sector < 512 ||
		!sane_power((uint32_t)per_cluster, 128) || reserved == 0 || f->fats == 0 ||
		f->fats > 2 || fat_sectors == 0 || version)
		return map_odd(err, "its boot sector makes no sense");
	f->mirrored = !(flags & FLAG_NO_MIRROR);
	f->cluster_bytes = sector * per_cluster;
	f->fat_at = reserved * sector;
	f->fat_bytes = fat_sectors * sector;
	f->data_at = f->fat_at + f->fats * f->fat_bytes + p2v_align_up(root * 32, sector);
	if (sectors * sector > v->length_bytes || f->data_at >= sectors * sector)
		return map_odd(err, "it is larger than its partition");
	sectors = (sectors * sector - f->data_at) / f->cluster_bytes;
	f->clusters = (uint32_t)sectors;
	f->entry_bytes = sectors < FAT12_CLUSTERS ? 0 : sectors < FAT16_CLUSTERS ? 2 : 4;
	if (sectors >= FAT32_CLUSTERS || (f->entry_bytes == 4) != (root == 0) ||
		(uint64_t)(f->clusters + 2) * f->entry_bytes > f->fat_bytes)
		return map_odd(err, "its sizes do not add up");
	return 0;
}

static uint32_t entry_at(const struct fat *f, const uint8_t *p)
{
	struct p2v_rd rd = p2v_rd_init(p, f->entry_bytes);

	return f->entry_bytes == 2 ? p2v_rd_le16(&rd) : p2v_rd_le32(&rd) & FAT32_MASK;
}

static const char *doubt(const struct fat *f, const uint8_t *fat)
{
	uint32_t clean = f->entry_bytes == 2 ? CLEAN_16 : CLEAN_32;

	if ((entry_at(f, fat + f->entry_bytes) & clean) != clean || f->state & STATE_BAD)
		return "FAT: it is marked as not cleanly unmounted: all copied";
	return NULL;
}

/* Entries [at, at + n) of the FAT; the first two are no clusters. */
static int piece_take(const struct fat *f, const uint8_t *piece, uint64_t at, uint64_t n,
	struct map_runs *runs, struct p2v_err *err)
{
	int r = 0;

	for (uint64_t i = at < 2 ? 2 - at : 0; i < n && r == 0; i++)
		r = map_runs_put(
			runs, at + i - 2, entry_at(f, piece + i * f->entry_bytes) == 0, err);
	return r;
}

/* Both copies are read: where they differ, none is believed. */
static int piece_read(const struct fat *f, const struct map_view *v, uint64_t at, size_t n,
	uint8_t *piece, struct p2v_err *err)
{
	int r = map_view_read(v, f->fat_at + at, piece, n, err);

	if (r == 0 && f->fats == 2)
		r = map_view_read(v, f->fat_at + f->fat_bytes + at, piece + PIECE_BYTES, n, err);
	if (r == 0 && f->fats == 2 && memcmp(piece, piece + PIECE_BYTES, n) != 0)
		return map_odd(err, "its two FATs differ");
	return r;
}

static int fat_walk(const struct fat *f, const struct map_view *v, uint8_t *piece,
	struct map_out *out, struct p2v_err *err)
{
	struct map_runs runs = {
		.view = v, .out = out, .base_bytes = f->data_at, .unit_bytes = f->cluster_bytes};
	uint64_t entries = (uint64_t)f->clusters + 2, step = PIECE_BYTES / f->entry_bytes;
	int r = 0;

	out->why_used = "files and metadata, by its FAT";
	out->why_free = "free by its FAT; cleanly unmounted";
	for (uint64_t at = 0; at < entries && r == 0; at += step) {
		uint64_t n = p2v_min_u64(step, entries - at);
		const char *why;

		r = piece_read(f, v, at * f->entry_bytes, n * f->entry_bytes, piece, err);
		if (r == 0 && at == 0 && (why = doubt(f, piece)) != NULL)
			return map_out_used(out, why);
		if (r == 0)
			r = piece_take(f, piece, at, n, &runs, err);
	}
	return r == 0 ? map_runs_end(&runs, err) : r;
}

int map_fat(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	p2v_autofree uint8_t *piece = malloc(2 * PIECE_BYTES);
	struct fat f = {0};
	int r = piece ? boot_read(v, &f, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0)
		return r;
	if (f.entry_bytes == 0)
		return map_out_used(out, "FAT12 does not say whether it was unmounted: all copied");
	if (!f.mirrored)
		return map_out_used(out, "FAT: just one of its FATs is in force: all copied");
	return fat_walk(&f, v, piece, out, err);
}
