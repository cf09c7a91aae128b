/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/btrfs.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"

#define PROFILES   0xfffffffffffffff8u /* of a chunk's type, but data, system, metadata */
#define DUP	   0x20u
#define CHUNKS_MAX 1000000u
#define RESERVED   P2V_MIB /* at the start of a device: never in a chunk today */

/* u64 length, owner, stripe length, type, u32 x 3, u16 stripes, u16 sub-stripes; then for each
 * stripe u64 device, u64 offset, uuid[16]. */
int map_btrfs_chunk_add(
	struct btrfs_fs *fs, uint64_t logical, struct p2v_rd *rd, struct p2v_err *err)
{
	struct btrfs_chunk c = {.logical = logical, .length = p2v_rd_le64(rd)};
	const struct btrfs_chunk *last = fs->n_chunks ? &fs->chunks[fs->n_chunks - 1] : NULL;
	struct btrfs_chunk *to;
	uint64_t type, end;

	p2v_rd_bytes(rd, 16);
	type = p2v_rd_le64(rd) & PROFILES;
	p2v_rd_bytes(rd, 12);
	c.copies = p2v_rd_le16(rd);
	p2v_rd_le16(rd);
	if (rd->failed || c.copies != (type == DUP ? 2 : 1) || (type && type != DUP))
		return p2v_err_set(err, P2V_EUNSUPPORTED, "a chunk is neither single nor DUP");
	for (unsigned i = 0; i < c.copies; i++) {
		uint64_t device = p2v_rd_le64(rd);

		c.physical[i] = p2v_rd_le64(rd);
		p2v_rd_bytes(rd, 16);
		if (rd->failed || device != fs->device ||
			!p2v_range_within(c.physical[i], c.length, fs->device_bytes))
			return map_odd(err, "a chunk lies elsewhere");
	}
	if (c.length == 0 || !p2v_add_u64(c.logical, c.length, &end) ||
		fs->n_chunks >= CHUNKS_MAX || (last && last->logical + last->length > c.logical))
		return map_odd(err, "its chunks are not in order");
	to = p2v_json_grow((void **)&fs->chunks, &fs->n_chunks, sizeof(*fs->chunks));
	if (!to)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	*to = c;
	return 0;
}

const struct btrfs_chunk *map_btrfs_chunk_of(
	const struct btrfs_fs *fs, uint64_t logical, uint64_t n)
{
	size_t low = 0, high = fs->n_chunks;
	const struct btrfs_chunk *c;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (fs->chunks[mid].logical <= logical)
			low = mid;
		else
			high = mid;
	}
	if (fs->n_chunks == 0)
		return NULL;
	c = &fs->chunks[low];
	return logical >= c->logical && p2v_range_within(logical - c->logical, n, c->length) ? c
											     : NULL;
}

struct piece {
	uint64_t at, length;
};

static int piece_order(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

int map_btrfs_unallocated(const struct btrfs_fs *fs, struct map_out *out, struct p2v_err *err)
{
	p2v_autofree struct piece *pieces =
		calloc(fs->n_chunks + 1, BTRFS_COPIES_MAX * sizeof(*pieces));
	uint64_t at = 0;
	size_t n = 0;
	int r = 0;

	if (!pieces)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < fs->n_chunks; i++)
		for (unsigned k = 0; k < fs->chunks[i].copies; k++)
			pieces[n++] =
				(struct piece){fs->chunks[i].physical[k], fs->chunks[i].length};
	qsort(pieces, n, sizeof(*pieces), piece_order);
	pieces[n++] = (struct piece){fs->device_bytes, 0};
	for (size_t i = 0; i < n && r == 0; i++) {
		uint64_t from = p2v_max_u64(at, RESERVED);

		if (pieces[i].at < at)
			return map_odd(err, "two of its chunks are in one place");
		if (pieces[i].at > from)
			r = map_view_free(fs->view, out, from, pieces[i].at - from, err);
		at = pieces[i].at + pieces[i].length;
	}
	return r;
}
