/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/wire/session.h"

#include "p2v/core/cleanup.h"

#define A WIRE_AGENT
#define R WIRE_RECEIVER

/* In `state`, `from` may send `type`, which leads to `next`. */
struct step {
	enum wire_state state;
	enum wire_side from;
	enum wire_type type;
	enum wire_state next;
};

#define STEP(state, from, type, next)                                                              \
	{                                                                                          \
		WIRE_STATE_##state, from, WIRE_##type, WIRE_STATE_##next                           \
	}

/* PROTOCOL.md, "The ladder", line by line. */
static const struct step steps[] = {
	STEP(START, A, HELLO, HELLO),
	STEP(START, R, REFUSE, CLOSED),
	STEP(HELLO, R, WELCOME, GREETED),
	STEP(HELLO, R, REFUSE, CLOSED),
	STEP(GREETED, A, INVENTORY, OFFERED),
	STEP(OFFERED, R, WAIT, OFFERED),
	STEP(OFFERED, R, ADMIT, ADMITTED),
	STEP(OFFERED, R, REFUSE, CLOSED),
	STEP(ADMITTED, A, OPEN, OPENING),
	STEP(ADMITTED, A, FINISH, FINISHING),
	STEP(OPENING, R, READY, SENDING),
	STEP(OPENING, R, REFUSE, CLOSED),
	STEP(SENDING, A, HAVE_ASK, SENDING),
	STEP(SENDING, A, CHUNK, SENDING),
	STEP(SENDING, A, CHECKPOINT, SENDING),
	STEP(SENDING, A, DONE, VERIFYING),
	STEP(SENDING, R, HAVE, SENDING),
	STEP(SENDING, R, TAKEN, SENDING),
	STEP(SENDING, R, DURABLE, SENDING),
	STEP(SENDING, R, RESEND, SENDING),
	STEP(SENDING, R, PULL, SENDING),
	STEP(VERIFYING, R, TAKEN, VERIFYING),
	STEP(VERIFYING, R, DURABLE, VERIFYING),
	STEP(VERIFYING, R, PULL, VERIFYING),
	STEP(VERIFYING, R, VERIFIED, ADMITTED),
	STEP(VERIFYING, R, MISMATCH, SENDING),
	STEP(FINISHING, R, DURABLE, FINISHING),
	STEP(FINISHING, R, FINISHED, FINISHED),
	STEP(FINISHED, R, STATUS, FINISHED),
	STEP(DATA, A, CHUNK, DATA),
	STEP(DATA, A, CHECKPOINT, DATA),
	STEP(DATA, R, TAKEN, DATA),
	STEP(DATA, R, DURABLE, DATA),
	STEP(DATA, R, RESEND, DATA),
	STEP(DATA, R, REFUSE, CLOSED),
};

/* From GREETED on, both sides, in each state; `last`: nothing follows. */
static const struct anytime {
	enum wire_type type;
	bool last;
} anytimes[] = {
	{WIRE_PING, false},
	{WIRE_PONG, false},
	{WIRE_PROGRESS, false},
	{WIRE_LIMIT, false},
	{WIRE_LOG, false},
	{WIRE_CANCEL, true},
	{WIRE_ERROR, true},
};

static const char *const names[] = {
	[WIRE_STATE_START] = "START",
	[WIRE_STATE_HELLO] = "HELLO",
	[WIRE_STATE_GREETED] = "GREETED",
	[WIRE_STATE_OFFERED] = "OFFERED",
	[WIRE_STATE_ADMITTED] = "ADMITTED",
	[WIRE_STATE_OPENING] = "OPENING",
	[WIRE_STATE_SENDING] = "SENDING",
	[WIRE_STATE_VERIFYING] = "VERIFYING",
	[WIRE_STATE_FINISHING] = "FINISHING",
	[WIRE_STATE_FINISHED] = "FINISHED",
	[WIRE_STATE_DATA] = "DATA",
	[WIRE_STATE_CLOSED] = "CLOSED",
};

const char *wire_state_name(enum wire_state state)
{
	return names[state];
}

void wire_session_init(struct wire_session *session, enum wire_side me)
{
	*session = (struct wire_session){.me = me, .state = WIRE_STATE_START};
}

/* The state that the message leads to; false where it must not come. */
static bool step_find(
	enum wire_state state, enum wire_side from, enum wire_type type, enum wire_state *ret_next)
{
	for (size_t i = 0; i < P2V_N(steps); i++)
		if (steps[i].state == state && steps[i].from == from && steps[i].type == type) {
			*ret_next = steps[i].next;
			return true;
		}
	if (state < WIRE_STATE_GREETED || state == WIRE_STATE_CLOSED)
		return false;
	for (size_t i = 0; i < P2V_N(anytimes); i++)
		if (anytimes[i].type == type) {
			*ret_next = anytimes[i].last ? WIRE_STATE_CLOSED : state;
			return true;
		}
	return false;
}

static int advance(struct wire_session *session, enum wire_side from, const struct wire_msg *msg,
	struct p2v_err *err)
{
	const char *name = wire_type_name(msg->type);
	enum wire_state next;

	if (!step_find(session->state, from, msg->type, &next))
		return p2v_err_set(err, P2V_EFORMAT, "%s cannot come from the %s in state %s",
			name ? name : "?", from == A ? "agent" : "receiver", names[session->state]);
	if (msg->type == WIRE_HELLO)
		session->data = msg->hello.role == WIRE_ROLE_DATA;
	if (msg->type == WIRE_WELCOME && session->data)
		next = WIRE_STATE_DATA;
	session->state = next;
	return 0;
}

int wire_session_sent(struct wire_session *session, const struct wire_msg *msg, struct p2v_err *err)
{
	return advance(session, session->me, msg, err);
}

int wire_session_received(
	struct wire_session *session, const struct wire_msg *msg, struct p2v_err *err)
{
	return advance(session, session->me == A ? R : A, msg, err);
}
