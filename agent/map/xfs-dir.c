/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/xfs-inode.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * A small directory lies in its inode (form 1): u8 names, u8 of them with long numbers, the number
 * of the one above, then for each: u8 length, u16, name, [u8 type], number. Numbers have 8 bytes
 * where any is long, else 4.
 *
 * A larger one has blocks: a head of 16 bytes, with checksums 64, then entries: u64 number, u8
 * length, name, [u8 type], up to 8 bytes with a u16 at the end; or what is free: u16 all ones, u16
 * length. A directory of one block has an index at its end: 8 bytes for each name, u32 names, u32.
 * From 32 GiB on, its blocks are indexes.
 */
#define FORM_LOCAL  1u
#define BLOCK_MAGIC "XD2B"
#define DATA_MAGIC  "XD2D"
#define BLOCK_V5    "XDB3"
#define DATA_V5	    "XDD3"
#define FREE_TAG    0xffffu
#define INDEX_AT    (UINT64_C(32) << 30)

struct reader {
	const struct xfs_fs *fs;
	map_xfs_entry_fn entry;
	void *ctx;
	uint8_t *block;
	size_t block_bytes;
};

static uint64_t number_read(struct p2v_rd *rd, bool is_long)
{
	return is_long ? p2v_rd_be64(rd) : p2v_rd_be32(rd);
}

static void local_read(struct reader *r, const struct xfs_inode *dir)
{
	const uint8_t *b = dir->bytes;
	size_t at = b[4] == 3 ? 176 : 100;
	struct p2v_rd rd = p2v_rd_init(b + at, r->fs->inode_bytes - at);
	unsigned names = p2v_rd_u8(&rd);
	bool is_long = p2v_rd_u8(&rd) != 0;
	uint64_t number = number_read(&rd, is_long);

	if (!r->entry(r->ctx, number, (const uint8_t *)"..", 2))
		return;
	for (unsigned i = 0; i < names; i++) {
		size_t n = p2v_rd_u8(&rd);
		const uint8_t *name;

		p2v_rd_be16(&rd);
		name = p2v_rd_bytes(&rd, n);
		p2v_rd_bytes(&rd, r->fs->dir_types ? 1 : 0);
		number = number_read(&rd, is_long);
		if (rd.failed || !r->entry(r->ctx, number, name, n))
			return;
	}
}

/* Where the entries of a block end; 0: it is none. */
static size_t entries_end(const struct reader *r)
{
	const uint8_t *b = r->block;
	uint64_t index;

	if (memcmp(b, DATA_MAGIC, 4) == 0 || memcmp(b, DATA_V5, 4) == 0)
		return r->block_bytes;
	if (memcmp(b, BLOCK_MAGIC, 4) != 0 && memcmp(b, BLOCK_V5, 4) != 0)
		return 0;
	index = (uint64_t)p2v_get_be32(b + r->block_bytes - 8) * 8 + 8;
	return index < r->block_bytes ? r->block_bytes - (size_t)index : 0;
}

static bool block_read_entries(struct reader *r)
{
	size_t end = entries_end(r), at = r->fs->crc ? 64 : 16;

	while (at + 16 <= end) {
		const uint8_t *p = r->block + at;
		size_t n = p[8], length = p2v_align_up(9 + n + r->fs->dir_types + 2, 8);

		if (p2v_get_be16(p) == FREE_TAG) {
			length = p2v_get_be16(p + 2);
			if (length < 8 || length % 8)
				return true;
		} else if (length > end - at) {
			return true;
		} else if (!r->entry(r->ctx, p2v_get_be64(p), p + 9, n)) {
			return false;
		}
		at += length;
	}
	return true;
}

/* Blocks of directories that lie in one piece, as nearly all do. */
static bool on_run(void *ctx, uint64_t file_block, uint64_t offset, uint64_t length)
{
	struct reader *r = ctx;
	uint64_t each = UINT64_C(1) << r->fs->dir_log, skip;

	if (file_block >= INDEX_AT / r->fs->block_bytes)
		return true;
	skip = p2v_min_u64((each - file_block % each) % each * r->fs->block_bytes, length);
	for (uint64_t at = skip; length - at >= r->block_bytes; at += r->block_bytes)
		if (map_view_read(r->fs->view, offset + at, r->block, r->block_bytes, NULL) == 0 &&
			!block_read_entries(r))
			return false;
	return true;
}

void map_xfs_entries(
	const struct xfs_fs *fs, const struct xfs_inode *dir, map_xfs_entry_fn entry, void *ctx)
{
	size_t bytes = (size_t)fs->block_bytes << fs->dir_log;
	p2v_autofree uint8_t *block = malloc(bytes);
	struct reader r = {fs, entry, ctx, block, bytes};

	if (!block)
		return;
	if (dir->bytes[5] == FORM_LOCAL)
		local_read(&r, dir);
	else
		map_xfs_runs(fs, dir, false, on_run, &r);
}
