/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_WALK_H
#define AGENT_SEND_WALK_H

/*
 * The walk over a disk, from front to back, in pieces: what is to be done with each grain, from
 * what the map knows (extents), what the receiver has (a span of HAVE), and what must be sent in
 * any case (ranges that came back wrong). Pure: no I/O.
 *
 * Pieces are grain-aligned (but for the disk's end), follow each other without a gap, and are at
 * most SEND_CHUNK_BYTES (READ), SEND_KEEP_GRAINS (KEEP) or SEND_RUN_BYTES (ZERO, FREE) long.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/block/digest.h"
#include "p2v/block/extent.h"
#include "p2v/wire/msg.h"

#define SEND_CHUNK_BYTES WIRE_CHUNK_MAX
#define SEND_KEEP_GRAINS 256u
#define SEND_RUN_BYTES	 (UINT64_C(1) << 30)
#define SEND_RANGES_MAX	 4096u

enum send_piece_kind {
	SEND_READ, /* read it and send what it is */
	SEND_ZERO, /* known zeros: say so */
	SEND_FREE, /* proved free: say so */
	SEND_KEEP, /* the receiver has it: only its leaves count */
};

enum send_mode {
	SEND_COPY,    /* what the receiver has is kept unread */
	SEND_REFRESH, /* what the receiver has may be of an older time: read and compare */
};

struct send_piece {
	enum send_piece_kind kind;
	uint64_t offset, length; /* length 0: the walk is over */
};

/* What the receiver has of grains [first, first + count). */
struct send_span {
	uint64_t first;
	uint32_t count;
	uint8_t durable[WIRE_HAVE_MAX];
	struct digest leaves[WIRE_HAVE_MAX];
};

/* Ranges in any order; bounded, as the far end adds to them. */
struct send_ranges {
	struct wire_range items[SEND_RANGES_MAX];
	size_t n;
};
/* Rounded out to grains and cut to the size. P2V_EFORMAT: beyond the disk, or too many. */
int send_ranges_add(struct send_ranges *ranges, uint64_t offset, uint64_t length,
	uint64_t size_bytes, struct p2v_err *err);
/* Whether any range touches [offset, offset + length). */
bool send_ranges_touch(const struct send_ranges *ranges, uint64_t offset, uint64_t length);

/*
 * The piece at offset. A grain that is not wholly free is to be read. span: NULL where the receiver
 * has nothing, else it holds offset's grain. must: may be NULL. SEND_REFRESH keeps zeros that are
 * zeros there; what is to be read there is compared by who reads it.
 */
struct send_piece send_walk_next(const struct extent_list *extents, const struct send_span *span,
	const struct send_ranges *must, enum send_mode mode, uint64_t offset);

#endif
