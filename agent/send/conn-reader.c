/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "agent/send/conn.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"

/* So many keepalives without a word, and the link is dead; the rest is for noticing it in time. */
#define SILENCE_TENTHS 28
#define LOG_HELD_MAX   65536

/* Hands a message to whoever asked. Each question has one answer, and the next one is asked only
 * when that was taken: a slot that is full got an answer to nothing. Needs lock. */
static int slot_put(
	struct conn *c, struct conn_slot *slot, const struct wire_frame *frame, struct p2v_err *err)
{
	if (slot->full)
		return p2v_err_set(err, P2V_EFORMAT, "%s: the server sent %s unasked",
			c->link->name, wire_type_name(frame->type));
	p2v_buf_reset(&slot->payload);
	p2v_buf_add(&slot->payload, frame->payload, frame->length);
	if (p2v_buf_check(&slot->payload, err) < 0)
		return P2V_ENOMEM;
	slot->frame = *frame;
	slot->frame.payload = slot->payload.data;
	slot->full = true;
	return 0;
}

typedef int (*take_fn)(struct conn *c, const struct wire_msg *msg, struct p2v_err *err);

static int take_taken(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	return send_window_taken(&c->window, msg->taken.seq, err);
}

static int take_durable(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	return send_window_durable(&c->window, msg->durable.seq, err);
}

static int disk_check(const struct conn *c, const char *what, uint16_t disk, struct p2v_err *err)
{
	if (c->disk_bytes && disk == c->disk)
		return 0;
	return p2v_err_set(err, P2V_EFORMAT, "%s for disk %u, which is not open", what, disk);
}

static int take_resend(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	const struct wire_resend *m = &msg->resend;
	int r = disk_check(c, "RESEND", m->disk, err);

	if (r == 0)
		r = send_ranges_add(&c->again, m->offset, m->length, c->disk_bytes, err);
	return r < 0 ? p2v_err_wrap(err, r, "RESEND") : 0;
}

/* A wish: one that comes too late, or too many at once, is not granted. */
static int take_pull(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	const struct wire_pull *m = &msg->pull;
	int r = disk_check(c, "PULL", m->disk, err);

	if (r == 0 && c->pulls.n < SEND_PULLS_MAX)
		r = send_ranges_add(&c->pulls, m->offset, m->length, c->disk_bytes, err);
	return r;
}

static int take_limit(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	uint64_t far = msg->limit.bytes_per_second, rate = c->own_limit;

	(void)err;
	if (far && (!rate || far < rate))
		rate = far;
	send_bucket_rate(&c->bucket, rate, p2v_now_ms());
	return 0;
}

static int take_ping(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	(void)err;
	c->pong_cookie = msg->ping.cookie;
	c->owes_pong = true;
	return 0;
}

static int take_progress(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	(void)err;
	c->far_done = msg->progress.done;
	c->far_total = msg->progress.total;
	return 0;
}

static int take_log(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	char text[512];

	(void)err;
	if (c->far_log.len < LOG_HELD_MAX)
		p2v_buf_addf(
			&c->far_log, "%s\n", wire_text_copy(msg->log.text, text, sizeof(text)));
	return 0;
}

static int take_wait(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	(void)err;
	wire_text_copy(msg->wait.text, c->far_wait, sizeof(c->far_wait));
	return 0;
}

static int take_status(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	(void)err;
	wire_text_copy(msg->status.stage, c->far_status.stage, sizeof(c->far_status.stage));
	wire_text_copy(msg->status.text, c->far_status.text, sizeof(c->far_status.text));
	c->far_status.permille = msg->status.permille;
	c->far_status.n++;
	return 0;
}

static int take_nothing(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	(void)c;
	(void)msg;
	(void)err;
	return 0;
}

static int take_far_end(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	(void)c;
	return conn_far_end(msg, err);
}

static int take_welcome(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	int r = wire_welcome_check(&c->hello, &msg->welcome, &c->terms, err);

	if (r == 0)
		send_window_init(&c->window, c->terms.window);
	return r;
}

/* What the reader does itself with a message; then whether somebody waits for it. */
static const struct {
	take_fn take;
	bool answer, have;
} rows[WIRE_TYPE_END] = {
	[WIRE_WELCOME] = {take_welcome, .answer = true},
	[WIRE_REFUSE] = {take_far_end},
	[WIRE_WAIT] = {take_wait},
	[WIRE_ADMIT] = {take_nothing, .answer = true},
	[WIRE_READY] = {take_nothing, .answer = true},
	[WIRE_HAVE] = {take_nothing, .have = true},
	[WIRE_TAKEN] = {take_taken},
	[WIRE_DURABLE] = {take_durable},
	[WIRE_RESEND] = {take_resend},
	[WIRE_PULL] = {take_pull},
	[WIRE_VERIFIED] = {take_nothing, .answer = true},
	[WIRE_MISMATCH] = {take_nothing, .answer = true},
	[WIRE_FINISHED] = {take_nothing, .answer = true},
	[WIRE_STATUS] = {take_status},
	[WIRE_PROGRESS] = {take_progress},
	[WIRE_LIMIT] = {take_limit},
	[WIRE_PING] = {take_ping},
	[WIRE_PONG] = {take_nothing},
	[WIRE_CANCEL] = {take_far_end},
	[WIRE_ERROR] = {take_far_end},
	[WIRE_LOG] = {take_log},
};

static int dispatch(struct conn *c, const struct wire_frame *frame, struct p2v_err *err)
{
	struct wire_msg msg;
	int r = wire_msg_decode(frame, &msg, err);

	if (r <= 0)
		return r;
	pthread_mutex_lock(&c->lock);
	c->heard_ms = p2v_now_ms();
	r = wire_session_received(&c->session, &msg, err);
	/* The session lets pass only what a receiver may send: each has a row. */
	if (r == 0)
		r = rows[msg.type].take(c, &msg, err);
	if (r == 0 && rows[msg.type].answer)
		r = slot_put(c, &c->answer, frame, err);
	if (r == 0 && rows[msg.type].have)
		r = slot_put(c, &c->have, frame, err);
	/* With the session's step, or a writer finds it closed and takes that for the reason. */
	if (r < 0)
		conn_end_locked(c, err);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->moved)
		c->moved(c->moved_ctx);
	return r;
}

/* 0 to go on, 1 where we are closing, or why it is over. Also wakes a writer that is stuck. */
static int watch(struct conn *c, struct p2v_err *err)
{
	uint64_t now = p2v_now_ms();
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->stop_ms == 0 && p2v_stop_requested())
		c->stop_ms = now;
	if (c->closing)
		r = 1;
	else if (c->stop_ms && now - c->stop_ms > SEND_STOP_WAIT_MS)
		r = p2v_err_set(err, P2V_ECANCELED, "interrupted");
	else if (now - c->heard_ms > (uint64_t)SILENCE_TENTHS * c->terms.keepalive_ms / 10)
		r = p2v_err_set(err, P2V_ELINK, "%s: has not said a word for %" PRIu64 " s",
			c->link->name, (now - c->heard_ms) / 1000);
	pthread_mutex_unlock(&c->lock);
	return r;
}

static int read_some(struct conn *c, struct wire_feed *feed, struct p2v_err *err)
{
	uint8_t *space;
	size_t n, got;
	int r;

	do {
		r = watch(c, err);
		if (r)
			return r;
		r = link_wait(c->link, SEND_TICK_MS, err);
	} while (r == P2V_ETIMEDOUT);
	if (r < 0)
		return r;
	space = wire_feed_space(feed, &n);
	r = link_read(c->link, space, n, &got, err);
	if (r < 0)
		return r;
	if (got == 0) {
		r = wire_feed_end(feed, err);
		return r < 0 ? r
			     : p2v_err_set(err, P2V_ELINK, "%s: the server ended the connection",
				       c->link->name);
	}
	wire_feed_added(feed, got);
	return 0;
}

static int read_loop(struct conn *c, struct wire_feed *feed, struct p2v_err *err)
{
	int r = 0;

	while (r == 0) {
		struct wire_frame frame;

		while ((r = wire_feed_next(feed, &frame, err)) == 1) {
			r = dispatch(c, &frame, err);
			if (r < 0)
				return r;
			/* Agreed by WELCOME, which only this thread takes in. */
			if (frame.type == WIRE_WELCOME)
				feed->max_frame = c->terms.max_frame;
		}
		if (r == 0)
			r = read_some(c, feed, err);
	}
	return r;
}

void *conn_reader(void *arg)
{
	struct wire_feed feed;
	struct conn *c = arg;
	struct p2v_err err = {0};
	int r = wire_feed_init(&feed, &err);

	if (r == 0) {
		r = read_loop(c, &feed, &err);
		wire_feed_finish(&feed);
	}
	if (r > 0)
		return NULL;
	pthread_mutex_lock(&c->lock);
	conn_end_locked(c, &err);
	pthread_mutex_unlock(&c->lock);
	/* Whoever is stuck in a write to somebody who no longer listens. */
	link_cancel(c->link);
	if (c->moved)
		c->moved(c->moved_ctx);
	return NULL;
}

static const int refuse_kinds[] = {
	[WIRE_REFUSE_VERSION] = P2V_EUNSUPPORTED,
	[WIRE_REFUSE_NOT_ENROLLED] = P2V_EREFUSED,
	[WIRE_REFUSE_RULE] = P2V_EREFUSED,
	[WIRE_REFUSE_NO_SPACE] = P2V_ENOSPC,
	[WIRE_REFUSE_BUSY] = P2V_ELINK,
	[WIRE_REFUSE_INVENTORY] = P2V_EFORMAT,
	[WIRE_REFUSE_UNKNOWN_JOB] = P2V_ENOTFOUND,
	[WIRE_REFUSE_UNSUPPORTED] = P2V_EUNSUPPORTED,
	[WIRE_REFUSE_PROTOCOL] = P2V_EFORMAT,
};

static const int error_kinds[] = {
	[WIRE_ERROR_PROTOCOL] = P2V_EFORMAT,
	[WIRE_ERROR_IO] = P2V_EIO,
	[WIRE_ERROR_NO_SPACE] = P2V_ENOSPC,
	[WIRE_ERROR_INTERNAL] = P2V_EIO,
};

static int kind_of(const int *kinds, size_t n, uint8_t i)
{
	return i < n && kinds[i] ? kinds[i] : P2V_EREFUSED;
}

int conn_far_end(const struct wire_msg *msg, struct p2v_err *err)
{
	char words[512];

	switch (msg->type) {
	case WIRE_REFUSE:
		wire_text_copy(msg->refuse.sentence, words, sizeof(words));
		return p2v_err_set(err,
			kind_of(refuse_kinds, P2V_N(refuse_kinds), msg->refuse.reason),
			"the server refuses: %s", words);
	case WIRE_CANCEL:
		wire_text_copy(msg->cancel.why, words, sizeof(words));
		return p2v_err_set(err, P2V_ECANCELED, "the server cancelled: %s", words);
	default:
		wire_text_copy(msg->error.sentence, words, sizeof(words));
		return p2v_err_set(err, kind_of(error_kinds, P2V_N(error_kinds), msg->error.kind),
			"the server: %s", words);
	}
}
