/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/btrfs.h"
#include "agent/map/crc.h"
#include "p2v/core/cleanup.h"

/*
 * A tree block: 0 checksum[32]  32 fsid[16]  48 u64 its own logical address  56 u64 flags
 * 64 uuid[16]  80 u64 generation  88 u64 owner  96 u32 items  100 u8 level, then
 * inner: key, u64 block, u64 its generation; leaf: key, u32 where its data are (counted from the
 * end of this head), u32 how long.
 */
#define HEAD_BYTES 101u
#define CSUM_BYTES 32u
#define LEVELS_MAX 8u

struct walk {
	const struct btrfs_fs *fs;
	btrfs_item_fn item;
	void *ctx;
	struct btrfs_key last;
	bool any;
	struct p2v_err *err;
};

struct btrfs_key map_btrfs_key_read(struct p2v_rd *rd)
{
	struct btrfs_key key = {.object = p2v_rd_le64(rd)};

	key.type = p2v_rd_u8(rd);
	key.offset = p2v_rd_le64(rd);
	return key;
}

static bool key_before(const struct btrfs_key *a, const struct btrfs_key *b)
{
	if (a->object != b->object)
		return a->object < b->object;
	return a->type != b->type ? a->type < b->type : a->offset < b->offset;
}

static int block_read_checked(
	const struct walk *w, const struct btrfs_root *at, uint8_t *buf, uint32_t *ret_items)
{
	uint32_t n = w->fs->node_bytes;
	const struct btrfs_chunk *c = map_btrfs_chunk_of(w->fs, at->logical, n);
	struct p2v_rd rd = p2v_rd_init(buf, n);
	uint32_t sum;
	int r = c ? map_view_read(w->fs->view, c->physical[0] + (at->logical - c->logical), buf, n,
			    w->err)
		  : map_odd(w->err, "a tree points to where nothing is");

	if (r < 0)
		return r;
	sum = p2v_rd_le32(&rd);
	p2v_rd_bytes(&rd, CSUM_BYTES - 4 + 16);
	if (sum != map_crc32c(buf + CSUM_BYTES, n - CSUM_BYTES) ||
		memcmp(buf + CSUM_BYTES, w->fs->fsid, 16) != 0 || p2v_rd_le64(&rd) != at->logical)
		return map_odd(w->err, "a tree block is damaged");
	p2v_rd_bytes(&rd, 8 + 16);
	if (p2v_rd_le64(&rd) != at->generation)
		return map_odd(w->err, "a tree block is of another time");
	p2v_rd_le64(&rd);
	*ret_items = p2v_rd_le32(&rd);
	return p2v_rd_u8(&rd) == at->level ? 0 : map_odd(w->err, "a tree block of another level");
}

/* Keys go up all the way, so no block is met twice, and the walk ends. */
static int leaf_walk(struct walk *w, const uint8_t *buf, uint32_t items)
{
	struct p2v_rd rd = p2v_rd_init(buf + HEAD_BYTES, w->fs->node_bytes - HEAD_BYTES);
	struct p2v_rd area = rd;

	for (uint32_t i = 0; i < items; i++) {
		struct btrfs_key key = map_btrfs_key_read(&rd);
		uint32_t offset = p2v_rd_le32(&rd), n = p2v_rd_le32(&rd);
		struct p2v_rd data = area;
		const uint8_t *bytes = p2v_rd_bytes(&data, offset) ? p2v_rd_bytes(&data, n) : NULL;
		int r;

		if (rd.failed || !bytes || (w->any && !key_before(&w->last, &key)))
			return map_odd(w->err, "a leaf is not in order");
		w->last = key;
		w->any = true;
		r = w->item(w->ctx, &key, p2v_rd_init(bytes, n), w->err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int tree_walk(struct walk *w, const struct btrfs_root *at, bool is_root)
{
	p2v_autofree uint8_t *buf = malloc(w->fs->node_bytes);
	struct p2v_rd rd;
	uint32_t items = 0;
	int r = buf ? block_read_checked(w, at, buf, &items)
		    : p2v_err_set(w->err, P2V_ENOMEM, "out of memory");

	if (r < 0)
		return r;
	if (items == 0 && (!is_root || at->level))
		return map_odd(w->err, "a tree has an empty branch");
	if (at->level == 0)
		return leaf_walk(w, buf, items);
	rd = p2v_rd_init(buf + HEAD_BYTES, w->fs->node_bytes - HEAD_BYTES);
	for (uint32_t i = 0; i < items && r == 0; i++) {
		struct btrfs_key key = map_btrfs_key_read(&rd);
		struct btrfs_root child = {.logical = p2v_rd_le64(&rd)};

		child.generation = p2v_rd_le64(&rd);
		child.level = at->level - 1;
		if (rd.failed || (w->any && !key_before(&w->last, &key)))
			return map_odd(w->err, "a tree is not in order");
		r = tree_walk(w, &child, false);
	}
	return r;
}

int map_btrfs_walk(const struct btrfs_fs *fs, const struct btrfs_root *root, btrfs_item_fn item,
	void *ctx, struct p2v_err *err)
{
	struct walk w = {.fs = fs, .item = item, .ctx = ctx, .err = err};

	return root->level < LEVELS_MAX ? tree_walk(&w, root, true)
					: map_odd(err, "a tree is too high");
}
