/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_HAVE_H
#define AGENT_SEND_HAVE_H

/*
 * What the receiver has of a disk, asked span by span (HAVE_ASK, HAVE) as the walk goes on, one
 * span ahead, so that neither side keeps the digests of a whole disk. For one thread; have_free
 * after it.
 */

#include "agent/send/conn.h"

struct have;

struct have *have_new(struct conn *conn, uint16_t disk, uint64_t n_grains); /* NULL: no memory */
void have_free(struct have *have);
/* The span that holds this grain: the one of the last call or the next one, never an earlier one.
 * Valid until the next call. Waits for the answer. */
int have_span(struct have *have, uint64_t grain, const struct send_span **ret, struct p2v_err *err);

#endif
