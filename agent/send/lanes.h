/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_LANES_H
#define AGENT_SEND_LANES_H

/*
 * The connections that the chunks of one pass go over: the control connection, and data connections
 * beside it (PROTOCOL.md, "Parallel connections"), each with a thread of its own that encrypts.
 *
 *	drain --> queue --> lane 1 (thread) --> data connection
 *	   |          +---> lane 2 (thread) --> data connection
 *	   +--- where the queue is full, or there is no lane: the control connection
 *
 *   - A chunk that went over a data connection is held until it is TAKEN: where that connection is
 *     lost, the same bytes go over another one, so that what comes late there does no harm. The
 *     lane connects again by itself; while there is none, the control connection carries all.
 *   - How many: as many as were asked for; or auto: while the pass runs and its links are what
 *     bounds it, one more is tried, and kept where the rate grows by a seventh.
 *   - Memory: LANES_HELD_MAX chunks.
 */

#include "agent/send/conn.h"
#include "agent/send/send.h"

#define LANES_HELD_MAX 20u /* beside them, SEND_MEMORY_BYTES of pipeline.h */

struct lanes;

struct lanes_spec {
	const struct send_spec *send;
	struct conn *control;
	const struct digest *token; /* of ADMIT */
	uint16_t disk;
	uint64_t disk_bytes;
	struct send_streams *streams; /* how many; what was found out stays in it */
	struct send_load *load;
};

/* P2V_ENOMEM only: a data connection that cannot be made is told, and is no failure. */
int lanes_new(const struct lanes_spec *spec, struct lanes **ret, struct p2v_err *err);
/* Ends the data connections. NULL is fine. */
void lanes_free(struct lanes *lanes);
P2V_DEFINE_CLEANUP(struct lanes *, lanes_free);

/* conn_send_chunk over one of them. In one thread, like the next three. */
int lanes_put(struct lanes *lanes, const uint8_t *frame, size_t n, uint32_t data_bytes,
	struct p2v_err *err);
/* Looks whether another connection would help, and says what went wrong with one. */
void lanes_watch(struct lanes *lanes);
/* Waits until every chunk is TAKEN, on whatever connection; what was RESEND is noted in the control
 * connection. */
int lanes_drained(struct lanes *lanes, struct p2v_err *err);
/* Whether there was never another connection than the control connection. */
bool lanes_alone(const struct lanes *lanes);
/* Connections in use now. */
unsigned lanes_count(struct lanes *lanes);

#endif
