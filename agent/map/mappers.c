/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/mappers.h"

#include "agent/map/names.h"
#include "p2v/core/cleanup.h"

#define EXT(type)                                                                                  \
	{                                                                                          \
		type, map_ext, .magic_at = 0x438, .magic = "\x53\xef", .names = map_names_ext      \
	}

#define SLEEPS(sign)                                                                               \
	{                                                                                          \
		"swsuspend", map_swap, .busy = true, .magic_at = 4086, .magic = sign               \
	}

const struct mapper mappers[] = {
	{"swap", map_swap, .busy = true, .magic_at = 4086, .magic = "SWAPSPACE2"},
	SLEEPS("S1SUSPEND"),
	SLEEPS("S2SUSPEND"),
	SLEEPS("ULSUSPEND"),
	SLEEPS("LINHIB0001"),
	{"swsuspend", map_swap, .busy = true, .magic = "\xed\xc3\x02\xe9\x98\x56\xe5\x0c"},
	EXT("ext4"),
	{"ext3", map_ext, .names = map_names_ext},
	{"ext2", map_ext, .names = map_names_ext},
	{"xfs", map_xfs, .magic_at = 0, .magic = "XFSB", .names = map_names_xfs},
	{"btrfs", map_btrfs, .magic_at = 65600, .magic = "_BHRfS_M", .names = map_names_btrfs},
	{"ntfs", map_ntfs, .magic_at = 3, .magic = "NTFS    ", .names = map_names_ntfs},
	{"vfat", map_fat, .magic_at = 54, .magic = "FAT16   "},
	{"vfat", map_fat, .magic_at = 82, .magic = "FAT32   "},
	{"exfat", map_exfat, .magic_at = 3, .magic = "EXFAT   "},
	{"LVM2_member", map_lvm, .magic_at = 512, .magic = "LABELONE", .names = map_names_lvm},
	{"linux_raid_member", map_md, .names = map_names_md},
	{MAP_CUT_OFF, .why_used = "the disk ends before it does: all copied"},
	{MAP_OVERLAPPING,
		.why_used = "partitions overlap: what is free in one may be another's: all copied"},
	{"doubtful",
		.why_used =
			"the disk as a whole holds something, too (an older table, or an array): "
			"all copied"},
	{"crypto_LUKS", .why_used = "encrypted: free and used look alike", .magic = "LUKS\xba\xbe"},
};
const size_t n_mappers = P2V_N(mappers);
