/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/xfs.h"

#include <stdlib.h>
#include <string.h>

#include "agent/map/crc.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * XFS, read by ourselves: no file system library reads it, and the kernel of a boot medium may not
 * know the features of the disk's. Each allocation group has a header (AGF, in its second sector)
 * and a B+tree of its free extents by block number, of which the leaves are read from left to
 * right. Believed where the log is clean, each structure that is read is whole, and the leaves
 * hold as many blocks as the header says.
 */
#define SB_BYTES	   512u
#define SB_CRC_AT	   224u
#define VERSION_MASK	   0xfu
#define INCOMPAT_KNOWN	   0xefu /* file types, sparse inodes, meta uuid, big time, nrext64, ... */
#define INCOMPAT_FTYPE	   1u
#define INCOMPAT_META_UUID 4u
#define INCOMPAT_REPAIR	   0x10u
#define FEATURES2_FTYPE	   0x200u /* version 4 */
#define RO_COMPAT_KNOWN	   0xfu	  /* finobt, rmapbt, reflink, inobtcount */

#define AGF_BYTES	   512u
#define AGF_MAGIC	   0x58414746u
#define AGF_UUID_AT	   64u
#define AGF_CRC_AT	   216u
#define TREE_MAGIC	   0x41425442u /* ABTB */
#define TREE_MAGIC_V5	   0x41423342u /* AB3B */
#define TREE_UUID_AT	   32u
#define TREE_CRC_AT	   52u
#define TREE_HEAD	   16u
#define TREE_HEAD_V5	   56u
#define LEVELS_MAX	   9u
#define NO_BLOCK	   UINT32_MAX

struct ag {
	uint32_t number, blocks; /* its length */
	uint32_t root, levels, free_blocks;
	uint64_t seen; /* free blocks met */
	uint32_t next; /* records come in order: the next one begins here or later */
};

struct tree_block {
	struct p2v_rd rd; /* the records */
	uint32_t level, records, right;
};

static const char *features_read(struct p2v_rd *rd, uint32_t *ret_incompat)
{
	uint32_t ro_compat, log_incompat;

	p2v_rd_le32(rd); /* compatible ones */
	ro_compat = p2v_rd_be32(rd);
	*ret_incompat = p2v_rd_be32(rd);
	log_incompat = p2v_rd_be32(rd);
	if (*ret_incompat & INCOMPAT_REPAIR)
		return "XFS: it asks for a repair: all copied";
	if (ro_compat & ~RO_COMPAT_KNOWN || *ret_incompat & ~INCOMPAT_KNOWN || log_incompat)
		return "XFS: it has features that nothing here knows: all copied";
	return NULL;
}

static bool geometry_sane(const struct xfs_fs *fs, unsigned block_log)
{
	uint64_t size;

	return block_log >= 9 && block_log <= 16 && fs->block_bytes == 1u << block_log &&
	       fs->sector_bytes >= 512 && fs->sector_bytes <= 32768 &&
	       (fs->sector_bytes & (fs->sector_bytes - 1)) == 0 &&
	       fs->sector_bytes <= fs->block_bytes && fs->ag_blocks && fs->ags && fs->ag_log < 32 &&
	       fs->ag_blocks <= UINT32_C(1) << fs->ag_log &&
	       (uint64_t)(fs->ags - 1) * fs->ag_blocks < fs->blocks &&
	       (uint64_t)fs->ags * fs->ag_blocks >= fs->blocks &&
	       fs->log_start >> fs->ag_log < fs->ags &&
	       p2v_mul_u64(fs->blocks, fs->block_bytes, &size) && size <= fs->view->length_bytes;
}

/* What only those need who look into files. */
static void inodes_read(struct xfs_fs *fs, const uint8_t *sb, uint32_t incompat)
{
	fs->root_inode = p2v_get_be64(sb + 56);
	fs->inode_bytes = p2v_get_be16(sb + 104);
	fs->inodes_log = sb[123];
	fs->dir_log = sb[192];
	fs->dir_types =
		fs->crc ? incompat & INCOMPAT_FTYPE : p2v_get_be32(sb + 200) & FEATURES2_FTYPE;
}

int map_xfs_super(struct xfs_fs *fs, const char **ret_why, struct p2v_err *err)
{
	uint8_t sb[SB_BYTES];
	struct p2v_rd rd = p2v_rd_init(sb, sizeof(sb));
	uint32_t version, incompat = 0;
	unsigned block_log, in_progress;
	int r = map_view_read(fs->view, 0, sb, sizeof(sb), err);

	if (r < 0)
		return r;
	*ret_why = NULL;
	p2v_rd_bytes(&rd, 4);
	fs->block_bytes = p2v_rd_be32(&rd);
	fs->blocks = p2v_rd_be64(&rd);
	p2v_rd_bytes(&rd, 16);
	memcpy(fs->uuid, p2v_rd_bytes(&rd, 16), 16);
	fs->log_start = p2v_rd_be64(&rd);
	p2v_rd_bytes(&rd, 28);
	fs->ag_blocks = p2v_rd_be32(&rd);
	fs->ags = p2v_rd_be32(&rd);
	p2v_rd_bytes(&rd, 4);
	fs->log_blocks = p2v_rd_be32(&rd);
	version = p2v_rd_be16(&rd) & VERSION_MASK;
	fs->sector_bytes = p2v_rd_be16(&rd);
	p2v_rd_bytes(&rd, 16);
	block_log = p2v_rd_u8(&rd);
	p2v_rd_bytes(&rd, 3);
	fs->ag_log = p2v_rd_u8(&rd);
	p2v_rd_u8(&rd);
	in_progress = p2v_rd_u8(&rd);
	p2v_rd_bytes(&rd, 81);
	fs->crc = version == 5;
	if (memcmp(sb, "XFSB", 4) != 0 || (version != 4 && version != 5) || in_progress ||
		!geometry_sane(fs, block_log))
		return map_odd(err, "its superblock makes no sense");
	if (fs->crc)
		*ret_why = features_read(&rd, &incompat);
	inodes_read(fs, sb, incompat);
	if (incompat & INCOMPAT_META_UUID)
		memcpy(fs->uuid, sb + 248, 16);
	return 0;
}

/* The checksum covers the whole sector, and that is known only now. */
static int super_check(const struct xfs_fs *fs, struct p2v_err *err)
{
	p2v_autofree uint8_t *sector = malloc(fs->sector_bytes);
	int r = sector ? map_view_read(fs->view, 0, sector, fs->sector_bytes, err)
		       : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0 && fs->crc && !map_crc32c_ok(sector, fs->sector_bytes, SB_CRC_AT))
		return map_odd(err, "its superblock's checksum is off");
	return r;
}

uint64_t map_xfs_at(const struct xfs_fs *fs, uint32_t ag, uint32_t block)
{
	return ((uint64_t)ag * fs->ag_blocks + block) * fs->block_bytes;
}

static int agf_read(const struct xfs_fs *fs, struct ag *ag, uint8_t *buf, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(buf, AGF_BYTES);
	uint32_t magic, version, number, length;
	int r = map_view_read(fs->view, map_xfs_at(fs, ag->number, 0) + fs->sector_bytes, buf,
		fs->sector_bytes, err);

	if (r < 0)
		return r;
	magic = p2v_rd_be32(&rd);
	version = p2v_rd_be32(&rd);
	number = p2v_rd_be32(&rd);
	length = p2v_rd_be32(&rd);
	ag->root = p2v_rd_be32(&rd);
	p2v_rd_bytes(&rd, 8);
	ag->levels = p2v_rd_be32(&rd);
	p2v_rd_bytes(&rd, 20);
	ag->free_blocks = p2v_rd_be32(&rd);
	if (magic != AGF_MAGIC || version != 1 || number != ag->number || length != ag->blocks ||
		ag->levels == 0 || ag->levels > LEVELS_MAX)
		return map_odd(err, "the header of an allocation group makes no sense");
	if (fs->crc && (memcmp(buf + AGF_UUID_AT, fs->uuid, 16) != 0 ||
			       !map_crc32c_ok(buf, fs->sector_bytes, AGF_CRC_AT)))
		return map_odd(err, "the header of an allocation group is damaged");
	return 0;
}

static int tree_read(const struct xfs_fs *fs, const struct ag *ag, uint32_t block, uint8_t *buf,
	struct tree_block *ret, struct p2v_err *err)
{
	uint32_t head = fs->crc ? TREE_HEAD_V5 : TREE_HEAD;
	struct p2v_rd rd = p2v_rd_init(buf, fs->block_bytes);
	uint32_t magic;
	int r = block < ag->blocks ? map_view_read(fs->view, map_xfs_at(fs, ag->number, block), buf,
					     fs->block_bytes, err)
				   : map_odd(err, "a tree points beyond its group");

	if (r < 0)
		return r;
	magic = p2v_rd_be32(&rd);
	ret->level = p2v_rd_be16(&rd);
	ret->records = p2v_rd_be16(&rd);
	p2v_rd_be32(&rd); /* the left one */
	ret->right = p2v_rd_be32(&rd);
	ret->rd = p2v_rd_init(buf + head, fs->block_bytes - head);
	if (magic != (fs->crc ? TREE_MAGIC_V5 : TREE_MAGIC))
		return map_odd(err, "a free space tree has a foreign block");
	if (fs->crc && (p2v_get_be64(buf + 16) * 512 != map_xfs_at(fs, ag->number, block) ||
			       memcmp(buf + TREE_UUID_AT, fs->uuid, 16) != 0 ||
			       p2v_get_be32(buf + 48) != ag->number ||
			       !map_crc32c_ok(buf, fs->block_bytes, TREE_CRC_AT)))
		return map_odd(err, "a free space tree is damaged");
	return 0;
}

/* Down the first pointers to the leftmost leaf. An inner block is full of keys (8 bytes each, as
 * many as fit with their pointers), then of pointers (4). */
static int leaf_first(const struct xfs_fs *fs, const struct ag *ag, uint8_t *buf,
	struct tree_block *ret, struct p2v_err *err)
{
	uint32_t at = ag->root;

	for (uint32_t level = ag->levels;;) {
		int r = tree_read(fs, ag, at, buf, ret, err);

		if (r < 0)
			return r;
		if (ret->level != --level)
			return map_odd(err, "a free space tree has levels that do not add up");
		if (level == 0)
			return 0;
		p2v_rd_bytes(&ret->rd, ret->rd.left / 12 * 8);
		at = p2v_rd_be32(&ret->rd);
		if (ret->records == 0)
			return map_odd(err, "a free space tree has an empty branch");
	}
}

static int leaf_take(const struct xfs_fs *fs, struct ag *ag, struct tree_block *leaf,
	struct map_out *out, struct p2v_err *err)
{
	for (uint32_t i = 0; i < leaf->records; i++) {
		uint32_t start = p2v_rd_be32(&leaf->rd), n = p2v_rd_be32(&leaf->rd);
		int r;

		if (leaf->rd.failed || n == 0 || start < ag->next ||
			!p2v_range_within(start, n, ag->blocks))
			return map_odd(err, "a free space tree is not in order");
		ag->next = start + n;
		ag->seen += n;
		r = map_view_free(fs->view, out, map_xfs_at(fs, ag->number, start),
			(uint64_t)n * fs->block_bytes, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int ag_map(const struct xfs_fs *fs, uint32_t number, uint8_t *buf, struct map_out *out,
	struct p2v_err *err)
{
	struct ag ag = {.number = number,
		.blocks = (uint32_t)p2v_min_u64(
			fs->ag_blocks, fs->blocks - (uint64_t)number * fs->ag_blocks)};
	struct tree_block leaf;
	int r = agf_read(fs, &ag, buf, err);

	if (r == 0)
		r = leaf_first(fs, &ag, buf, &leaf, err);
	/* Each leaf but the root holds a record, and they come in order: so this ends. */
	for (bool more = true; r == 0 && more;) {
		r = leaf_take(fs, &ag, &leaf, out, err);
		more = leaf.right != NO_BLOCK;
		if (r == 0 && more && leaf.records == 0)
			r = map_odd(err, "a free space tree has an empty leaf");
		if (r == 0 && more)
			r = tree_read(fs, &ag, leaf.right, buf, &leaf, err);
		if (r == 0 && leaf.level != 0)
			r = map_odd(err, "a free space tree has levels that do not add up");
	}
	if (r == 0 && ag.seen != ag.free_blocks)
		r = map_odd(err, "a free space tree and its count disagree");
	return r;
}

int map_xfs(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	struct xfs_fs fs = {.view = v};
	p2v_autofree uint8_t *buf = NULL;
	const char *why;
	bool clean = false;
	int r = map_xfs_super(&fs, &why, err);

	if (r == 0 && why)
		return map_out_used(out, why);
	if (r == 0)
		r = super_check(&fs, err);
	if (r == 0 && fs.log_start == 0)
		return map_out_used(out, "XFS: its log is on another disk: all copied");
	if (r == 0)
		r = map_xfs_log_clean(&fs, &clean, err);
	if (r < 0)
		return r;
	if (!clean)
		return map_out_used(out, "XFS: its log is not clean: all copied");
	buf = malloc(fs.block_bytes);
	if (!buf)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	out->why_used = "files and metadata, by its free space trees";
	out->why_free = "free by its free space trees; cleanly unmounted";
	for (uint32_t ag = 0; ag < fs.ags && r == 0; ag++)
		r = ag_map(&fs, ag, buf, out, err);
	return r;
}
