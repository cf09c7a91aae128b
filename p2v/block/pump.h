/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_PUMP_H
#define P2V_BLOCK_PUMP_H

/*
 * The bounded pump: one filler, some workers, one drain, over a fixed pool of items.
 *
 *	                 +--> worker 0 --+
 *	 fill (thread) --+--> worker 1 --+--> drain (the caller's thread)
 *	      ^          +--> ...      --+          |
 *	      +------------- free items <-----------+
 *
 *   - An item is whatever the caller says (his struct, with his buffers); the pump only hands
 *     pointers around. No item is in two hands at once, and passing one on is a full barrier.
 *   - fill is called in order, in a thread of its own; drain is called in the same order, in the
 *     caller's thread; work is called in any order. So memory is bounded by the pool, and a slow
 *     stage holds back those before it.
 *   - The first error (of any stage, or of check) wins: no new call starts, running ones end, all
 *     threads are joined, block_pump_run returns it. Items are the caller's again in any case.
 */

#include <stddef.h>

#include "p2v/core/err.h"

struct pump_ops {
	/* Fills the next item: 1 filled, 0 there is no more (the item is not passed on), or an
	 * error. */
	int (*fill)(void *ctx, void *item, struct p2v_err *err);
	/* Transforms one item. worker: 0..n_workers-1, for per-thread state. 0 or an error. */
	int (*work)(void *ctx, unsigned worker, void *item, struct p2v_err *err);
	/* Consumes one item; afterwards it may be filled again. 0 or an error. */
	int (*drain)(void *ctx, void *item, struct p2v_err *err);
	/* Optional: called in the caller's thread between drains, and at least 5 times a second
	 * while it waits: anything but 0 cancels with that error. A stage that blocks must be woken
	 * by other means (link_cancel). */
	int (*check)(void *ctx, struct p2v_err *err);
};

struct pump_spec {
	const struct pump_ops *ops;
	void *ctx;
	void **items; /* the pool; at least 1; workers + 2 or more keep all busy */
	size_t n_items;
	unsigned n_workers; /* 1..64 */
};

/* Runs until fill says 0 and all is drained, or the first error. P2V_EINVAL for a bad spec. */
int block_pump_run(const struct pump_spec *spec, struct p2v_err *err);

/* Page-aligned memory for disk I/O, zeroed; NULL for want of memory. Release with free(). */
void *block_buffer_new(size_t n);

#endif
