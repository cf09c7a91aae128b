/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_WINDOW_H
#define AGENT_SEND_WINDOW_H

/*
 * What is on its way: chunks that were sent and not yet TAKEN, counted as PROTOCOL.md says (seq
 * from 1 on each connection; only DATA fills the window). Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/err.h"

/* Chunks on their way at most, ZERO ones included: enough for the largest window at one grain a
 * chunk. */
#define SEND_WINDOW_CHUNKS 2048u

struct send_window {
	uint64_t limit_bytes, used_bytes;
	uint64_t sent_seq, taken_seq, durable_seq;
	uint32_t lengths[SEND_WINDOW_CHUNKS]; /* of chunk seq, at seq modulo the size */
};

void send_window_init(struct send_window *w, uint64_t limit_bytes);
/* Whether a chunk with n bytes of DATA (0 for the other kinds) may go. An empty window takes any.
 */
bool send_window_fits(const struct send_window *w, uint32_t n);
/* It goes: must fit. */
void send_window_sent(struct send_window *w, uint32_t n);
/* TAKEN, DURABLE. P2V_EFORMAT for a seq that was not sent, or that goes back. */
int send_window_taken(struct send_window *w, uint64_t seq, struct p2v_err *err);
int send_window_durable(struct send_window *w, uint64_t seq, struct p2v_err *err);

#endif
