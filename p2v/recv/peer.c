/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/peer.h"

#include <sys/stat.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/stop.h"
#include "p2v/recv/log.h"

#define TICK_MS	     200
#define ALIVE_MS     1000
#define GOODBYE_MS   5000
#define DEAD_FACTOR  3
#define SENTENCE_MAX 512

int recv_peer_init(struct peer *peer, struct link *link, struct p2v_err *err)
{
	*peer = (struct peer){.link = link, .alive_fd = -1, .log_fd = -1};
	peer->terms = (struct wire_terms){
		.max_frame = WIRE_FRAME_MAX_FIRST, .keepalive_ms = WIRE_KEEPALIVE_MS};
	peer->sent_ms = p2v_now_ms();
	atomic_store(&peer->heard_ms, peer->sent_ms);
	wire_session_init(&peer->session, WIRE_RECEIVER);
	return wire_feed_init(&peer->feed, err);
}

void recv_peer_finish(struct peer *peer)
{
	wire_feed_finish(&peer->feed);
	p2v_buf_finish(&peer->out);
	p2v_cleanup_close(&peer->log_fd);
	recv_unreadable_finish(&peer->unreadable);
}

int recv_peer_open(struct peer *peer, struct p2v_err *err)
{
	return link_write(peer->link, wire_preface, sizeof(wire_preface), err);
}

int recv_peer_send(struct peer *peer, const struct wire_msg *msg, struct p2v_err *err)
{
	int r = wire_session_sent(&peer->session, msg, err);

	if (r < 0)
		return r;
	p2v_buf_reset(&peer->out);
	r = wire_msg_encode(msg, peer->terms.max_frame, &peer->out, err);
	if (r == 0)
		r = link_write(peer->link, peer->out.data, peer->out.len, err);
	peer->sent_ms = p2v_now_ms();
	return r;
}

int recv_peer_silence(const struct peer *peer, struct p2v_err *err)
{
	uint64_t dead_ms = (uint64_t)DEAD_FACTOR * peer->terms.keepalive_ms;
	uint64_t silent_ms = p2v_now_ms() - atomic_load(&peer->heard_ms);

	if (silent_ms < dead_ms)
		return 0;
	return p2v_err_set(err, P2V_ELINK, "nothing was heard from the agent for %llu s",
		(unsigned long long)silent_ms / 1000);
}

/* Waits for bytes; 0: there are some (or the end), P2V_ETIMEDOUT: not within a tick. */
static int peer_wait(struct peer *peer, struct p2v_err *err)
{
	int r = p2v_stop_check(err);

	if (r == 0 && atomic_load(&peer->stop))
		r = p2v_err_set(err, P2V_ECANCELED, "no more is read");
	if (r == 0)
		r = link_wait(peer->link, TICK_MS, err);
	if (r != P2V_ETIMEDOUT)
		return r;
	r = recv_peer_silence(peer, err);
	return r < 0 ? r : P2V_ETIMEDOUT;
}

int recv_peer_fill(struct peer *peer, struct p2v_err *err)
{
	size_t room, got;
	uint8_t *to = wire_feed_space(&peer->feed, &room);
	int r = link_read(peer->link, to, room, &got, err);

	if (r < 0)
		return r;
	if (got == 0)
		return wire_feed_end(&peer->feed, err);
	wire_feed_added(&peer->feed, got);
	atomic_store(&peer->heard_ms, p2v_now_ms());
	if (peer->alive_fd >= 0 && p2v_now_ms() - peer->touched_ms >= ALIVE_MS) {
		futimens(peer->alive_fd, NULL);
		peer->touched_ms = p2v_now_ms();
	}
	return 1;
}

/* beat: this thread may send, so it keeps the heart beat while it waits. */
static int peer_frame(struct peer *peer, bool beat, struct wire_frame *ret, struct p2v_err *err)
{
	for (;;) {
		int r = wire_feed_next(&peer->feed, ret, err);

		if (r != 0)
			return r;
		r = peer_wait(peer, err);
		if (r == P2V_ETIMEDOUT)
			r = beat ? recv_peer_beat(peer, err) : 0;
		else if (r == 0) {
			r = recv_peer_fill(peer, err);
			if (r == 0)
				return 0;
		}
		if (r < 0)
			return r;
	}
}

int recv_peer_frame(struct peer *peer, struct wire_frame *ret, struct p2v_err *err)
{
	return peer_frame(peer, false, ret, err);
}

int recv_peer_beat(struct peer *peer, struct p2v_err *err)
{
	const struct wire_msg ping = {WIRE_PING, .ping = {p2v_now_ms()}};

	if (peer->session.state < WIRE_STATE_GREETED ||
		p2v_now_ms() - peer->sent_ms < peer->terms.keepalive_ms)
		return 0;
	return recv_peer_send(peer, &ping, err);
}

int recv_peer_digest(struct peer *peer, const struct wire_msg *msg, struct p2v_err *err)
{
	struct wire_msg pong = {WIRE_PONG, .pong = msg->ping};
	char said[SENTENCE_MAX];
	int r = wire_session_received(&peer->session, msg, err);

	if (r < 0)
		return r;
	switch (msg->type) {
	case WIRE_PING:
		return recv_peer_send(peer, &pong, err);
	case WIRE_PONG:
	case WIRE_PROGRESS:
	case WIRE_LIMIT:
		return 0;
	case WIRE_LOG:
		recv_log_add(peer->log_fd, &msg->log);
		recv_unreadable_add(&peer->unreadable, &msg->log);
		return 0;
	case WIRE_CANCEL:
		return p2v_err_set(err, P2V_ECANCELED, "the agent stopped: %s",
			wire_text_copy(msg->cancel.why, said, sizeof(said)));
	case WIRE_ERROR:
		return p2v_err_set(err, P2V_EIO, "the agent failed: %s",
			wire_text_copy(msg->error.sentence, said, sizeof(said)));
	default:
		return 1;
	}
}

int recv_peer_next(struct peer *peer, struct wire_msg *ret, struct p2v_err *err)
{
	struct wire_frame frame;
	int r;

	for (;;) {
		r = peer_frame(peer, true, &frame, err);
		if (r == 0)
			return p2v_err_set(err, P2V_ELINK,
				"the agent's stream ended before all was said (state %s)",
				wire_state_name(peer->session.state));
		if (r > 0)
			r = wire_msg_decode(&frame, ret, err);
		if (r > 0)
			r = recv_peer_digest(peer, ret, err);
		if (r < 0)
			return r;
		if (r > 0)
			return 0;
	}
}

int recv_peer_poll(struct peer *peer, struct p2v_err *err)
{
	struct wire_frame frame;
	struct wire_msg msg;
	int r = p2v_stop_check(err);

	while (r == 0) {
		r = wire_feed_next(&peer->feed, &frame, err);
		if (r > 0)
			r = wire_msg_decode(&frame, &msg, err);
		if (r > 0) {
			/* Nothing that recv_peer_digest leaves to us is allowed by the state. */
			r = recv_peer_digest(peer, &msg, err);
			continue;
		}
		if (r < 0)
			return r;
		r = link_wait(peer->link, 0, NULL);
		if (r == P2V_ETIMEDOUT)
			return recv_peer_beat(peer, err);
		r = recv_peer_fill(peer, err);
		if (r == 0)
			return p2v_err_set(err, P2V_ELINK, "the agent's stream ended");
		r = r > 0 ? 0 : r;
	}
	return r;
}

/* What each kind is to the agent: before it is admitted, and later. */
static const struct fail_row {
	int kind;
	uint8_t reason, error;
} fail_rows[] = {
	{P2V_EREFUSED, WIRE_REFUSE_RULE, WIRE_ERROR_PROTOCOL},
	{P2V_EEXIST, WIRE_REFUSE_BUSY, WIRE_ERROR_INTERNAL},
	{P2V_EFORMAT, WIRE_REFUSE_PROTOCOL, WIRE_ERROR_PROTOCOL},
	{P2V_EUNSUPPORTED, WIRE_REFUSE_UNSUPPORTED, WIRE_ERROR_PROTOCOL},
	{P2V_ENOSPC, WIRE_REFUSE_NO_SPACE, WIRE_ERROR_NO_SPACE},
	{P2V_ENOTFOUND, 0, WIRE_ERROR_INTERNAL},
	{P2V_EIO, 0, WIRE_ERROR_IO},
	{0, 0, WIRE_ERROR_INTERNAL},
};

static uint8_t refuse_reason(enum wire_state state, const struct fail_row *row)
{
	if (state == WIRE_STATE_HELLO && row->kind == P2V_EUNSUPPORTED)
		return WIRE_REFUSE_VERSION;
	if (row->kind == P2V_ENOTFOUND)
		return state == WIRE_STATE_HELLO ? WIRE_REFUSE_UNKNOWN_JOB : 0;
	if (state == WIRE_STATE_OFFERED && row->kind == P2V_EFORMAT)
		return WIRE_REFUSE_INVENTORY;
	return row->reason;
}

void recv_peer_fail(struct peer *peer, const struct p2v_err *why)
{
	enum wire_state state = peer->session.state;
	const struct fail_row *row = fail_rows;
	struct wire_msg msg = {.type = WIRE_ERROR};

	/* Nobody hears it; or it was the agent that cancelled; or we are told to go, as when the
	 * machine is shut down: a link that ends without a word is made anew, and the copy goes
	 * on. */
	if (why->kind == P2V_ELINK || why->kind == P2V_ECANCELED)
		return;
	while (row->kind && row->kind != why->kind)
		row++;
	msg.error = (struct wire_error){row->error, wire_text(why->text)};
	if (state < WIRE_STATE_GREETED ||
		(refuse_reason(state, row) &&
			(state == WIRE_STATE_OFFERED || state == WIRE_STATE_OPENING))) {
		msg.type = WIRE_REFUSE;
		msg.refuse = (struct wire_refuse){
			peer->refuse ? peer->refuse : refuse_reason(state, row),
			wire_text(why->text)};
	}
	if (recv_peer_send(peer, &msg, NULL) == 0)
		recv_peer_close(peer);
}

void recv_peer_close(struct peer *peer)
{
	uint64_t until_ms = p2v_now_ms() + GOODBYE_MS;
	size_t room, got;
	uint8_t *to;

	/* What the agent still sends is read and dropped: a pipe that is closed on unread bytes
	 * may take our last words with it. */
	if (link_shutdown_write(peer->link, NULL) < 0)
		return;
	while (p2v_now_ms() < until_ms) {
		int r = link_wait(peer->link, TICK_MS, NULL);

		if (r == P2V_ETIMEDOUT)
			continue;
		peer->feed.at = peer->feed.len;
		to = wire_feed_space(&peer->feed, &room);
		if (r < 0 || link_read(peer->link, to, room, &got, NULL) < 0 || got == 0)
			return;
	}
}
