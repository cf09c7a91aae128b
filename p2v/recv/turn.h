/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_TURN_H
#define P2V_RECV_TURN_H

/* Between INVENTORY and ADMIT: the agent waits for its turn and for room (p2v/store/queue.h), and
 * is told its place. */

#include "p2v/recv/job.h"
#include "p2v/recv/peer.h"
#include "p2v/store/queue.h"

/* Returns when the job may be sent; ret is its ticket, or NULL where there is no queue: nobody has
 * said limits here. P2V_EREFUSED: it will never be its turn. */
int recv_turn_wait(struct peer *peer, const char *base, const struct recv_job *job,
	struct store_queue **ret, struct p2v_err *err);

#endif
