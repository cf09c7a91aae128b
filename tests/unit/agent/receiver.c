/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "receiver.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/wire/codec.h"
#include "p2v/wire/session.h"

#define GRAIN	BLOCK_GRAIN_BYTES
#define MUTE_MS 5000
#define FEATURES                                                                                   \
	(WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME | WIRE_FEATURE_REFRESH | WIRE_FEATURE_PULL)

/* One connection. */
struct serve {
	struct receiver *rx;
	struct wire_session session;
	struct wire_terms terms;
	struct wire_codec *codec;
	struct p2v_buf out;
	uint8_t *scratch;
	uint64_t seq, held_bytes;
	bool over;
};

void receiver_init(struct receiver *rx, uint64_t size)
{
	uint64_t n = block_grains(size);

	memset(rx, 0, sizeof(*rx));
	rx->size = size;
	rx->image = malloc(size);
	memset(rx->image, 0xee, size); /* what was never sent shows */
	rx->durable = calloc(n, sizeof(bool));
	rx->taken = calloc(n, sizeof(bool));
	rx->leaves = calloc(n, sizeof(struct digest));
}

void receiver_finish(struct receiver *rx)
{
	receiver_join(rx);
	free(rx->image);
	free(rx->durable);
	free(rx->taken);
	free(rx->leaves);
}

static int say(struct serve *s, const struct wire_msg *msg)
{
	p2v_buf_reset(&s->out);
	if (wire_msg_encode(msg, WIRE_FRAME_MAX, &s->out, NULL) < 0)
		abort();
	if (wire_session_sent(&s->session, msg, NULL) < 0)
		abort();
	return link_write(s->rx->link, s->out.data, s->out.len, NULL);
}

static int say_seq(struct serve *s, enum wire_type type, uint64_t seq)
{
	struct wire_msg msg = {.type = type};

	msg.taken.seq = seq;
	return say(s, &msg);
}

static int on_hello(struct serve *s, const struct wire_msg *m)
{
	struct wire_msg msg = {.type = WIRE_WELCOME};
	struct receiver *rx = s->rx;
	uint32_t window = rx->window ? rx->window : 4u << 20;

	if (rx->refuse) {
		msg.type = WIRE_REFUSE;
		msg.refuse.reason = WIRE_REFUSE_RULE;
		msg.refuse.sentence = wire_text("not today");
		s->over = true;
		return say(s, &msg);
	}
	if (wire_welcome_make(&m->hello, "scripted", rx->features ? rx->features : FEATURES, window,
		    &s->terms, &msg.welcome, NULL) < 0)
		abort();
	if (rx->version)
		msg.welcome.version = rx->version;
	if (rx->mute_after || rx->short_of_patience)
		msg.welcome.keepalive_ms = 1000;
	return say(s, &msg);
}

static int on_inventory(struct serve *s, const struct wire_msg *m)
{
	struct wire_msg msg = {.type = WIRE_ADMIT, .admit = {.job = wire_text("job-7")}};
	struct wire_msg limit = {.type = WIRE_LIMIT, .limit = {s->rx->limit_to}};
	p2v_autobuf struct p2v_buf wanted = {0};

	snprintf(s->rx->inventory, sizeof(s->rx->inventory), "%.*s", (int)m->inventory.n,
		(const char *)m->inventory.json);
	if (s->rx->wait_ms && s->rx->connections == 1) {
		p2v_sleep_ms(s->rx->wait_ms);
		return P2V_ELINK;
	}
	wire_admit_add(&wanted, 0, !s->rx->unwanted);
	msg.admit.how = s->rx->finished		 ? WIRE_HOW_REFRESH
			: s->rx->connections > 1 ? WIRE_HOW_CONTINUED
						 : WIRE_HOW_NEW;
	msg.admit.n = 1;
	msg.admit.raw = wanted.data;
	if (s->rx->limit_to && say(s, &limit) < 0)
		return P2V_ELINK;
	return say(s, &msg);
}

static int on_open(struct serve *s, const struct wire_msg *m)
{
	struct receiver *rx = s->rx;
	struct wire_msg msg = {.type = WIRE_READY, .ready = {.disk = m->open.disk}};
	struct wire_msg pull = {.type = WIRE_PULL, .pull = {0, rx->pull_offset, rx->pull_length}};

	rx->pass = m->open.pass;
	if (m->open.size != rx->size || m->open.grain != GRAIN)
		abort();
	for (uint64_t i = 0; i < block_grains(rx->size); i++)
		msg.ready.durable_grains += rx->durable[i];
	if (say(s, &msg) < 0)
		return P2V_ELINK;
	return rx->pull_length ? say(s, &pull) : 0;
}

static int on_have_ask(struct serve *s, const struct wire_msg *m)
{
	struct wire_msg msg = {.type = WIRE_HAVE,
		.have = {m->have_ask.disk, m->have_ask.first, m->have_ask.count, NULL, NULL}};
	p2v_autobuf struct p2v_buf states = {0}, leaves = {0};

	s->rx->have_asked += m->have_ask.count;
	for (uint64_t g = m->have_ask.first; g < m->have_ask.first + m->have_ask.count; g++) {
		p2v_buf_add_u8(&states, s->rx->durable[g]);
		p2v_buf_add(&leaves, s->rx->leaves[g].bytes, 16);
	}
	msg.have.states = states.data;
	msg.have.leaves = leaves.data;
	return say(s, &msg);
}

static int make_durable(struct serve *s)
{
	struct receiver *rx = s->rx;

	for (uint64_t i = 0; i < block_grains(rx->size); i++)
		rx->durable[i] = rx->durable[i] || rx->taken[i];
	return say_seq(s, WIRE_DURABLE, s->seq);
}

static void take_bytes(struct receiver *rx, const struct wire_chunk *c, const uint8_t *bytes)
{
	uint64_t first = c->offset / GRAIN, n = block_grains(c->length);

	if (bytes)
		memcpy(rx->image + c->offset, bytes, c->length);
	else
		memset(rx->image + c->offset, 0, c->length);
	for (uint64_t g = first; g < first + n; g++) {
		uint64_t at = g * GRAIN;

		rx->again_durable += rx->durable[g];
		rx->taken[g] = true;
		block_digest_leaf(
			rx->image + at, p2v_min_u64(GRAIN, rx->size - at), &rx->leaves[g]);
	}
}

static int chunk_reject(struct serve *s, const struct wire_chunk *c)
{
	struct wire_msg msg = {.type = WIRE_RESEND,
		.resend = {c->disk, c->offset, c->length, wire_text("scripted")}};

	memset(s->rx->image + c->offset, 0xaa, c->length);
	return say(s, &msg);
}

/* TAKEN, at once or as late as the window lets us. */
static int chunk_confirm(struct serve *s, uint64_t data_bytes)
{
	struct receiver *rx = s->rx;

	s->held_bytes += data_bytes;
	rx->window_seen = p2v_max_u64(rx->window_seen, s->held_bytes);
	if (rx->hold_taken && s->held_bytes + WIRE_CHUNK_MAX <= rx->window &&
		link_wait(rx->link, 300, NULL) == 0)
		return 0;
	s->held_bytes = 0;
	return say_seq(s, WIRE_TAKEN, s->seq);
}

static int on_chunk(struct serve *s, const struct wire_msg *m)
{
	struct receiver *rx = s->rx;
	const struct wire_chunk *c = &m->chunk;
	struct wire_unpacked u = {0};

	s->seq++;
	rx->chunks++;
	rx->last_offset = c->offset;
	if (wire_chunk_check(c, rx->size, GRAIN, NULL) < 0)
		abort();
	if (!rx->pulled_at && rx->pull_length && c->offset == rx->pull_offset)
		rx->pulled_at = rx->chunks;
	rx->zero_chunks += c->kind == WIRE_CHUNK_ZERO;
	rx->free_chunks += c->kind == WIRE_CHUNK_FREE;
	if (c->kind == WIRE_CHUNK_DATA) {
		rx->data_bytes += c->length;
		if (wire_chunk_unpack(s->codec, c, s->scratch, &u, NULL) < 0)
			abort();
	}
	if (rx->chunks == rx->resend_chunk) {
		if (chunk_reject(s, c) < 0)
			return P2V_ELINK;
	} else {
		take_bytes(rx, c, u.bytes);
	}
	if (chunk_confirm(s, u.n) < 0)
		return P2V_ELINK;
	return s->seq % (rx->durable_every ? rx->durable_every : 4) == 0 ? make_durable(s) : 0;
}

static int on_checkpoint(struct serve *s, const struct wire_msg *m)
{
	(void)m;
	return make_durable(s);
}

static int on_done(struct serve *s, const struct wire_msg *m)
{
	struct wire_msg msg = {.type = WIRE_VERIFIED, .verified = {.root = m->done.root}};
	p2v_auto(block_disk_digest_free) struct disk_digest *d = block_disk_digest_new(s->rx->size);
	p2v_autobuf struct p2v_buf ranges = {0};
	struct receiver *rx = s->rx;
	struct digest root;

	rx->done = m->done;
	rx->n_bad = m->done.bad.n;
	if (rx->n_bad)
		rx->bad = wire_range_at(&m->done.bad, 0);
	if (rx->mismatch_rounds) {
		rx->mismatch_rounds--;
		wire_range_add(&ranges, 0, p2v_min_u64(GRAIN, rx->size));
		rx->durable[0] = rx->taken[0] = false;
		msg.type = WIRE_MISMATCH;
		msg.mismatch = (struct wire_mismatch){0, {1, ranges.data}};
		return say(s, &msg);
	}
	for (uint64_t at = 0; at < rx->size; at += GRAIN) {
		struct digest leaf;

		block_digest_leaf(rx->image + at, p2v_min_u64(GRAIN, rx->size - at), &leaf);
		block_disk_digest_add(d, &leaf);
	}
	if (block_disk_digest_end(d, &root, NULL) < 0 || make_durable(s) < 0)
		return P2V_ELINK;
	msg.verified.root = root;
	return say(s, &msg);
}

static int on_finish(struct serve *s, const struct wire_msg *m)
{
	static const char json[] = "{\"version\":1,\"machine\":\"web01\",\"disks\":[]}";
	struct wire_msg msg = {
		.type = WIRE_FINISHED, .finished = {(const uint8_t *)json, sizeof(json) - 1}};

	struct wire_msg status = {
		.type = WIRE_STATUS, .status = {wire_text("emitted"), 500, wire_text("booting")}};
	int r;

	(void)m;
	s->over = true;
	s->rx->finished = true;
	r = say(s, &msg);
	if (r < 0 || !s->rx->stage)
		return r;
	r = say(s, &status);
	status.status = (struct wire_status){wire_text(s->rx->stage), 0, wire_text("it said so")};
	return r < 0 ? r : say(s, &status);
}

static int on_log(struct serve *s, const struct wire_msg *m)
{
	s->rx->logs++;
	wire_text_copy(m->log.text, s->rx->log, sizeof(s->rx->log));
	return 0;
}

static int on_ping(struct serve *s, const struct wire_msg *m)
{
	struct wire_msg msg = {.type = WIRE_PONG, .pong = m->ping};

	s->rx->pings++;
	return say(s, &msg);
}

static int on_pong(struct serve *s, const struct wire_msg *m)
{
	s->rx->pong_seen = m->pong.cookie == 77;
	return 0;
}

static int on_cancel(struct serve *s, const struct wire_msg *m)
{
	s->rx->cancel_seen = s->rx->cancel_seen || m->type == WIRE_CANCEL;
	s->rx->error_seen = s->rx->error_seen || m->type == WIRE_ERROR;
	s->over = true;
	return 0;
}

static int on_nothing(struct serve *s, const struct wire_msg *m)
{
	(void)s;
	(void)m;
	return 0;
}

static int (*const handlers[WIRE_TYPE_END])(struct serve *s, const struct wire_msg *m) = {
	[WIRE_HELLO] = on_hello,
	[WIRE_INVENTORY] = on_inventory,
	[WIRE_OPEN] = on_open,
	[WIRE_HAVE_ASK] = on_have_ask,
	[WIRE_CHUNK] = on_chunk,
	[WIRE_CHECKPOINT] = on_checkpoint,
	[WIRE_DONE] = on_done,
	[WIRE_FINISH] = on_finish,
	[WIRE_PING] = on_ping,
	[WIRE_PONG] = on_pong,
	[WIRE_CANCEL] = on_cancel,
	[WIRE_ERROR] = on_cancel,
	[WIRE_PROGRESS] = on_nothing,
	[WIRE_LOG] = on_log,
	[WIRE_LIMIT] = on_nothing,
};

/* What the script says at this chunk. */
static int script(struct serve *s)
{
	struct receiver *rx = s->rx;
	struct wire_msg ping = {.type = WIRE_PING, .ping = {77}};
	struct wire_msg cancel = {.type = WIRE_CANCEL, .cancel = {wire_text("enough")}};
	struct wire_msg error = {
		.type = WIRE_ERROR, .error = {WIRE_ERROR_NO_SPACE, wire_text("the disk is full")}};

	if (rx->ping && rx->chunks == 1)
		return say(s, &ping);
	if (rx->mute_after && rx->connections == 1 && rx->chunks == rx->mute_after) {
		p2v_sleep_ms(MUTE_MS);
		return P2V_ELINK;
	}
	if (rx->cancel_after && rx->chunks == rx->cancel_after) {
		s->over = true;
		return say(s, &cancel);
	}
	if (rx->error_after && rx->chunks == rx->error_after) {
		s->over = true;
		return say(s, &error);
	}
	return 0;
}

static int handle(struct serve *s, const struct wire_frame *frame)
{
	struct p2v_err err = {0};
	struct wire_msg msg;

	if (wire_msg_decode(frame, &msg, &err) != 1 ||
		wire_session_received(&s->session, &msg, &err) < 0) {
		fprintf(stderr, "scripted receiver: %s\n", err.text);
		abort();
	}
	if (handlers[msg.type](s, &msg) < 0)
		return P2V_ELINK;
	return msg.type == WIRE_CHUNK ? script(s) : 0;
}

static void serve_loop(struct serve *s)
{
	struct wire_feed feed;
	struct wire_frame frame;
	size_t n, got;
	int r = 0;

	if (wire_feed_init(&feed, NULL) < 0)
		abort();
	feed.max_frame = WIRE_FRAME_MAX;
	while (r == 0 && !s->over) {
		while (!s->over && (r = wire_feed_next(&feed, &frame, NULL)) == 1)
			if ((r = handle(s, &frame)) < 0)
				break;
		if (r == 0 && !s->over) {
			uint8_t *space = wire_feed_space(&feed, &n);

			r = link_read(s->rx->link, space, n, &got, NULL);
			if (r == 0 && got == 0)
				break;
			wire_feed_added(&feed, r == 0 ? got : 0);
		}
	}
	wire_feed_finish(&feed);
}

/* Reads what is left, so that our last words are not lost in a reset. */
static void linger(struct receiver *rx)
{
	uint8_t waste[4096];
	size_t got = 1;

	link_shutdown_write(rx->link, NULL);
	while (got && link_wait(rx->link, 2000, NULL) == 0)
		if (link_read(rx->link, waste, sizeof(waste), &got, NULL) < 0)
			break;
}

static void *serve_thread(void *arg)
{
	struct receiver *rx = arg;
	struct serve s = {.rx = rx, .scratch = malloc(WIRE_CHUNK_MAX)};

	wire_session_init(&s.session, WIRE_RECEIVER);
	memcpy(rx->taken, rx->durable, block_grains(rx->size) * sizeof(bool));
	if (wire_codec_new(GRAIN, 1, &s.codec, NULL) < 0)
		abort();
	if (link_write(rx->link, wire_preface, WIRE_PREFACE_BYTES, NULL) == 0)
		serve_loop(&s);
	linger(rx);
	wire_codec_free(s.codec);
	p2v_buf_finish(&s.out);
	free(s.scratch);
	link_free(rx->link);
	return NULL;
}

int receiver_connect(void *ctx, struct link **ret, struct p2v_err *err)
{
	struct receiver *rx = ctx;
	struct link *a;
	int r;

	receiver_join(rx);
	r = link_pair_new(rx->connections < rx->n_cuts ? &rx->cuts[rx->connections] : NULL, &a,
		&rx->link, err);
	if (r < 0)
		return r;
	rx->connections++;
	if (pthread_create(&rx->thread, NULL, serve_thread, rx) != 0)
		abort();
	rx->runs = true;
	*ret = a;
	return 0;
}

void receiver_join(struct receiver *rx)
{
	if (rx->runs)
		pthread_join(rx->thread, NULL);
	rx->runs = false;
}
