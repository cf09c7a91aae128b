/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2v/core/num.h"
#include "p2v/core/span.h"
#include "p2v/core/stop.h"

#define SLICE_BYTES ((size_t)256 << 10) /* between two looks at the rate */
#define END_WAIT_MS 2000 /* a failed write waits so long for the far end's own words */

void conn_end_locked(struct conn *c, const struct p2v_err *why)
{
	if (c->end.kind == 0)
		c->end = *why;
	pthread_cond_broadcast(&c->changed);
}

static int end_check_locked(struct conn *c, struct p2v_err *err)
{
	if (c->end.kind == 0)
		return 0;
	if (err)
		*err = c->end;
	return c->end.kind;
}

static void wait_locked(struct conn *c, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

/* The far end says why before it goes; a write fails a little before that is read. */
static int write_failed(struct conn *c, int r, struct p2v_err *err)
{
	uint64_t until = p2v_now_ms() + END_WAIT_MS;
	struct p2v_err mine = {r, "link"};

	if (err)
		mine = *err;
	pthread_mutex_lock(&c->lock);
	while (c->end.kind == 0 && r == P2V_ELINK && p2v_now_ms() < until)
		wait_locked(c, SEND_TICK_MS);
	conn_end_locked(c, &mine);
	r = end_check_locked(c, err);
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* How much may go now. c: the connection whose rate counts. */
static int rate_wait(struct conn *c, size_t n, size_t *ret_n, struct p2v_err *err)
{
	uint64_t since_ns = send_load_now_ns();
	size_t part = 0;
	bool waited = false;
	int r;

	pthread_mutex_lock(&c->lock);
	while ((r = end_check_locked(c, err)) == 0) {
		unsigned wait_ms = SEND_TICK_MS;

		part = send_bucket_take(&c->bucket, n, p2v_now_ms(), &wait_ms);
		if (part)
			break;
		r = p2v_stop_check(err);
		if (r < 0)
			break;
		waited = true;
		wait_locked(c, wait_ms);
	}
	pthread_mutex_unlock(&c->lock);
	if (waited)
		send_load_add(c->load, SEND_STAGE_LIMIT, since_ns);
	*ret_n = part;
	return r;
}

/* Needs write_lock. */
static int write_paced(struct conn *c, const uint8_t *p, size_t n, bool paced, struct p2v_err *err)
{
	while (n) {
		size_t part = p2v_min_u64(n, SLICE_BYTES);
		int r = paced ? rate_wait(c->pace, part, &part, err) : 0;
		uint64_t since_ns = send_load_now_ns();

		if (r < 0)
			return r;
		r = link_write(c->link, p, part, err);
		send_load_add(c->load, SEND_STAGE_LINK, since_ns);
		if (r < 0)
			return write_failed(c, r, err);
		p += part;
		n -= part;
	}
	pthread_mutex_lock(&c->lock);
	c->sent_ms = p2v_now_ms();
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* The session hears of a message before its bytes go: the answer may be here before write returns.
 */
static int session_sent(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = end_check_locked(c, err);
	if (r == 0)
		r = wire_session_sent(&c->session, msg, err);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int conn_send(struct conn *c, const struct wire_msg *msg, struct p2v_err *err)
{
	uint32_t max_frame = c->terms.max_frame ? c->terms.max_frame : WIRE_FRAME_MAX_FIRST;
	int r;

	pthread_mutex_lock(&c->write_lock);
	p2v_buf_reset(&c->out);
	if (msg->type == WIRE_HELLO)
		p2v_buf_add(&c->out, wire_preface, WIRE_PREFACE_BYTES);
	r = wire_msg_encode(msg, max_frame, &c->out, err);
	if (r == 0)
		r = session_sent(c, msg, err);
	if (r == 0)
		r = write_paced(c, c->out.data, c->out.len, false, err);
	pthread_mutex_unlock(&c->write_lock);
	return r;
}

static int window_wait(struct conn *c, uint32_t data_bytes, struct p2v_err *err)
{
	int r = 0;

	for (;;) {
		uint64_t since_ns = send_load_now_ns();

		pthread_mutex_lock(&c->lock);
		if (!send_window_fits(&c->window, data_bytes) && c->end.kind == 0) {
			wait_locked(c, SEND_TICK_MS);
			send_load_add(c->load, SEND_STAGE_SERVER, since_ns);
		}
		if (send_window_fits(&c->window, data_bytes))
			break;
		pthread_mutex_unlock(&c->lock);
		r = conn_tick(c, err);
		if (r < 0)
			return r;
	}
	r = end_check_locked(c, err);
	if (r == 0)
		send_window_sent(&c->window, data_bytes);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int conn_send_chunk(
	struct conn *c, const uint8_t *frame, size_t n, uint32_t data_bytes, struct p2v_err *err)
{
	static const struct wire_msg chunk = {.type = WIRE_CHUNK};
	int r = conn_tick(c, err);

	if (r == 0)
		r = window_wait(c, data_bytes, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&c->write_lock);
	r = session_sent(c, &chunk, err);
	if (r == 0)
		r = write_paced(c, frame, n, true, err);
	pthread_mutex_unlock(&c->write_lock);
	return r;
}

int conn_tick(struct conn *c, struct p2v_err *err)
{
	struct wire_msg ping = {.type = WIRE_PING}, pong = {.type = WIRE_PONG};
	bool owes_pong, idle;
	int r = p2v_stop_check(err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	r = end_check_locked(c, err);
	owes_pong = c->owes_pong;
	pong.pong.cookie = c->pong_cookie;
	c->owes_pong = false;
	idle = c->session.state >= WIRE_STATE_GREETED &&
	       p2v_now_ms() - c->sent_ms >= c->terms.keepalive_ms;
	pthread_mutex_unlock(&c->lock);
	if (r == 0 && owes_pong)
		r = conn_send(c, &pong, err);
	if (r == 0 && idle && !owes_pong)
		r = conn_send(c, &ping, err);
	return r;
}

static bool slot_decode(struct conn_slot *slot, struct wire_msg *ret)
{
	/* The reader decoded it before: it does so again. */
	return wire_msg_decode(&slot->frame, ret, NULL) == 1;
}

int conn_answer(struct conn *c, void (*watch)(struct conn *conn, void *ctx), void *ctx,
	struct wire_msg *ret, struct p2v_err *err)
{
	for (;;) {
		bool full;
		int r = conn_tick(c, err);

		if (r < 0 && r != P2V_ELINK)
			return r;
		pthread_mutex_lock(&c->lock);
		if (!c->answer.full && c->end.kind == 0)
			wait_locked(c, SEND_TICK_MS);
		full = c->answer.full && slot_decode(&c->answer, ret);
		pthread_mutex_unlock(&c->lock);
		/* An answer that came before the link broke still counts. */
		if (full)
			return 0;
		if (r < 0)
			return r;
		if (watch)
			watch(c, ctx);
	}
}

static void slot_done(struct conn *c, struct conn_slot *slot)
{
	pthread_mutex_lock(&c->lock);
	slot->full = false;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void conn_answer_done(struct conn *c)
{
	slot_done(c, &c->answer);
}

int conn_have(struct conn *c, struct wire_msg *ret, struct p2v_err *err)
{
	int r;

	pthread_mutex_lock(&c->lock);
	while ((r = end_check_locked(c, err)) == 0 && !c->have.full) {
		r = p2v_stop_check(err);
		if (r < 0)
			break;
		wait_locked(c, SEND_TICK_MS);
	}
	if (r == 0 && !slot_decode(&c->have, ret))
		r = p2v_err_set(err, P2V_EFORMAT, "HAVE cannot be read twice");
	pthread_mutex_unlock(&c->lock);
	return r;
}

void conn_have_done(struct conn *c)
{
	slot_done(c, &c->have);
}

int conn_drained(struct conn *c, struct p2v_err *err)
{
	for (;;) {
		bool done;
		int r = conn_tick(c, err);

		if (r < 0)
			return r;
		pthread_mutex_lock(&c->lock);
		done = c->window.taken_seq == c->window.sent_seq;
		if (!done && c->end.kind == 0)
			wait_locked(c, SEND_TICK_MS);
		pthread_mutex_unlock(&c->lock);
		if (done)
			return 0;
	}
}

int conn_again_add(struct conn *c, uint64_t offset, uint64_t length, struct p2v_err *err)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = send_ranges_add(&c->again, offset, length, c->disk_bytes, err);
	pthread_mutex_unlock(&c->lock);
	return r;
}

bool conn_pull_next(struct conn *c, struct wire_range *ret)
{
	bool any;

	pthread_mutex_lock(&c->lock);
	any = c->pulls.n > 0;
	if (any) {
		*ret = c->pulls.items[0];
		c->pulls.n--;
		memmove(c->pulls.items, c->pulls.items + 1, c->pulls.n * sizeof(*c->pulls.items));
	}
	pthread_mutex_unlock(&c->lock);
	return any;
}

static void conn_setup(struct conn *c, struct link *link, const struct conn_offer *offer)
{
	pthread_condattr_t monotonic;

	c->link = link;
	c->pace = offer->pace ? offer->pace : c;
	c->moved = offer->moved;
	c->moved_ctx = offer->moved_ctx;
	c->load = offer->load;
	c->disk = offer->disk;
	c->disk_bytes = offer->disk_bytes;
	pthread_mutex_init(&c->write_lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	wire_session_init(&c->session, WIRE_AGENT);
	c->terms.keepalive_ms = WIRE_KEEPALIVE_MS;
	c->own_limit = offer->limit_bytes_per_second;
	send_bucket_rate(&c->bucket, c->own_limit, p2v_now_ms());
	c->sent_ms = c->heard_ms = p2v_now_ms();
}

int conn_open(
	struct link *link, const struct conn_offer *offer, struct conn **ret, struct p2v_err *err)
{
	struct wire_msg hello = {.type = WIRE_HELLO};
	struct conn *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c) {
		link_free(link);
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	conn_setup(c, link, offer);
	wire_hello_make(offer->program, offer->features, offer->token, &hello.hello);
	c->hello = hello.hello;
	if (pthread_create(&c->reader, NULL, conn_reader, c) != 0)
		r = p2v_err_set(err, P2V_ENOMEM, "no thread to read with");
	c->reader_runs = r == 0;
	if (r == 0)
		r = conn_send(c, &hello, err);
	if (r < 0) {
		conn_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->reader_runs)
		pthread_join(c->reader, NULL);
	link_free(c->link);
	p2v_buf_finish(&c->out);
	p2v_buf_finish(&c->answer.payload);
	p2v_buf_finish(&c->have.payload);
	p2v_buf_finish(&c->far_log);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->write_lock);
	free(c);
}

void conn_log_show(struct conn *c, struct p2v_progress *progress)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;

	pthread_mutex_lock(&c->lock);
	p2v_buf_add(&text, c->far_log.data, c->far_log.len);
	p2v_buf_reset(&c->far_log);
	pthread_mutex_unlock(&c->lock);
	rest = p2v_span_of(text.data, text.len);
	while (progress && p2v_line_next(&rest, &line))
		p2v_progress_say(progress, "the server: %.*s", (int)line.n, line.p);
}
