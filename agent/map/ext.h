/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_EXT_H
#define AGENT_MAP_EXT_H

#include <ext2fs/ext2fs.h>

#include "agent/map/mappers.h"

/* Opens, read-only, the file system that is the view, which outlives it; ext2fs_free closes it.
 * flags: of ext2fs_open, besides; super: the block of a copy of the superblock, with the size of
 * blocks; 0, 0: the superblock. The library prints nothing from then on. */
errcode_t map_ext_open(
	const struct map_view *v, int flags, int super, unsigned block_bytes, ext2_filsys *ret);

#endif
