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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/block/extent.h"
#include "p2v/block/io.h"
#include "p2v/core/err.h"

/* What somebody found on the disk; where parts overlap, all of both is copied. number 0: the disk
 * itself. */
struct map_part {
	uint32_t number;
	uint64_t offset_bytes, length_bytes;
	const char *type; /* ext4, swap, ... as libblkid calls it; NULL: unknown */
	bool busy;	  /* somebody on this machine uses it: what is free may not stay so */
};

/* One thing on the disk, for people: what it is, and why it is copied or not. */
struct map_region {
	unsigned depth; /* 1: lies within the one of depth 0 before it (a logical volume) */
	uint64_t offset_bytes, length_bytes; /* depth 1: where its first piece lies; its size */
	uint64_t used_bytes, zero_bytes, free_bytes;
	char what[96];	      /* "partition 1 (ext4)"; a volume's name is the disk's: foreign */
	const char *why_used; /* why what is used is copied; never NULL */
	const char *why_free; /* why what is free is not; NULL where nothing is free */
};

/* Physical volumes of LVM on all disks of a machine. What is free in a group of several can be told
 * only where all of them are seen, in one and the same state. */
struct map_peer {
	struct block_io *io; /* lent */
	uint64_t offset_bytes, length_bytes;
};
struct map_peers {
	struct map_peer *items;
	size_t n;
};
/* Adds those among a disk's parts that nobody uses. P2V_ENOMEM only. */
int map_peers_add(struct map_peers *peers, struct block_io *io, const struct map_part *parts,
	size_t n_parts, struct p2v_err *err);
void map_peers_finish(struct map_peers *peers);

struct map {
	struct extent_list extents; /* the truth, not aligned to anything */
	struct map_region
		*regions; /* the same in words: those of depth 0 cover the disk in order */
	size_t n_regions;
};

/*
 * P2V_EREFUSED: the machine must not be copied as it is (it sleeps, and its memory lies on the
 * disk), with what to do about it. Reads metadata only; writes nothing. Free runs of less than a
 * grain (p2v/block/digest.h) are not worth a word, and stay used. peers: this disk's among them;
 * NULL: no other disk is known.
 */
int map_disk(struct block_io *io, const struct map_part *parts, size_t n_parts,
	const struct map_peers *peers, struct map *ret, struct p2v_err *err);
void map_finish(struct map *map);
#define map_auto __attribute__((cleanup(map_finish)))

#endif
