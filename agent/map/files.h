/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_FILES_H
#define AGENT_MAP_FILES_H

/*
 * Which files have bytes in some ranges of a disk, such as those that could not be read. Those of
 * ext2, ext3, ext4, XFS, btrfs and NTFS are named: on a partition, on the whole disk, in a linear
 * or striped logical volume, in a member of an md RAID1. Elsewhere the line says what lies there.
 * Slow: it goes over every inode.
 */

#include "agent/map/map.h"

#define MAP_FILES_MAX 200u /* names in one file system; a last line says that there are more */

struct map_span {
	uint64_t offset, length; /* in bytes of the disk */
};

/*
 * Adds lines such as "partition 1: /var/log/syslog", "partition 2, volume vg/home: /ann/x" or
 * "partition 1: in no file (metadata or free space)": printable, one a file; strings of the heap.
 * The ranges are not read again: they count as zeros. P2V_ENOMEM only.
 */
int map_files_at(struct block_io *io, const struct map_part *parts, size_t n_parts,
	const struct map_span *spans, size_t n_spans, char ***lines, size_t *n_lines,
	struct p2v_err *err);

#endif
