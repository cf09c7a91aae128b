/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_XFS_INODE_H
#define AGENT_MAP_XFS_INODE_H

/*
 * The inodes of an XFS, where their bytes lie, and the names in directories. Reads what it can of a
 * damaged one: what makes no sense is passed over, and bounded.
 */

#include "agent/map/xfs.h"

#define XFS_INODE_MAX 2048u

struct xfs_inode {
	uint64_t number;
	uint8_t bytes[XFS_INODE_MAX]; /* fs->inode_bytes of them */
};

/* P2V_EFORMAT where its geometry makes no sense: the others want one that passed. */
int map_xfs_inodes_check(const struct xfs_fs *fs, struct p2v_err *err);

/* Calls each inode in use. Ends with what it returns where that is negative; else 0, or P2V_EIO,
 * P2V_ENOMEM, P2V_ECANCELED. */
typedef int (*map_xfs_inode_fn)(void *ctx, const struct xfs_inode *inode, struct p2v_err *err);
int map_xfs_inodes(const struct xfs_fs *fs, map_xfs_inode_fn look, void *ctx, struct p2v_err *err);
/* One inode by its number; false where there is none. */
bool map_xfs_inode_read(const struct xfs_fs *fs, uint64_t number, struct xfs_inode *ret);
bool map_xfs_is_dir(const struct xfs_inode *inode);

/* Calls each stretch of blocks that an inode has: its data, its attributes and, as of file_block
 * XFS_BLOCK_TREE, the blocks that say where those lie. Stops where it returns false. */
#define XFS_BLOCK_TREE UINT64_MAX
typedef bool (*map_xfs_run_fn)(
	void *ctx, uint64_t file_block, uint64_t offset_bytes, uint64_t length_bytes);
void map_xfs_runs(const struct xfs_fs *fs, const struct xfs_inode *inode, bool attributes,
	map_xfs_run_fn run, void *ctx);

/* Calls each name in a directory, ".." included, "." perhaps. Stops where it returns false. */
typedef bool (*map_xfs_entry_fn)(void *ctx, uint64_t inode, const uint8_t *name, size_t n);
void map_xfs_entries(
	const struct xfs_fs *fs, const struct xfs_inode *dir, map_xfs_entry_fn entry, void *ctx);

#endif
