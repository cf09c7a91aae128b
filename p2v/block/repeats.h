/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_REPEATS_H
#define P2V_BLOCK_REPEATS_H

/*
 * Where the blocks of a disk were seen before, so that what is there twice is sent once.
 *
 * A table of fixed size from the digest of a block to its place; younger blocks push older ones
 * out, so repeats are found that lie not too far behind. The digest is keyed with random bytes of
 * the table's own: nobody who may write a file on the disk can prepare a block that passes for
 * another one. Still it is only a guess: who acts on it checks.
 *
 * Memory: BLOCK_REPEATS_BYTES. Threads: any.
 */

#include <stddef.h>
#include <stdint.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/err.h"

#define BLOCK_REPEAT_UNIT   4096u		    /* of offsets and lengths */
#define BLOCK_REPEAT_MIN    (4 * BLOCK_REPEAT_UNIT) /* a shorter run costs more than it saves */
#define BLOCK_REPEATS_BYTES ((size_t)16 << 20)

struct block_repeats;

/* Bytes [to, to + length) of a piece are those at `from` of the disk. */
struct block_repeat {
	uint32_t to, length;
	uint64_t from;
};

int block_repeats_new(struct block_repeats **ret, struct p2v_err *err);
void block_repeats_free(struct block_repeats *repeats); /* NULL is fine */
P2V_DEFINE_CLEANUP(struct block_repeats *, block_repeats_free);

/*
 * Finds in the n bytes at offset (a multiple of the unit) the runs that were seen at a place before
 * offset, and notes the other blocks as seen here. ret: room for n / BLOCK_REPEAT_MIN; in order,
 * none overlaps. Returns how many.
 */
size_t block_repeats_find(struct block_repeats *repeats, uint64_t offset, const void *bytes,
	size_t n, struct block_repeat *ret);

#endif
