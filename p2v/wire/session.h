/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_WIRE_SESSION_H
#define P2V_WIRE_SESSION_H

/*
 * Who may send what, when: the table of PROTOCOL.md, "The ladder", as a state machine. Both ends
 * hold one; each message goes through it before it is put into the pipe (wire_session_sent) and
 * when it comes out (wire_session_received). It looks at nothing but types, HELLO's role and
 * the two steps of a disk.
 *
 * Not thread-safe: whoever sends and receives in two threads holds a lock around it.
 */

#include "p2v/core/err.h"
#include "p2v/wire/msg.h"

enum wire_side { WIRE_AGENT, WIRE_RECEIVER };

enum wire_state {
	WIRE_STATE_START,
	WIRE_STATE_HELLO,
	WIRE_STATE_GREETED,
	WIRE_STATE_OFFERED,
	WIRE_STATE_ADMITTED,
	WIRE_STATE_OPENING,
	WIRE_STATE_SENDING,
	WIRE_STATE_VERIFYING,
	WIRE_STATE_FINISHING,
	WIRE_STATE_FINISHED,
	WIRE_STATE_DATA,
	WIRE_STATE_CLOSED, /* after REFUSE, CANCEL or ERROR, whoever said it: nothing more */
};

struct wire_session {
	enum wire_side me;
	enum wire_state state;
	bool data; /* HELLO said role 1 */
};

void wire_session_init(struct wire_session *session, enum wire_side me);
/* Advance, or P2V_EFORMAT: "CHUNK cannot come in state ADMITTED"; the state is then unchanged. */
int wire_session_sent(
	struct wire_session *session, const struct wire_msg *msg, struct p2v_err *err);
int wire_session_received(
	struct wire_session *session, const struct wire_msg *msg, struct p2v_err *err);
const char *wire_state_name(enum wire_state state);

#endif
