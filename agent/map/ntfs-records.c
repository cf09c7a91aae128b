/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/ntfs-record.h"
#include "agent/map/ntfs.h"

#include <ntfs-3g/attrib.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * A file record (little-endian; the fields are named in ntfs-3g/layout.h):
 *
 *	0 "FILE"  20 u16 first attribute  22 u16 flags: bit 0 in use  24 u32 bytes in use
 *
 * and an attribute: 0 u32 type, all ones at the end  4 u32 length  8 u8 not resident
 * 32 u16 where its runs are. Each run: u8 sizes (low half: of the count, high half: of the
 * step), count of clusters, signed step from where the last run began; no step: a hole. A zero byte
 * ends them.
 */
#define ATTR_END    UINT32_MAX
#define ATTR_MIN    24u
#define ATTR_NONRES 64u
#define IN_USE	    1u
#define BATCH_BYTES ((size_t)256 << 10)

/* Of 0 to 8 bytes; the sign goes on. */
static uint64_t number_read(struct p2v_rd *rd, unsigned n, bool is_signed)
{
	uint64_t value = 0;
	uint8_t last = 0;

	for (unsigned i = 0; i < n; i++) {
		last = p2v_rd_u8(rd);
		value |= (uint64_t)last << (8 * i);
	}
	if (is_signed && n && n < 8 && last & 0x80)
		value |= UINT64_MAX << (8 * n);
	return value;
}

/* Up to the first that makes no sense: nobody reads on there. */
static int runs_take(
	struct p2v_rd rd, uint64_t clusters, map_ntfs_run_fn run, void *ctx, struct p2v_err *err)
{
	uint64_t at = 0;

	for (;;) {
		uint8_t sizes = p2v_rd_u8(&rd);
		unsigned n_count = sizes & 15, n_step = sizes >> 4;
		uint64_t count;
		int e;

		if (rd.failed || sizes == 0 || n_count > 8 || n_step > 8)
			return 0;
		count = number_read(&rd, n_count, false);
		at += number_read(&rd, n_step, true);
		if (rd.failed || !p2v_range_within(at, count, clusters))
			return 0;
		if (n_step == 0 || count == 0)
			continue;
		e = run(ctx, at, count, err);
		if (e < 0)
			return e;
	}
}

int map_ntfs_attributes(const uint8_t *record, size_t n, map_ntfs_attribute_fn attribute, void *ctx,
	struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(record + 20, n - 20);
	size_t at = p2v_rd_le16(&rd), end;
	int e = 0;

	if (memcmp(record, "FILE", 4) != 0 || !(p2v_rd_le16(&rd) & IN_USE))
		return 0;
	end = p2v_min_u64(p2v_rd_le32(&rd), n);
	while (e == 0 && at + ATTR_MIN <= end) {
		uint32_t type, length;

		rd = p2v_rd_init(record + at, end - at);
		type = p2v_rd_le32(&rd);
		length = p2v_rd_le32(&rd);
		if (type == ATTR_END || length < ATTR_MIN || length > end - at)
			return 0;
		e = attribute(ctx, type, record + at, length, err);
		at += length;
	}
	return e;
}

int map_ntfs_runs(const uint8_t *attribute, size_t n, uint64_t clusters, map_ntfs_run_fn run,
	void *ctx, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(attribute + 32, n < ATTR_NONRES ? 0 : 2);
	uint16_t runs = p2v_rd_le16(&rd);

	if (!attribute[8] || n < ATTR_NONRES || runs >= n)
		return 0;
	return runs_take(p2v_rd_init(attribute + runs, n - runs), clusters, run, ctx, err);
}

static int run_mark(void *ctx, uint64_t first, uint64_t count, struct p2v_err *err)
{
	const struct map_ntfs_clusters *c = ctx;

	return block_extents_set(c->out->extents, c->view->offset_bytes + first * c->bytes_each,
		count * c->bytes_each, EXTENT_USED, err);
}

static int attribute_mark(
	void *ctx, uint32_t type, const uint8_t *attribute, size_t n, struct p2v_err *err)
{
	const struct map_ntfs_clusters *c = ctx;

	(void)type;
	return map_ntfs_runs(attribute, n, c->n, run_mark, ctx, err);
}

int map_ntfs_record(
	const struct map_ntfs_clusters *c, const uint8_t *record, size_t n, struct p2v_err *err)
{
	return map_ntfs_attributes(record, n, attribute_mark, (void *)(uintptr_t)c, err);
}

int map_ntfs_records_each(
	ntfs_volume *vol, map_ntfs_record_fn record, void *ctx, struct p2v_err *err)
{
	p2v_autofree uint8_t *batch = malloc(BATCH_BYTES);
	size_t size = vol->mft_record_size;
	uint64_t n, per;
	int e = 0;

	if (!batch)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (size < MAP_NTFS_RECORD_MIN || size > BATCH_BYTES || vol->mft_na->initialized_size < 0)
		return map_odd(err, "its file records make no sense");
	n = (uint64_t)vol->mft_na->initialized_size / size;
	per = BATCH_BYTES / size;
	for (uint64_t at = 0; at < n && e == 0; at += per) {
		s64 want = (s64)p2v_min_u64(per, n - at);

		if (ntfs_attr_mst_pread(vol->mft_na, (s64)(at * size), want, (u32)size, batch) !=
			want)
			return p2v_err_set(err, P2V_EIO, "its file records cannot be read");
		for (s64 i = 0; i < want && e == 0; i++)
			e = record(ctx, at + (uint64_t)i, batch + (size_t)i * size, size, err);
	}
	return e;
}

static int record_mark(
	void *ctx, uint64_t number, const uint8_t *record, size_t n, struct p2v_err *err)
{
	(void)number;
	return map_ntfs_record(ctx, record, n, err);
}

int map_ntfs_records(
	ntfs_volume *vol, const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	struct map_ntfs_clusters c = {v, out, (uint64_t)vol->nr_clusters, vol->cluster_size};

	return map_ntfs_records_each(vol, record_mark, &c, err);
}
