/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_LIMIT_H
#define P2V_RECV_LIMIT_H

/*
 * The bandwidth that JOB/orders.json allows the agent (p2v/model/orders.h), told by LIMIT. Orders
 * may come while it sends, and change: they are looked at every two seconds. Where there are
 * several connections each gets an equal part.
 */

#include "p2v/recv/peer.h"
#include "p2v/recv/streams.h"

struct recv_limit {
	uint64_t told, looked_ms; /* told: bytes a second, to each connection; 0: none */
};

/* image_path: JOB/image/DISK. By the thread that sends. */
int recv_limit_look(struct recv_limit *limit, const char *image_path, struct peer *peer,
	struct recv_streams *streams, struct p2v_err *err);

#endif
