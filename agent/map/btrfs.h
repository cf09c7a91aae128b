/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_BTRFS_H
#define AGENT_MAP_BTRFS_H

/*
 * What the files about btrfs share. Little-endian; the format: "Btrfs on-disk format" of its
 * documentation. Trees are addressed logically; chunks say where a logical range lies on the
 * device, once (single) or twice (DUP).
 */

#include "agent/map/mappers.h"
#include "p2v/core/buf.h"

#define BTRFS_COPIES_MAX 2u

struct btrfs_chunk {
	uint64_t logical, length;
	uint64_t physical[BTRFS_COPIES_MAX];
	unsigned copies;
};

struct btrfs_fs {
	const struct map_view *view;
	uint8_t fsid[16]; /* as tree blocks carry it */
	uint32_t sector_bytes, node_bytes;
	uint64_t device, device_bytes, used_bytes;
	struct btrfs_chunk *chunks; /* in logical order, not overlapping */
	size_t n_chunks;
};

struct btrfs_key {
	uint64_t object;
	uint8_t type;
	uint64_t offset;
};

struct btrfs_root {
	uint64_t logical, generation;
	unsigned level;
};

#define BTRFS_KEY_BYTES 17u
struct btrfs_key map_btrfs_key_read(struct p2v_rd *rd);

/* Called on each item of a tree, in the order of keys. */
typedef int (*btrfs_item_fn)(
	void *ctx, const struct btrfs_key *key, struct p2v_rd data, struct p2v_err *err);
/* Every block's checksum, place, level, generation and order of keys is checked. */
int map_btrfs_walk(const struct btrfs_fs *fs, const struct btrfs_root *root, btrfs_item_fn item,
	void *ctx, struct p2v_err *err);

/* Adds a chunk item; those that are known must come in order. */
int map_btrfs_chunk_add(
	struct btrfs_fs *fs, uint64_t logical, struct p2v_rd *rd, struct p2v_err *err);
/* The chunk that holds all of [logical, logical + n), or NULL. */
const struct btrfs_chunk *map_btrfs_chunk_of(
	const struct btrfs_fs *fs, uint64_t logical, uint64_t n);
/* Marks as free what no chunk has; before what is free in chunks. */
int map_btrfs_unallocated(const struct btrfs_fs *fs, struct map_out *out, struct p2v_err *err);

#endif
