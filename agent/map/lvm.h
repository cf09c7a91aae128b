/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_LVM_H
#define AGENT_MAP_LVM_H

/*
 * LVM2: what its metadata text says about the one physical volume that is looked at. Names are the
 * disk's bytes: foreign.
 */

#include "agent/map/mappers.h"
#include "p2v/block/bitmap.h"

#define LVM_UUID_BYTES 32u
#define LVM_NAME_MAX   128u

/* Logical extents [start, start + count) lie at physical extents [physical, ...). */
struct lvm_segment {
	uint64_t start, count, physical;
};

struct lvm_volume {
	char name[LVM_NAME_MAX];
	uint64_t extents;
	struct lvm_segment *segments; /* in order, without a gap from 0; whole where linear */
	size_t n_segments;
	bool linear; /* all of it on our physical volume, one piece after the other */
	/* Linear, and no part of anything else (mirror, pool, snapshot): what is free within is of
	 * no use to anybody. */
	bool plain;
	/* Of a thin pool: bytes of its blocks, 0 where it is none, and the volumes that it is. */
	uint64_t chunk_bytes;
	char pool_data[LVM_NAME_MAX], pool_meta[LVM_NAME_MAX];
};

struct lvm_group {
	char name[LVM_NAME_MAX];
	uint64_t extent_bytes, first_bytes; /* physical extent 0 begins there */
	struct bitmap taken;		    /* physical extents that some volume has */
	struct lvm_volume *volumes;
	size_t n_volumes;
};

/*
 * Reads the text of a volume group that has this one physical volume. ret_why: a constant text
 * where it is well formed but says too little or too much (several physical volumes, a kind of
 * segment that names one directly and is not known); then ret_group is untouched.
 * P2V_EFORMAT where the text contradicts itself.
 */
int map_lvm_parse(const char *text, size_t n, const uint8_t uuid[LVM_UUID_BYTES],
	struct lvm_group *ret_group, const char **ret_why, struct p2v_err *err);
void map_lvm_group_finish(struct lvm_group *group);
#define map_lvm_auto_group __attribute__((cleanup(map_lvm_group_finish)))

/* Maps what lies in a plain volume or a thin pool's data, and adds a region for each volume. */
int map_lvm_volume(const struct map_view *v, const struct lvm_group *g, const struct lvm_volume *lv,
	struct map_out *out, struct p2v_err *err);

/* Names the files of a linear volume that lie where the disk could not be read (names.h). */
int map_lvm_volume_names(const struct map_view *v, const struct lvm_group *g,
	const struct lvm_volume *lv, struct map_bad *bad, struct p2v_err *err);

/* The data blocks of a thin pool that none of its volumes has. data: the pool's data volume. */
int map_lvm_thin(struct block_io *meta, uint64_t chunk_bytes, const struct map_view *data,
	struct map_out *out, struct p2v_err *err);

#endif
