/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_MAP_H
#define AGENT_MAP_MAP_H

/*
 * Which blocks of a disk have to be copied, and why. Everything is, but for what the disk itself
 * knows to be zero (a sparse file's holes) and what a mapper proves to be without content.
 * Unknown means used: a mapper that finds anything odd leaves its partition as it is.
 *
 * One kind of content = one file, one row in mappers.c.
 */

#include <stddef.h>
#include <stdint.h>

#include "p2v/block/extent.h"
#include "p2v/block/io.h"
#include "p2v/core/err.h"

/* What somebody found on the disk; the parts do not overlap. number 0: the disk itself. */
struct map_part {
	uint32_t number;
	uint64_t offset_bytes, length_bytes;
	const char *type; /* ext4, swap, ... as libblkid calls it; NULL: unknown */
};

/* One range of the disk for people: what it is, and why it is copied or not. */
struct map_region {
	uint64_t offset_bytes, length_bytes;
	enum extent_kind kind;
	char what[64]; /* "partition 1 (ext4)" */
	const char *why;
};

struct map {
	struct extent_list extents; /* the truth, not aligned to anything */
	struct map_region *regions; /* the same in words, in order */
	size_t n_regions;
};

/*
 * P2V_EREFUSED: the machine must not be copied as it is (a suspend image in its swap space), with
 * what to do about it. Reads a page or so for each part; writes nothing.
 */
int map_disk(struct block_io *io, const struct map_part *parts, size_t n_parts, struct map *ret,
	struct p2v_err *err);
void map_finish(struct map *map);
#define map_auto __attribute__((cleanup(map_finish)))

#endif
