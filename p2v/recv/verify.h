/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_VERIFY_H
#define P2V_RECV_VERIFY_H

/*
 * Re-reads a disk, several pieces at once, and compares each grain with the leaf that the journal
 * has of it. Nothing is changed by this. Memory: about 14 MiB.
 */

#include "p2v/block/digest.h"
#include "p2v/block/io.h"
#include "p2v/recv/journal.h"

struct recv_verify {
	struct block_io *io;
	struct journal *journal; /* of the same size */
	void *ctx;
	/* Grains that differ, or that are not durable: in order, never two that touch. Anything but
	 * 0 ends it with that error. */
	int (*bad)(void *ctx, uint64_t first, uint64_t n, struct p2v_err *err);
	block_progress_fn progress; /* in the caller's thread; may be NULL */
	bool trust; /* what is proved (recv/journal.h) is not read again: its leaves count */
};

/* ret_root: of what was read, whatever the journal says of it. */
int recv_verify_run(const struct recv_verify *spec, struct digest *ret_root, struct p2v_err *err);

#endif
