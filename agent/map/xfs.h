/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_XFS_H
#define AGENT_MAP_XFS_H

/* What the files about XFS share. The format: "XFS Algorithms & Data Structures" (big-endian). */

#include "agent/map/mappers.h"

struct xfs_fs {
	const struct map_view *view;
	bool crc;		 /* version 5: metadata describes and checks itself */
	uint32_t block_bytes;	 /* a power of two, 512 to 65536 */
	uint32_t sector_bytes;	 /* 512 to 32768; not larger than a block */
	uint64_t blocks;	 /* of the data section */
	uint32_t ag_blocks, ags; /* all but the last allocation group have ag_blocks */
	uint32_t ag_log;	 /* block addresses: group << ag_log | block within */
	uint64_t log_start;	 /* address; 0: the log is on another device */
	uint32_t log_blocks;
	uint8_t uuid[16];		  /* as metadata carries it */
	uint32_t inode_bytes, inodes_log; /* inodes in a block: a power of two */
	uint32_t dir_log;		  /* blocks in a block of a directory: likewise */
	bool dir_types;			  /* names in directories are followed by a type */
	uint64_t root_inode;
};

/* Fills fs, whose view is set, from the superblock. ret_why: why not to believe it, or NULL. */
int map_xfs_super(struct xfs_fs *fs, const char **ret_why, struct p2v_err *err);
/* Where a block of an allocation group lies in the view. */
uint64_t map_xfs_at(const struct xfs_fs *fs, uint32_t ag, uint32_t block);

/*
 * Whether the log says that the file system was unmounted: its newest record is an unmount record,
 * and nothing was written behind it. Reads the whole log: only then is it known where its end is.
 * ret_clean false: it must be replayed, or cannot be judged.
 */
int map_xfs_log_clean(const struct xfs_fs *fs, bool *ret_clean, struct p2v_err *err);

#endif
