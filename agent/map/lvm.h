/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_LVM_H
#define AGENT_MAP_LVM_H

/*
 * LVM2: what the metadata text of a volume group says, and what of it lies on the physical volume
 * that is looked at. Names are the disk's bytes: foreign.
 */

#include "agent/map/mappers.h"
#include "p2v/block/bitmap.h"

#define LVM_UUID_BYTES 32u
#define LVM_NAME_MAX   128u
#define LVM_PVS_MAX    64u

struct lvm_pv {
	uint8_t uuid[LVM_UUID_BYTES];
	uint64_t extents, first_bytes; /* physical extent 0 begins there */
	bool here;		       /* its view is known */
	struct map_view view;
};

/* Physical extents from `physical` on. */
struct lvm_stripe {
	size_t pv;
	uint64_t physical;
};

/* Logical extents [start, start + count): count / n from each stripe, stripe_bytes of one after
 * those of the other. Linear: one stripe, whose stripe_bytes are all of it. */
struct lvm_segment {
	uint64_t start, count, stripe_bytes;
	size_t first; /* of the volume's stripes */
	uint64_t n;
};

struct lvm_volume {
	char name[LVM_NAME_MAX];
	uint64_t extents;
	struct lvm_segment *segments; /* in order, without a gap from 0; all where placed */
	size_t n_segments;
	struct lvm_stripe *stripes;
	size_t n_stripes;
	bool placed; /* all of it lies on physical volumes, linear or striped */
	/* Placed, and no part of anything else (mirror, pool, snapshot): what is free within is of
	 * no use to anybody. */
	bool plain;
	/* Of a thin pool: bytes of its blocks, 0 where it is none, and the volumes that it is. */
	uint64_t chunk_bytes;
	char pool_data[LVM_NAME_MAX], pool_meta[LVM_NAME_MAX];
};

struct lvm_group {
	char name[LVM_NAME_MAX];
	uint8_t uuid[LVM_UUID_BYTES];
	uint64_t seqno, extent_bytes;
	struct lvm_pv pvs[LVM_PVS_MAX];
	size_t n_pvs, own;   /* own: the one that is looked at */
	struct bitmap taken; /* its extents that some volume has */
	struct lvm_volume *volumes;
	size_t n_volumes;
};

/*
 * Reads the text of a volume group that has this physical volume. ret_why: a constant text where it
 * is well formed but says too little or too much (a kind of segment that names the physical volume
 * directly and is not known); then ret_group is untouched. P2V_EFORMAT where the text contradicts
 * itself. No physical volume is `here` yet.
 */
int map_lvm_parse(const char *text, size_t n, const uint8_t uuid[LVM_UUID_BYTES],
	struct lvm_group *ret_group, const char **ret_why, struct p2v_err *err);
void map_lvm_group_finish(struct lvm_group *group);
#define map_lvm_auto_group __attribute__((cleanup(map_lvm_group_finish)))

/* Where a byte of a placed volume lies: the physical volume, the offset in it (ret_at), and how
 * many bytes follow there. */
size_t map_lvm_locate(const struct lvm_group *g, const struct lvm_volume *lv, uint64_t offset,
	uint64_t *ret_at, uint64_t *ret_left);

/* Maps what lies in a plain volume or a thin pool's data, and adds a region for each volume. */
int map_lvm_volume(const struct map_view *v, const struct lvm_group *g, const struct lvm_volume *lv,
	struct map_out *out, struct p2v_err *err);

/* Names the files of a volume that lie where the disk could not be read (names.h). */
int map_lvm_volume_names(const struct map_view *v, const struct lvm_group *g,
	const struct lvm_volume *lv, struct map_bad *bad, struct p2v_err *err);

/* The data blocks of a thin pool that none of its volumes has. data: the pool's data volume. */
int map_lvm_thin(struct block_io *meta, uint64_t chunk_bytes, const struct map_view *data,
	struct map_out *out, struct p2v_err *err);

#endif
