/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/intake.h"

#include <pthread.h>
#include <stdlib.h>

#include "p2v/block/pump.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/recv/limit.h"
#include "p2v/recv/prove.h"
#include "p2v/recv/sync.h"

#define ITEMS	12
#define WORKERS RECV_DISK_THREADS
/* A memory module that flips bits is worth some repeats; more than that is not a link. */
#define RESENDS_MAX 1000
#define HAVE_BATCH  256
#define BEAT_MS	    500

/* One message on its way through the pump, or the end of a data connection. */
struct item {
	struct recv_stream *stream; /* that it came on; NULL: the control connection */
	bool gone;
	struct p2v_buf payload; /* msg points into it */
	struct wire_msg msg;
	uint8_t *scratch; /* the worker's */
	struct wire_unpacked data;
	struct block_repeat repeats[WIRE_REPEATS_MAX];
	size_t n_repeats;
	bool damaged; /* why says how */
	bool same;    /* the image had it already */
	struct p2v_err why;
	/* under the intake's lock: a chunk that is not yet noted, and the how-manieth it is */
	bool busy;
	uint64_t order;
};

struct intake {
	struct peer *peer;
	struct recv_streams *streams;
	struct recv_limit limit;
	struct recv_disk *disk;
	struct syncer *syncer;
	uint64_t asked_seq; /* of the control connection: that a sync was begun for */
	struct intake_done done;
	const struct intake_begin *begin; /* or NULL; the reading thread's, like the next two */
	bool last_read;			  /* nothing comes after the last message */
	uint64_t n_read;
	unsigned resends;
	pthread_mutex_t lock;
	pthread_cond_t noted; /* an item is no longer busy, or all is over */
	bool failed;	      /* under the lock; why: the first one's words */
	struct p2v_err why;
	struct wire_codec *codecs[WORKERS];
	uint8_t *scratch[WORKERS]; /* WIRE_CHUNK_MAX bytes for one chunk after the other: cached */
	struct item items[ITEMS];
};

/* A thread that waits for the agent, or for another chunk, learns that the others have failed; what
 * it says then is not why. */
static int intake_end(struct intake *in, int r, const struct p2v_err *err)
{
	if (r >= 0)
		return r;
	pthread_mutex_lock(&in->lock);
	if (!in->failed && err)
		in->why = *err;
	in->failed = true;
	pthread_cond_broadcast(&in->noted);
	pthread_mutex_unlock(&in->lock);
	atomic_store(&in->peer->stop, true);
	return r;
}

static void item_busy(struct intake *in, struct item *item, bool busy)
{
	pthread_mutex_lock(&in->lock);
	item->busy = busy;
	pthread_cond_broadcast(&in->noted);
	pthread_mutex_unlock(&in->lock);
}

static bool ranges_meet(uint64_t a, uint64_t a_n, uint64_t b, uint64_t b_n)
{
	return a < b + b_n && b < a + a_n;
}

/* Whether the item writes, or reads, what the chunk writes. */
static bool item_touches(const struct item *item, const struct wire_chunk *old)
{
	const struct wire_chunk *chunk = &item->msg.chunk;

	for (size_t i = 0; i < item->n_repeats; i++)
		if (ranges_meet(item->repeats[i].from, item->repeats[i].length, old->offset,
			    old->length))
			return true;
	return ranges_meet(chunk->offset, chunk->length, old->offset, old->length);
}

/* Needs the lock. */
static bool older_overlaps(const struct intake *in, const struct item *item)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		const struct item *other = &in->items[i];

		if (other->busy && other->order < item->order &&
			item_touches(item, &other->msg.chunk))
			return true;
	}
	return false;
}

/* The oldest chunk waits for none, so there is always one that goes on. */
static int older_wait(struct intake *in, const struct item *item, struct p2v_err *err)
{
	bool failed;

	pthread_mutex_lock(&in->lock);
	while (!in->failed && older_overlaps(in, item))
		pthread_cond_wait(&in->noted, &in->lock);
	failed = in->failed;
	pthread_mutex_unlock(&in->lock);
	return failed ? p2v_err_set(err, P2V_ECANCELED, "no more is written") : 0;
}

static int message_read(struct intake *in, struct item *item, struct p2v_err *err)
{
	struct recv_came came;
	int r;

	do {
		r = recv_streams_next(in->streams, in->peer, &came, err);
		if (r == 0)
			r = p2v_err_set(err, P2V_ELINK, "the agent's stream ended before DONE");
		if (r < 0)
			return r;
		item->stream = came.stream;
		item->gone = came.gone;
		if (came.gone) {
			item->msg.type = WIRE_TYPE_END;
			return 0;
		}
		p2v_buf_reset(&item->payload);
		p2v_buf_add(&item->payload, came.frame.payload, came.frame.length);
		r = p2v_buf_check(&item->payload, err);
		came.frame.payload = item->payload.data;
		if (r == 0)
			r = wire_msg_decode(&came.frame, &item->msg, err);
	} while (r == 0);
	return r;
}

static int intake_begin(struct intake *in, const struct wire_msg *msg, struct p2v_err *err)
{
	const struct intake_begin *begin = in->begin;

	if (!begin || msg->type != WIRE_CHUNK || msg->chunk.kind == WIRE_CHUNK_SAME)
		return 0;
	in->begin = NULL;
	return begin->run(begin->ctx, err);
}

static int intake_fill(void *ctx, void *to, struct p2v_err *err)
{
	struct intake *in = ctx;
	struct item *item = to;
	int r;

	if (in->last_read)
		return 0;
	r = message_read(in, item, err);
	if (r < 0)
		return intake_end(in, r, err);
	r = intake_begin(in, &item->msg, err);
	if (r < 0)
		return intake_end(in, r, err);
	item->damaged = item->same = false;
	item->n_repeats = 0;
	item->order = in->n_read++;
	item_busy(in, item, item->msg.type == WIRE_CHUNK);
	in->last_read =
		!item->stream && (item->msg.type == WIRE_DONE || item->msg.type == WIRE_CANCEL ||
					 item->msg.type == WIRE_ERROR);
	return 1;
}

static int chunk_allowed(
	const struct intake *in, const struct wire_chunk *chunk, struct p2v_err *err)
{
	int r;

	if (chunk->disk != in->disk->index)
		r = p2v_err_set(
			err, P2V_EFORMAT, "CHUNK of disk %u, which is not open", chunk->disk);
	else if (chunk->kind == WIRE_CHUNK_SAME &&
		 !(in->peer->terms.features & WIRE_FEATURE_REFRESH))
		r = p2v_err_set(err, P2V_EFORMAT, "CHUNK: SAME was not offered");
	else if (chunk->encoding == WIRE_ENCODING_REPEAT &&
		 !(in->peer->terms.features & WIRE_FEATURE_REPEAT))
		r = p2v_err_set(err, P2V_EFORMAT, "CHUNK: repeats were not offered");
	else if (chunk->encoding && !(in->peer->terms.features & WIRE_FEATURE_ZSTD))
		r = p2v_err_set(err, P2V_EFORMAT, "CHUNK: zstd was not offered");
	else
		r = wire_chunk_check(chunk, in->disk->size_bytes, BLOCK_GRAIN_BYTES, err);
	return r;
}

static int chunk_unpack(struct wire_codec *codec, struct item *item, struct p2v_err *err)
{
	int r = wire_chunk_unpack(codec, &item->msg.chunk, item->scratch, &item->data, &item->why);

	item->damaged = r == P2V_EIO;
	if (r == 0 || item->damaged)
		return 0;
	if (err)
		*err = item->why;
	return r;
}

static const struct wire_unpacked *item_data(const struct item *item)
{
	return item->msg.chunk.kind == WIRE_CHUNK_DATA ? &item->data : NULL;
}

/* "As you have it": so it is, or it has to come. */
static int same_check(struct intake *in, struct item *item, struct p2v_err *err)
{
	const struct wire_chunk *chunk = &item->msg.chunk;
	int r = recv_disk_has(
		in->disk, chunk->offset, chunk->length, chunk->body, &item->same, err);

	item->damaged = r == 0 && !item->same;
	if (item->damaged)
		p2v_err_set(&item->why, P2V_EIO, "disk %u at %llu: it is not the same here",
			chunk->disk, (unsigned long long)chunk->offset);
	return r;
}

/* What lies elsewhere on the disk, too; unpacking then proves it by its digests. */
static int repeats_read(struct intake *in, struct item *item, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < item->n_repeats; i++) {
		const struct block_repeat *repeat = &item->repeats[i];

		r = block_read(in->disk->io, repeat->from, item->scratch + repeat->to,
			repeat->length, err);
	}
	return r;
}

/* To the chunk's bytes, when older ones are done with what it reads or writes. */
static int chunk_ready(struct intake *in, unsigned worker, struct item *item, struct p2v_err *err)
{
	int r = 0;

	item->n_repeats = wire_chunk_repeats(&item->msg.chunk, BLOCK_GRAIN_BYTES, item->repeats);
	if (item_data(item) && !item->n_repeats)
		r = chunk_unpack(in->codecs[worker], item, err);
	if (r == 0)
		r = older_wait(in, item, err);
	if (r == 0 && item->n_repeats) {
		r = repeats_read(in, item, err);
		if (r == 0)
			r = chunk_unpack(in->codecs[worker], item, err);
	}
	return r;
}

static int intake_work(void *ctx, unsigned worker, void *of, struct p2v_err *err)
{
	struct intake *in = ctx;
	struct item *item = of;
	const struct wire_chunk *chunk = &item->msg.chunk;
	int r;

	if (item->msg.type != WIRE_CHUNK)
		return 0;
	item->scratch = in->scratch[worker];
	r = chunk_allowed(in, chunk, err);
	if (r == 0)
		r = chunk_ready(in, worker, item, err);
	if (r == 0 && chunk->kind == WIRE_CHUNK_SAME)
		r = same_check(in, item, err);
	else if (r == 0 && !item->damaged)
		r = recv_disk_write(
			in->disk, chunk->offset, chunk->length, item_data(item), &item->same, err);
	return intake_end(in, r, err);
}

/* A data connection that is lost takes no answer; that is noticed where it is read. */
static int answer(
	struct intake *in, struct recv_stream *to, const struct wire_msg *msg, struct p2v_err *err)
{
	int r = recv_peer_send(to ? &to->peer : in->peer, msg, err);

	return to && r == P2V_ELINK ? 0 : r;
}

static int resend_ask(struct intake *in, const struct item *item, struct p2v_err *err)
{
	const struct wire_chunk *chunk = &item->msg.chunk;
	const struct wire_msg msg = {WIRE_RESEND,
		.resend = {chunk->disk, chunk->offset, chunk->length, wire_text(item->why.text)}};

	if (++in->resends > RESENDS_MAX)
		return p2v_err_set(err, P2V_EIO, "more than %d chunks came damaged, the last: %s",
			RESENDS_MAX, item->why.text);
	return answer(in, item->stream, &msg, err);
}

/* A sync covers what was noted before it began, whoever sent it. */
static void sync_begin(struct intake *in)
{
	in->asked_seq = in->peer->seq;
	for (unsigned i = 0; i < RECV_STREAMS_MAX; i++) {
		struct recv_stream *stream = &in->streams->items[i];

		if (atomic_load(&stream->state) != RECV_STREAM_FREE)
			stream->asked_seq = stream->peer.seq;
	}
	recv_syncer_begin(in->syncer);
}

static int durable_say(struct intake *in, struct p2v_err *err)
{
	const struct wire_msg msg = {WIRE_DURABLE, .durable = {in->asked_seq}};
	int r = recv_peer_send(in->peer, &msg, err);

	for (unsigned i = 0; r == 0 && i < RECV_STREAMS_MAX; i++) {
		struct recv_stream *stream = &in->streams->items[i];
		const struct wire_msg theirs = {WIRE_DURABLE, .durable = {stream->asked_seq}};

		if (atomic_load(&stream->state) == RECV_STREAM_FREE ||
			stream->durable_seq == stream->asked_seq)
			continue;
		stream->durable_seq = stream->asked_seq;
		r = answer(in, stream, &theirs, err);
	}
	return r;
}

/* Keeps all connections alive. */
static int beat(struct intake *in, struct p2v_err *err)
{
	for (unsigned i = 0; i < RECV_STREAMS_MAX; i++)
		if (atomic_load(&in->streams->items[i].state) != RECV_STREAM_FREE)
			recv_peer_beat(&in->streams->items[i].peer, NULL);
	return recv_peer_beat(in->peer, err);
}

/* Says so where one has ended. A medium may take longer than a link may be silent. */
static int sync_end(struct intake *in, bool wait, struct p2v_err *err)
{
	int r = 0;

	if (!recv_syncer_busy(in->syncer))
		return 0;
	do {
		r = beat(in, err);
		if (r == 0)
			r = recv_syncer_end(in->syncer, wait ? BEAT_MS : 0, err);
	} while (r == 0 && wait);
	return r > 0 ? durable_say(in, err) : r;
}

/* Begins and ends syncs as they are due. */
static int sync_look(struct intake *in, struct p2v_err *err)
{
	int r = sync_end(in, recv_disk_sync_late(in->disk), err);

	if (r == 0 && !recv_syncer_busy(in->syncer) && recv_disk_sync_due(in->disk))
		sync_begin(in);
	return r;
}

/* All that was noted is durable, and said to be. */
static int sync_all(struct intake *in, struct p2v_err *err)
{
	int r = sync_end(in, true, err);

	if (r < 0)
		return r;
	sync_begin(in);
	return sync_end(in, true, err);
}

static int on_chunk(struct intake *in, struct item *item, struct p2v_err *err)
{
	const struct wire_chunk *chunk = &item->msg.chunk;
	struct peer *peer = item->stream ? &item->stream->peer : in->peer;
	const struct wire_msg taken = {WIRE_TAKEN, .taken = {peer->seq + 1}};
	int r;

	if (item->damaged)
		r = resend_ask(in, item, err);
	else
		r = recv_disk_note(
			in->disk, chunk->offset, chunk->length, item_data(item), item->same, err);
	item_busy(in, item, false);
	if (r < 0)
		return r;
	peer->seq++;
	return answer(in, item->stream, &taken, err);
}

static int on_checkpoint(struct intake *in, struct item *item, struct p2v_err *err)
{
	(void)item;
	return sync_all(in, err);
}

static int on_have_ask(struct intake *in, struct item *item, struct p2v_err *err)
{
	const struct wire_have_ask *ask = &item->msg.have_ask;
	p2v_autobuf struct p2v_buf states = {0}, leaves = {0};
	struct wire_msg msg = {WIRE_HAVE, .have = {ask->disk, ask->first, ask->count, NULL, NULL}};

	if (ask->disk != in->disk->index ||
		!p2v_range_within(ask->first, ask->count, recv_journal_grains(in->disk->journal)))
		return p2v_err_set(err, P2V_EFORMAT, "HAVE_ASK of disk %u: no grains %llu+%u",
			ask->disk, (unsigned long long)ask->first, ask->count);
	for (uint32_t at = 0, n; at < ask->count; at += n) {
		struct digest found[HAVE_BATCH];
		bool durable[HAVE_BATCH];
		int r;

		n = (uint32_t)p2v_min_u64(ask->count - at, HAVE_BATCH);
		r = recv_journal_leaves(in->disk->journal, ask->first + at, n, durable, found, err);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < n; i++)
			p2v_buf_add_u8(&states, durable[i]);
		p2v_buf_add(&leaves, found, n * sizeof(*found));
	}
	msg.have.states = states.data;
	msg.have.leaves = leaves.data;
	if (states.failed || leaves.failed)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return recv_peer_send(in->peer, &msg, err);
}

static int on_done(struct intake *in, struct item *item, struct p2v_err *err)
{
	const struct wire_done *done = &item->msg.done;

	if (done->disk != in->disk->index)
		return p2v_err_set(
			err, P2V_EFORMAT, "DONE of disk %u, which is not open", done->disk);
	for (uint16_t i = 0; i < done->bad.n; i++) {
		struct wire_range bad = wire_range_at(&done->bad, i);
		int r = 0;

		if (!p2v_range_within(bad.offset, bad.length, in->disk->size_bytes))
			r = p2v_err_set(
				err, P2V_EFORMAT, "DONE: a bad range beyond the end of the disk");
		if (r == 0)
			r = recv_journal_add(
				in->disk->journal, JOURNAL_BAD, bad.offset, bad.length, NULL, err);
		if (r < 0)
			return r;
	}
	in->done = (struct intake_done){done->root, done->read, done->sent, done->zero, done->free};
	return sync_all(in, err);
}

static const struct handler {
	enum wire_type type;
	int (*run)(struct intake *in, struct item *item, struct p2v_err *err);
} handlers[] = {
	{WIRE_CHUNK, on_chunk},
	{WIRE_CHECKPOINT, on_checkpoint},
	{WIRE_HAVE_ASK, on_have_ask},
	{WIRE_DONE, on_done},
};

static int intake_drain(void *ctx, void *of, struct p2v_err *err)
{
	struct intake *in = ctx;
	struct item *item = of;
	int r;

	if (item->gone) {
		recv_stream_drop(item->stream);
		return 0;
	}
	r = recv_peer_digest(item->stream ? &item->stream->peer : in->peer, &item->msg, err);
	if (r == P2V_ELINK && item->stream)
		r = 0;
	for (size_t i = 0; r > 0 && i < P2V_N(handlers); i++)
		if (handlers[i].type == item->msg.type)
			r = handlers[i].run(in, item, err);
	if (r == 0)
		r = sync_look(in, err);
	return intake_end(in, r, err);
}

static int intake_check(void *ctx, struct p2v_err *err)
{
	struct intake *in = ctx;
	int r = sync_look(in, err);

	if (r == 0)
		r = recv_limit_look(&in->limit, in->disk->path, in->peer, in->streams, err);
	if (r == 0)
		r = beat(in, err);
	return intake_end(in, r, err);
}

static void intake_free(struct intake *in)
{
	recv_syncer_free(in->syncer);
	for (unsigned i = 0; i < WORKERS; i++) {
		wire_codec_free(in->codecs[i]);
		free(in->scratch[i]);
	}
	for (unsigned i = 0; i < ITEMS; i++)
		p2v_buf_finish(&in->items[i].payload);
	pthread_cond_destroy(&in->noted);
	pthread_mutex_destroy(&in->lock);
	free(in);
}
P2V_DEFINE_CLEANUP(struct intake *, intake_free);

static int intake_new(struct intake **ret, struct p2v_err *err)
{
	p2v_auto(intake_free) struct intake *in = calloc(1, sizeof(*in));

	if (!in)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	pthread_mutex_init(&in->lock, NULL);
	pthread_cond_init(&in->noted, NULL);
	for (unsigned i = 0; i < WORKERS; i++) {
		int r = wire_codec_new(BLOCK_GRAIN_BYTES, WIRE_LEVEL_RAW, &in->codecs[i], err);

		if (r < 0)
			return r;
		in->scratch[i] = block_buffer_new(WIRE_CHUNK_MAX);
		if (!in->scratch[i])
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	*ret = p2v_steal(in);
	return 0;
}

int recv_intake_run(struct peer *peer, struct recv_streams *streams, struct recv_disk *disk,
	const struct intake_begin *begin, struct intake_done *ret, struct p2v_err *err)
{
	static const struct pump_ops ops = {intake_fill, intake_work, intake_drain, intake_check};
	p2v_auto(intake_free) struct intake *in = NULL;
	struct prover *prover;
	void *items[ITEMS];
	struct pump_spec spec = {.ops = &ops, .items = items, .n_items = ITEMS};
	int r = intake_new(&in, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < ITEMS; i++)
		items[i] = &in->items[i];
	in->peer = peer;
	in->streams = streams;
	in->disk = disk;
	in->begin = begin;
	spec.ctx = in;
	spec.n_workers = WORKERS;
	r = recv_syncer_new(disk, &in->syncer, err);
	if (r < 0)
		return r;
	prover = recv_prover_new(disk);
	r = block_pump_run(&spec, err);
	recv_prover_free(prover);
	atomic_store(&peer->stop, false);
	recv_streams_close(streams);
	if (r < 0 && in->failed) {
		if (err)
			*err = in->why;
		return in->why.kind;
	}
	if (r == 0)
		*ret = in->done;
	return r;
}
