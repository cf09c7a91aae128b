/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_PEER_H
#define P2V_RECV_PEER_H

/*
 * The agent at the other end of the link: messages in, messages out, the session's state, and the
 * heart beat.
 *
 * Threads: one thread sends and holds the session (the main one). Another may read frames
 * (recv_peer_frame) meanwhile.
 */

#include <stdatomic.h>

#include "p2v/core/buf.h"
#include "p2v/link/link.h"
#include "p2v/recv/log.h"
#include "p2v/wire/frame.h"
#include "p2v/wire/greet.h"
#include "p2v/wire/session.h"

struct peer {
	struct link *link;
	struct wire_feed feed; /* the reading thread's */
	struct wire_session session;
	struct wire_terms terms; /* after WELCOME */
	struct p2v_buf out;
	uint64_t sent_ms; /* when something was sent last */
	_Atomic uint64_t heard_ms;
	atomic_bool stop; /* ends the reading thread */
	uint64_t seq;	  /* chunks that came on this connection */
	int alive_fd;	  /* a file that is touched once a second while something is heard; -1 */
	uint64_t touched_ms;
	int log_fd;	/* where LOG goes; -1: nowhere */
	uint8_t refuse; /* the reason of a REFUSE, where it does not follow from the failure; 0 */
	struct recv_unreadable unreadable;
};

int recv_peer_init(struct peer *peer, struct link *link, struct p2v_err *err);
void recv_peer_finish(struct peer *peer); /* the link is not the peer's */

/* Sends our preface; once, first. */
int recv_peer_open(struct peer *peer, struct p2v_err *err);
/* Checks against the session, encodes, writes. */
int recv_peer_send(struct peer *peer, const struct wire_msg *msg, struct p2v_err *err);
/* The next frame, whatever it is: 1, or 0 where the agent's stream ended at a frame's border.
 * P2V_ELINK where nothing was heard for three keepalives, P2V_ECANCELED on a stop request. */
int recv_peer_frame(struct peer *peer, struct wire_frame *ret, struct p2v_err *err);
/* Reads what there is, once: 1, or 0 where the stream ended at a frame's border; the frames are
 * then taken out of the feed. Only where bytes wait. */
int recv_peer_fill(struct peer *peer, struct p2v_err *err);
/* P2V_ELINK where nothing was heard for three keepalives, else 0. */
int recv_peer_silence(const struct peer *peer, struct p2v_err *err);
/*
 * The next message that the session's state allows and that means something to the caller: PING is
 * answered here, LOG, PROGRESS, PONG and LIMIT are passed over. Our own PINGs go out meanwhile.
 * Ends: P2V_ELINK at the end of the stream, P2V_ECANCELED for CANCEL, P2V_EIO for ERROR, with the
 * agent's sentence. The message lives until the next call.
 */
int recv_peer_next(struct peer *peer, struct wire_msg *ret, struct p2v_err *err);
/* What recv_peer_next does with a message that was read elsewhere: 1 it is the caller's to use, 0
 * it was dealt with here. */
int recv_peer_digest(struct peer *peer, const struct wire_msg *msg, struct p2v_err *err);
/* Sends PING where nothing was sent for a keepalive. */
int recv_peer_beat(struct peer *peer, struct p2v_err *err);
/* Deals with what has come, without waiting, while the agent has nothing of weight to say. */
int recv_peer_poll(struct peer *peer, struct p2v_err *err);
/* Tells the agent why this is the end, as REFUSE or ERROR by the session's state; nothing where it
 * is to come again (P2V_ELINK, P2V_ECANCELED). Best effort. */
void recv_peer_fail(struct peer *peer, const struct p2v_err *why);
/* "I send no more", and waits for the agent to close (bounded). */
void recv_peer_close(struct peer *peer);

#endif
