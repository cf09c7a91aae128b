/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/xfs-inode.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/stop.h"

/*
 * Each allocation group has a header of its inodes (AGI, third sector: 0 magic  20 u32 root
 * 24 u32 levels of a tree). The leaves' records stand for 64 inodes each: u32 first, u32 counts,
 * u64 a bit for each that is free. An inode:
 *
 *	0 "IN"  2 u16 mode  4 u8 version  5 u8 form of the data  82 u8 where the attributes begin,
 *	in units of 8 bytes from the data's begin; 0: none  83 u8 their form  90 u16 flags: bit 0,
 *	the data is on another device. The data begins at 100, in version 3 at 176.
 *
 * Form 2 are extents, form 3 is the root of a tree of them: u16 levels, u16 records, keys (u64, as
 * many as fit), pointers (u64). An extent has 128 bits: 1 flag, 54 first block of the file, 52
 * where, 21 how many. A block of such a tree: 0 magic  4 u16 level  6 u16 records, then at 24, with
 * checksums at 72, extents or keys and pointers.
 */
#define AGI_MAGIC	0x58414749u
#define INOBT_MAGIC	0x49414254u /* IABT */
#define INOBT_MAGIC_V5	0x49414233u /* IAB3 */
#define BMAP_MAGIC	0x424d4150u
#define BMAP_MAGIC_V5	0x424d4133u
#define LEVELS_MAX	9u
#define CHUNK		64u
#define TREE_BLOCKS_MAX 65536u /* of one file */
#define FORM_EXTENTS	2u
#define FORM_TREE	3u
#define MODE_TYPE	0xf000u
#define MODE_DIR	0x4000u
#define FLAG_REALTIME	1u

int map_xfs_inodes_check(const struct xfs_fs *fs, struct p2v_err *err)
{
	return fs->inode_bytes >= 256 && fs->inode_bytes <= XFS_INODE_MAX && fs->inodes_log <= 8 &&
			       fs->inode_bytes << fs->inodes_log == fs->block_bytes &&
			       fs->dir_log <= 16 && fs->block_bytes << fs->dir_log <= 65536
		       ? 0
		       : map_odd(err, "its inodes make no sense");
}

struct walk {
	const struct xfs_fs *fs;
	map_xfs_inode_fn look;
	void *ctx;
	uint32_t ag;
	uint64_t left; /* inodes that there may be yet: a damaged tree may go in circles */
	uint8_t *chunk;
	struct xfs_inode inode;
};

static int chunk_walk(struct walk *w, uint32_t first, uint64_t free_mask, struct p2v_err *err)
{
	const struct xfs_fs *fs = w->fs;
	uint64_t at = map_xfs_at(fs, w->ag, 0) + (uint64_t)first * fs->inode_bytes;
	int r = p2v_stop_check(err);

	if (r < 0 || w->left < CHUNK ||
		map_view_read(fs->view, at, w->chunk, (size_t)CHUNK * fs->inode_bytes, NULL) < 0)
		return r;
	w->left -= CHUNK;
	for (uint32_t i = 0; i < CHUNK && r == 0; i++) {
		const uint8_t *bytes = w->chunk + (size_t)i * fs->inode_bytes;

		if (free_mask >> i & 1 || memcmp(bytes, "IN", 2) != 0)
			continue;
		w->inode.number = (uint64_t)w->ag << (fs->ag_log + fs->inodes_log) | (first + i);
		memcpy(w->inode.bytes, bytes, fs->inode_bytes);
		r = w->look(w->ctx, &w->inode, err);
	}
	return r;
}

static int tree_walk(struct walk *w, uint32_t block, uint32_t level, struct p2v_err *err)
{
	const struct xfs_fs *fs = w->fs;
	p2v_autofree uint8_t *buf = malloc(fs->block_bytes);
	uint32_t head = fs->crc ? 56 : 16, records, fit;
	int r = buf ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0 || block >= fs->ag_blocks ||
		map_view_read(fs->view, map_xfs_at(fs, w->ag, block), buf, fs->block_bytes, NULL) <
			0 ||
		p2v_get_be32(buf) != (fs->crc ? INOBT_MAGIC_V5 : INOBT_MAGIC) ||
		p2v_get_be16(buf + 4) != level)
		return r;
	fit = (fs->block_bytes - head) / (level ? 8 : 16);
	records = (uint32_t)p2v_min_u64(p2v_get_be16(buf + 6), fit);
	for (uint32_t i = 0; i < records && r == 0; i++) {
		const uint8_t *record = buf + head + (size_t)i * 16;

		r = level ? tree_walk(w, p2v_get_be32(buf + head + fit * 4 + (size_t)i * 4),
				    level - 1, err)
			  : chunk_walk(w, p2v_get_be32(record), p2v_get_be64(record + 8), err);
	}
	return r;
}

int map_xfs_inodes(const struct xfs_fs *fs, map_xfs_inode_fn look, void *ctx, struct p2v_err *err)
{
	p2v_autofree uint8_t *chunk = malloc((size_t)CHUNK * fs->inode_bytes);
	struct walk w = {.fs = fs, .look = look, .ctx = ctx, .chunk = chunk};
	uint8_t agi[512];
	int r = chunk ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	w.left = fs->blocks << fs->inodes_log;
	for (w.ag = 0; w.ag < fs->ags && r == 0; w.ag++) {
		uint32_t levels;

		if (map_view_read(fs->view, map_xfs_at(fs, w.ag, 0) + 2 * fs->sector_bytes, agi,
			    sizeof(agi), NULL) < 0 ||
			p2v_get_be32(agi) != AGI_MAGIC)
			continue;
		levels = p2v_get_be32(agi + 24);
		if (levels && levels <= LEVELS_MAX)
			r = tree_walk(&w, p2v_get_be32(agi + 20), levels - 1, err);
	}
	return r;
}

bool map_xfs_inode_read(const struct xfs_fs *fs, uint64_t number, struct xfs_inode *ret)
{
	uint32_t log = fs->ag_log + fs->inodes_log;
	uint64_t ag = number >> log, in_ag = number & ((UINT64_C(1) << log) - 1);

	ret->number = number;
	return ag < fs->ags &&
	       map_view_read(fs->view, map_xfs_at(fs, (uint32_t)ag, 0) + in_ag * fs->inode_bytes,
		       ret->bytes, fs->inode_bytes, NULL) == 0 &&
	       memcmp(ret->bytes, "IN", 2) == 0;
}

bool map_xfs_is_dir(const struct xfs_inode *inode)
{
	return (p2v_get_be16(inode->bytes + 2) & MODE_TYPE) == MODE_DIR;
}

struct runs {
	const struct xfs_fs *fs;
	map_xfs_run_fn run;
	void *ctx;
	uint64_t left; /* blocks of trees that there may be yet */
};

/* Where a block address points to; false where that is nowhere. */
static bool address_at(const struct xfs_fs *fs, uint64_t address, uint64_t n, uint64_t *ret)
{
	uint64_t ag = address >> fs->ag_log, block = address & ((UINT64_C(1) << fs->ag_log) - 1);

	if (ag >= fs->ags || !p2v_range_within(block, n, fs->ag_blocks))
		return false;
	*ret = map_xfs_at(fs, (uint32_t)ag, (uint32_t)block);
	return true;
}

/* n bytes of extents. */
static bool extents_walk(struct runs *w, const uint8_t *p, size_t n)
{
	for (; n >= 16; p += 16, n -= 16) {
		uint64_t high = p2v_get_be64(p), low = p2v_get_be64(p + 8), at;
		uint64_t count = low & 0x1fffff, file = (high & INT64_MAX) >> 9;

		if (count && address_at(w->fs, (high & 0x1ff) << 43 | low >> 21, count, &at) &&
			!w->run(w->ctx, file, at, count * w->fs->block_bytes))
			return false;
	}
	return true;
}

static bool bmap_walk(struct runs *w, uint64_t address, uint32_t level)
{
	const struct xfs_fs *fs = w->fs;
	p2v_autofree uint8_t *buf = malloc(fs->block_bytes);
	uint32_t head = fs->crc ? 72 : 24, fit = (fs->block_bytes - head) / 16, records;
	uint64_t at;

	if (!buf || w->left == 0 || !address_at(fs, address, 1, &at))
		return true;
	w->left--;
	if (!w->run(w->ctx, XFS_BLOCK_TREE, at, fs->block_bytes))
		return false;
	if (map_view_read(fs->view, at, buf, fs->block_bytes, NULL) < 0 ||
		p2v_get_be32(buf) != (fs->crc ? BMAP_MAGIC_V5 : BMAP_MAGIC) ||
		p2v_get_be16(buf + 4) != level)
		return true;
	records = (uint32_t)p2v_min_u64(p2v_get_be16(buf + 6), fit);
	if (level == 0)
		return extents_walk(w, buf + head, (size_t)records * 16);
	for (uint32_t i = 0; i < records; i++)
		if (!bmap_walk(w, p2v_get_be64(buf + head + (size_t)fit * 8 + (size_t)i * 8),
			    level - 1))
			return false;
	return true;
}

/* A fork of n bytes in the inode. */
static bool fork_walk(struct runs *w, unsigned form, const uint8_t *p, size_t n)
{
	uint32_t level, records, fit = (uint32_t)(n - 4) / 16;

	if (form == FORM_EXTENTS)
		return extents_walk(w, p, n);
	if (form != FORM_TREE || n < 20)
		return true;
	level = p2v_get_be16(p);
	records = (uint32_t)p2v_min_u64(p2v_get_be16(p + 2), fit);
	for (uint32_t i = 0; i < records && level && level <= LEVELS_MAX; i++)
		if (!bmap_walk(w, p2v_get_be64(p + 4 + (size_t)fit * 8 + (size_t)i * 8), level - 1))
			return false;
	return true;
}

void map_xfs_runs(const struct xfs_fs *fs, const struct xfs_inode *inode, bool attributes,
	map_xfs_run_fn run, void *ctx)
{
	struct runs w = {fs, run, ctx, TREE_BLOCKS_MAX};
	const uint8_t *b = inode->bytes;
	size_t data = b[4] == 3 ? 176 : 100, room = fs->inode_bytes - data;
	size_t split = p2v_min_u64(b[82] ? (size_t)b[82] * 8 : room, room);
	bool here = !(p2v_get_be16(b + 90) & FLAG_REALTIME);

	if (here && !fork_walk(&w, b[5], b + data, split))
		return;
	if (attributes && split < room)
		fork_walk(&w, b[83], b + data + split, room - split);
}
