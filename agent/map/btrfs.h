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

/* What the superblock says, beside what is in struct btrfs_fs. */
struct btrfs_super {
	struct btrfs_root root, chunks; /* trees */
	uint64_t log, devices, ro_compat, incompat, flags;
	unsigned csum_type;
	uint32_t system_bytes;
};
/* Reads the superblock of fs, whose view is set, and its chunks; free(fs->chunks) in any case.
 * believe: not one that is not fit to say what is free; then ret_why says why, NULL: it is. */
int map_btrfs_open(struct btrfs_fs *fs, struct btrfs_super *ret, bool believe, const char **ret_why,
	struct p2v_err *err);

#define BTRFS_ROOT_ITEM 132u
/* The root of a tree out of its item. */
int map_btrfs_root_read(struct p2v_rd data, struct btrfs_root *ret, struct p2v_err *err);

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
