/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/mappers.h"

#include "p2v/core/cleanup.h"

#define EXT(type)                                                                                  \
	{                                                                                          \
		type, map_ext, .magic_at = 0x438, .magic = "\x53\xef"                              \
	}

const struct mapper mappers[] = {
	{"swap", map_swap, .busy = true, .magic_at = 4086, .magic = "SWAPSPACE2"},
	{"swsuspend", map_swap, .busy = true},
	EXT("ext4"),
	{"ext3", map_ext},
	{"ext2", map_ext},
	{"xfs", map_xfs, .magic_at = 0, .magic = "XFSB"},
	{"crypto_LUKS", .why_used = "encrypted: free and used look alike"},
};
const size_t n_mappers = P2V_N(mappers);
