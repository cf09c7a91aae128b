/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_EXTENT_H
#define P2V_BLOCK_EXTENT_H

/*
 * What is known about each byte of a disk, as a list of extents.
 *
 * Always true of a list, whatever was done to it:
 *   - the extents are sorted, do not overlap and cover [0, size_bytes) without a gap;
 *   - none is empty, and no two neighbours have the same kind;
 *   - what nobody has spoken of is EXTENT_USED: unknown means used.
 * A list of size 0 has no extents. Memory: 24 bytes an extent.
 */

#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"

enum extent_kind {
	EXTENT_USED, /* must be copied */
	EXTENT_ZERO, /* known to read as zero bytes: need not be read */
	EXTENT_FREE, /* proved free by its file system: not copied, reads as zero in the image */
};

struct extent {
	uint64_t offset_bytes, length_bytes;
	enum extent_kind kind;
};

struct extent_list {
	uint64_t size_bytes;
	struct extent *items;
	size_t n_items, cap;
};

/* Covers [0, size_bytes) with USED. P2V_ENOMEM only. */
int block_extents_init(struct extent_list *list, uint64_t size_bytes, struct p2v_err *err);
void block_extents_finish(struct extent_list *list);

/*
 * Says that [offset, offset + length) is of this kind, whatever it was. A range beyond the list is
 * P2V_EINVAL; for P2V_ENOMEM the list is as before. Cheap (no search, no move) where the range
 * begins in the last extent, so that a list built from front to back costs O(n).
 */
int block_extents_set(struct extent_list *list, uint64_t offset_bytes, uint64_t length_bytes,
	enum extent_kind kind, struct p2v_err *err);

/* The part of the list within [offset, offset + length), one extent a call: the extent that holds
 * `offset`, cut to the range. length 0 in the result: nothing is left. The walk is
 *
 *	for (e = block_extents_at(l, from, n); e.length_bytes; e = block_extents_next(l, e, from +
 *n))
 */
struct extent block_extents_at(
	const struct extent_list *list, uint64_t offset_bytes, uint64_t length_bytes);
struct extent block_extents_next(
	const struct extent_list *list, struct extent e, uint64_t end_bytes);

/* The index of the extent that holds offset; the last one's beyond the end. The list is not empty.
 */
size_t block_extents_index(const struct extent_list *list, uint64_t offset_bytes);

/* Bytes of this kind in the whole list. */
uint64_t block_extents_sum(const struct extent_list *list, enum extent_kind kind);

/* "used", "zero", "free". */
const char *block_extent_kind_word(enum extent_kind kind);

#endif
