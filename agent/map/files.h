/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_FILES_H
#define AGENT_MAP_FILES_H

/*
 * Which files have bytes in some ranges of a disk, such as those that could not be read. Only
 * ext2, ext3 and ext4 right on a partition or on the whole disk can be asked (libext2fs); what lies
 * elsewhere is not named. Slow: it goes over every inode.
 */

#include "agent/map/map.h"

#define MAP_FILES_MAX 200u /* names at most; a last line says that there are more */

/* The ranges come in the order and form of "offset, length", in bytes of the disk. */
struct map_span {
	uint64_t offset, length;
};

/*
 * Adds lines such as "partition 1: /var/log/syslog" or "partition 1: in no file (metadata or free
 * space)": printable, one a file; strings of the heap. path: the disk. A file system that cannot be
 * looked at adds a line that says so. P2V_ENOMEM only.
 */
int map_files_at(const char *path, const struct map_part *parts, size_t n_parts,
	const struct map_span *spans, size_t n_spans, char ***lines, size_t *n_lines,
	struct p2v_err *err);

#endif
