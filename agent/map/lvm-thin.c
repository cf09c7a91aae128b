/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/crc.h"
#include "agent/map/lvm.h"
#include "agent/map/runs.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * A thin pool's metadata (little-endian, blocks of 4,096 bytes; the kernel's
 * drivers/md/dm-thin-metadata.c and persistent-data/): nothing that the superblock names is ever
 * changed in place, so what it says is what a crash leaves. Each block begins with u32 checksum of
 * what follows: CRC-32C, inverted, and mixed with a number of its kind.
 *
 *	superblock:  4 u32 flags: bit 0 to be checked  8 u64 own block  32 u64 magic
 *	  40 u32 version  64 space map of the data: u64 blocks, u64 allocated, u64 root of its index
 *	  336 u32 sectors of a data block  360 u32 incompatible features
 *	tree node:   4 u32 flags: 1 inner, 2 leaf  8 u64 own block  16 u32 entries  20 u32 room for
 *	  them  24 u32 bytes of a value  32 keys (u64), then values: child, or u64 block of a bitmap
 *	bitmap:      8 u64 own block  16 two bits for each data block: how often it is used
 */
#define BLOCK_BYTES   4096u
#define MAGIC	      27022010u
#define VERSION_MAX   2u
#define MIX_SUPER     160774u
#define MIX_NODE      121107u
#define MIX_BITMAP    240779u
#define NODE_HEAD     32u
#define BITMAP_HEAD   16u
#define BITMAP_BLOCKS ((BLOCK_BYTES - BITMAP_HEAD) * 4u)
#define INDEX_BYTES   16u
#define INNER	      1u
#define LEAF	      2u
#define LEVELS_MAX    8u

struct thin {
	struct block_io *meta;
	struct map_runs runs;
	uint64_t blocks, allocated;
	uint64_t next; /* all data blocks before it are said */
	uint64_t used;
};

static int block_of(
	const struct thin *t, uint64_t block, uint32_t mix, uint8_t *buf, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(buf, 16);
	uint32_t sum;
	int r;

	if (block >= t->meta->size_bytes / BLOCK_BYTES)
		return map_odd(err, "a thin pool's metadata points beyond its end");
	r = block_read(t->meta, block * BLOCK_BYTES, buf, BLOCK_BYTES, err);
	if (r < 0)
		return r;
	sum = p2v_rd_le32(&rd);
	p2v_rd_le32(&rd);
	if (sum != (~map_crc32c(buf + 4, BLOCK_BYTES - 4) ^ mix) || p2v_rd_le64(&rd) != block)
		return map_odd(err, "a thin pool's metadata is damaged");
	return 0;
}

static int bitmap_take(struct thin *t, uint64_t index, uint64_t block, struct p2v_err *err)
{
	uint8_t buf[BLOCK_BYTES];
	uint64_t n = p2v_min_u64(BITMAP_BLOCKS, t->blocks - t->next);
	int r = block_of(t, block, MIX_BITMAP, buf, err);

	if (r == 0 && (n == 0 || index * BITMAP_BLOCKS != t->next))
		r = map_odd(err, "a thin pool's bitmaps are not in order");
	for (uint64_t i = 0; i < n && r == 0; i++) {
		bool is_free = (buf[BITMAP_HEAD + i / 4] >> (i % 4 * 2) & 3) == 0;

		t->used += !is_free;
		r = map_runs_put(&t->runs, t->next + i, is_free, err);
	}
	t->next += n;
	return r;
}

static int node_walk(struct thin *t, uint64_t block, unsigned depth, struct p2v_err *err)
{
	p2v_autofree uint8_t *buf = malloc(BLOCK_BYTES);
	uint32_t flags, entries, room, bytes;
	struct p2v_rd rd;
	int r = buf ? block_of(t, block, MIX_NODE, buf, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0)
		return r;
	rd = p2v_rd_init(buf + 4, NODE_HEAD - 4);
	flags = p2v_rd_le32(&rd);
	p2v_rd_le64(&rd);
	entries = p2v_rd_le32(&rd);
	room = p2v_rd_le32(&rd);
	bytes = p2v_rd_le32(&rd);
	if ((flags != INNER && flags != LEAF) || depth > LEVELS_MAX || entries > room ||
		bytes != (flags == LEAF ? INDEX_BYTES : 8u) ||
		room > (BLOCK_BYTES - NODE_HEAD) / (8 + bytes))
		return map_odd(err, "a thin pool's index makes no sense");
	for (uint32_t i = 0; i < entries && r == 0; i++) {
		struct p2v_rd key = p2v_rd_init(buf + NODE_HEAD + i * 8, 8);
		struct p2v_rd value = p2v_rd_init(buf + NODE_HEAD + room * 8 + i * bytes, 8);
		uint64_t at = p2v_rd_le64(&value);

		r = flags == LEAF ? bitmap_take(t, p2v_rd_le64(&key), at, err)
				  : node_walk(t, at, depth + 1, err);
	}
	return r;
}

/* ret_why: why not to believe it, or NULL. */
static int super_read(struct thin *t, const struct map_view *data, uint64_t chunk_bytes,
	uint64_t *ret_root, const char **ret_why, struct p2v_err *err)
{
	uint8_t sb[BLOCK_BYTES];
	struct p2v_rd rd = p2v_rd_init(sb + 4, 4), map = p2v_rd_init(sb + 64, 24);
	struct p2v_rd magic = p2v_rd_init(sb + 32, 12), size = p2v_rd_init(sb + 336, 4);
	struct p2v_rd features = p2v_rd_init(sb + 360, 4);
	uint64_t bytes;
	uint32_t version;
	int r = block_of(t, 0, MIX_SUPER, sb, err);

	if (r < 0)
		return r;
	if (p2v_rd_le64(&magic) != MAGIC)
		return map_odd(err, "a thin pool's metadata is of another kind");
	version = p2v_rd_le32(&magic);
	t->blocks = p2v_rd_le64(&map);
	t->allocated = p2v_rd_le64(&map);
	*ret_root = p2v_rd_le64(&map);
	*ret_why = NULL;
	if (p2v_rd_le32(&rd) || p2v_rd_le32(&features) || version == 0 || version > VERSION_MAX)
		*ret_why = "LVM: a thin pool that asks for a check: all copied";
	else if (p2v_rd_le32(&size) * UINT64_C(512) != chunk_bytes ||
		 !p2v_mul_u64(t->blocks, chunk_bytes, &bytes) || bytes > data->length_bytes)
		return map_odd(err, "a thin pool's sizes do not add up");
	return 0;
}

int map_lvm_thin(struct block_io *meta, uint64_t chunk_bytes, const struct map_view *data,
	struct map_out *out, struct p2v_err *err)
{
	struct thin t = {
		.meta = meta, .runs = {.view = data, .out = out, .unit_bytes = chunk_bytes}};
	const char *why = NULL;
	uint64_t root = 0;
	int r = super_read(&t, data, chunk_bytes, &root, &why, err);

	if (r < 0 || why)
		return r < 0 ? r : map_out_used(out, why);
	out->why_used = "given to its thin volumes";
	out->why_free = "given to no thin volume";
	r = node_walk(&t, root, 0, err);
	if (r == 0 && (t.next != t.blocks || t.used != t.allocated))
		r = map_odd(err, "a thin pool's bitmaps and its count disagree");
	return r == 0 ? map_runs_end(&t.runs, err) : r;
}
