/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "agent/send/adapt.h"
#include "agent/send/have.h"
#include "agent/send/rescue.h"
#include "p2v/block/pump.h"
#include "p2v/core/num.h"
#include "p2v/core/stop.h"
#include "p2v/wire/codec.h"

#define WORKERS_MAX  32u
#define ITEM_BYTES   (SEND_CHUNK_BYTES + (64 << 10)) /* a chunk's frame */
#define TELL_MS	     2000			     /* between two PROGRESS */
#define PAUSE_MS     100
#define CHUNK_GRAINS (SEND_CHUNK_BYTES / BLOCK_GRAIN_BYTES)
#define PARTS_MAX    (CHUNK_GRAINS / 2) /* of a chunk in which every other grain differs */

/* A frame to send, one of several in the item's buffer. */
struct part {
	size_t end;
	uint32_t data_bytes; /* its length where it is DATA, else 0 */
};

/* What travels through the pump. */
struct item {
	struct send_piece piece;
	bool deferred;	/* it could not be read: nothing is sent, and the fold is in vain */
	bool pulled;	/* out of order, for the receiver's sake: not part of the fold */
	uint8_t *bytes; /* what was read; the worker's */
	struct digest leaves[SEND_KEEP_GRAINS];
	/* a piece that is read to be compared: what the receiver has */
	bool compare, durable[CHUNK_GRAINS];
	struct digest far[CHUNK_GRAINS];
	/* after packing */
	struct p2v_buf frames;
	struct part parts[PARTS_MAX];
	size_t n_parts; /* 0: nothing to send */
	uint64_t zero_bytes, kept_bytes;
};

struct pipeline {
	const struct send_pass *pass;
	struct disk_digest *root;
	/* the filler's */
	uint64_t at, own_bytes; /* own_bytes: as it was when the pass began */
	struct have *have;
	struct wire_range pull;
	/* the workers' */
	uint8_t **buffers; /* one each, for one piece after the other: it stays in their caches */
	struct wire_codec **codecs;
	struct send_trial *trials;
	struct send_adapt adapt;       /* the drain's, too */
	struct block_repeats *repeats; /* or NULL: nothing is looked for */
	/* the drain's */
	uint64_t done_bytes, told_ms;
	uint64_t mark_seq, mark_bytes; /* when that chunk is TAKEN, so far all is this run's */
	struct item *items;
	void **pool;
	size_t n_items;
};

static size_t items_for(unsigned workers)
{
	return workers + 4;
}

unsigned send_workers_fit(unsigned wanted, const struct send_compress *compress)
{
	size_t each = send_compress_memory_bytes(compress->level) + 2 * SEND_CHUNK_BYTES;
	unsigned n = wanted < WORKERS_MAX ? wanted : WORKERS_MAX;

	while (n > 1 && n * each + items_for(n) * ITEM_BYTES > SEND_MEMORY_BYTES)
		n--;
	return n ? n : 1;
}

/* What is free in a grain that is used in part reads as zero on both sides: deleted data is not
 * sent, and what changes there is no change. */
static void clear_free(struct pipeline *p, struct item *item)
{
	const struct extent_list *list = p->pass->source->extents;
	uint64_t from = item->piece.offset, end = from + item->piece.length;

	for (struct extent e = block_extents_at(list, from, end - from); e.length_bytes;
		e = block_extents_next(list, e, end))
		if (e.kind == EXTENT_FREE)
			memset(item->bytes + (e.offset_bytes - from), 0, (size_t)e.length_bytes);
}

static int read_bytes(struct pipeline *p, struct item *item, struct p2v_err *err)
{
	struct block_io *io = p->pass->source->io;
	size_t n = (size_t)item->piece.length;
	uint64_t since_ns = send_load_now_ns();
	int r;

	if (!p->pass->rescue) {
		r = block_read(io, item->piece.offset, item->bytes, n, err);
		send_load_add(p->pass->load, SEND_STAGE_DISK, since_ns);
		return r;
	}
	r = p->pass->defer ? block_read(io, item->piece.offset, item->bytes, n, err) : P2V_EIO;
	if (r != P2V_EIO)
		return r;
	item->deferred =
		p->pass->defer && conn_again_add(p->pass->conn, item->piece.offset, n, err) == 0;
	return item->deferred ? 0
			      : send_rescue_read(io, item->piece.offset, item->bytes, n,
					&p->pass->result->bad, err);
}

static int read_piece(struct pipeline *p, struct item *item, struct p2v_err *err)
{
	int r = read_bytes(p, item, err);

	if (r == 0 && !item->deferred)
		clear_free(p, item);
	return r;
}

/* What the receiver asked for ahead of the stream. */
static bool pull_next(struct pipeline *p, struct item *item)
{
	if (p->pull.length == 0 && !conn_pull_next(p->pass->conn, &p->pull))
		return false;
	item->pulled = true;
	item->piece.kind = SEND_READ;
	item->piece.offset = p->pull.offset;
	item->piece.length = p2v_min_u64(p->pull.length, SEND_CHUNK_BYTES);
	p->pull.offset += item->piece.length;
	p->pull.length -= item->piece.length;
	return true;
}

/* What the receiver has there is gone from the span by the time it is compared. */
static void span_copy(struct pipeline *p, struct item *item, const struct send_span *span)
{
	uint64_t at, n = block_grains(item->piece.length);

	if (!span)
		return;
	at = item->piece.offset / BLOCK_GRAIN_BYTES - span->first;
	if (item->piece.kind == SEND_KEEP)
		memcpy(item->leaves, span->leaves + at, n * sizeof(*item->leaves));
	item->compare = item->piece.kind == SEND_READ && p->pass->mode == SEND_REFRESH;
	for (uint64_t i = 0; item->compare && i < n; i++) {
		item->durable[i] = span->durable[at + i];
		item->far[i] = span->leaves[at + i];
	}
}

/* What this run has compared already, on a connection that was lost, is not read again. */
static struct send_piece walk_next(const struct pipeline *p, const struct send_span *span)
{
	const struct send_pass *pass = p->pass;
	bool is_own = p->at < p->own_bytes;
	struct send_piece piece = send_walk_next(
		pass->source->extents, span, pass->must, is_own ? SEND_COPY : pass->mode, p->at);

	if (is_own)
		piece.length = p2v_min_u64(piece.length, p->own_bytes - p->at);
	return piece;
}

static int fill(void *ctx, void *raw, struct p2v_err *err)
{
	struct pipeline *p = ctx;
	struct item *item = raw;
	const struct send_span *span = NULL;
	int r;

	item->pulled = item->compare = item->deferred = false;
	item->n_parts = 0;
	item->zero_bytes = item->kept_bytes = 0;
	p2v_buf_reset(&item->frames);
	if (pull_next(p, item))
		return 1;
	if (p->have && p->at < p->pass->source->io->size_bytes) {
		r = have_span(p->have, p->at / BLOCK_GRAIN_BYTES, &span, err);
		if (r < 0)
			return r;
	}
	item->piece = walk_next(p, span);
	if (item->piece.length == 0)
		return 0;
	p->at += item->piece.length;
	span_copy(p, item, span);
	return 1;
}

/* What of bytes [at, at + n) of the piece went before. Over one connection only: chunks of several
 * have no order, and what is named must be there first. A piece that was asked for ahead of the
 * stream comes before what the walk calls earlier. */
static struct wire_repeats repeats_find(struct pipeline *p, const struct item *item, size_t at,
	size_t n, struct block_repeat items[WIRE_REPEATS_MAX])
{
	struct lanes *lanes = p->pass->lanes;
	struct wire_repeats found = {items, 0};

	if (p->repeats && !item->pulled && !(lanes && lanes_count(lanes) > 1))
		found.n = block_repeats_find(
			p->repeats, item->piece.offset + at, item->bytes + at, n, items);
	return found;
}

/* Packs bytes [at, at + n) of the piece as one frame more. */
static int pack_part(struct pipeline *p, unsigned worker, struct item *item, size_t at, size_t n,
	struct p2v_err *err)
{
	struct send_trial *trial = &p->trials[worker];
	bool adaptive = p->pass->compress->adaptive;
	bool try = !adaptive || send_trial_wanted(trial);
	size_t before = item->frames.len;
	int level = try ? atomic_load(&p->adapt.level) : WIRE_LEVEL_RAW;
	struct block_repeat items[WIRE_REPEATS_MAX];
	struct wire_repeats repeats = repeats_find(p, item, at, n, items);
	uint8_t kind;
	int r = wire_codec_level(p->codecs[worker], level, err);

	if (r == 0)
		r = wire_chunk_pack(p->codecs[worker], p->pass->disk, item->piece.offset + at,
			item->bytes + at, n, &repeats, p->pass->conn->terms.max_frame,
			&item->frames, item->leaves + at / BLOCK_GRAIN_BYTES, &kind, err);

	if (r < 0)
		return r;
	if (kind != WIRE_CHUNK_DATA)
		item->zero_bytes += n;
	else if (adaptive && try && !repeats.n)
		send_trial_result(trial, n, item->frames.len - before);
	item->parts[item->n_parts++] =
		(struct part){item->frames.len, kind == WIRE_CHUNK_DATA ? (uint32_t)n : 0};
	return 0;
}

static bool differs(const struct item *item, size_t i)
{
	return !item->durable[i] || !block_digest_equal(&item->leaves[i], &item->far[i]);
}

/* Packs the runs of grains that are not what the receiver has. */
static int pack_differing(
	struct pipeline *p, unsigned worker, struct item *item, struct p2v_err *err)
{
	size_t length = (size_t)item->piece.length, grains = block_grains(length), n;
	int r = 0;

	for (size_t i = 0; i < grains; i++)
		block_digest_leaf(item->bytes + i * BLOCK_GRAIN_BYTES,
			p2v_min_u64(BLOCK_GRAIN_BYTES, length - i * BLOCK_GRAIN_BYTES),
			&item->leaves[i]);
	for (size_t i = 0; r == 0 && i < grains; i += n) {
		size_t at = i * BLOCK_GRAIN_BYTES, bytes;
		bool changed = differs(item, i);

		for (n = 1; i + n < grains && differs(item, i + n) == changed; n++)
			;
		bytes = p2v_min_u64(n * BLOCK_GRAIN_BYTES, length - at);
		if (changed)
			r = pack_part(p, worker, item, at, bytes, err);
		else
			item->kept_bytes += bytes;
	}
	return r;
}

static int pack_data(struct pipeline *p, unsigned worker, struct item *item, struct p2v_err *err)
{
	uint64_t since_ns;
	int r;

	item->bytes = p->buffers[worker];
	r = read_piece(p, item, err);
	since_ns = send_load_now_ns();
	if (r < 0 || item->deferred)
		return r;
	r = item->compare ? pack_differing(p, worker, item, err)
			  : pack_part(p, worker, item, 0, (size_t)item->piece.length, err);
	send_load_add(p->pass->load, SEND_STAGE_COMPRESS, since_ns);
	return r;
}

static int pack_run(struct pipeline *p, struct item *item, uint8_t kind, struct p2v_err *err)
{
	struct wire_msg msg = {.type = WIRE_CHUNK,
		.chunk = {.disk = p->pass->disk,
			.kind = kind,
			.offset = item->piece.offset,
			.length = item->piece.length}};

	int r = wire_msg_encode(&msg, p->pass->conn->terms.max_frame, &item->frames, err);

	item->parts[0] = (struct part){item->frames.len, 0};
	item->n_parts = 1;
	return r;
}

static int work(void *ctx, unsigned worker, void *raw, struct p2v_err *err)
{
	struct pipeline *p = ctx;
	struct item *item = raw;

	switch (item->piece.kind) {
	case SEND_READ:
		return pack_data(p, worker, item, err);
	case SEND_ZERO:
		return pack_run(p, item, WIRE_CHUNK_ZERO, err);
	case SEND_FREE:
		return pack_run(p, item, WIRE_CHUNK_FREE, err);
	case SEND_KEEP:
		break;
	}
	return 0;
}

static void fold(struct pipeline *p, const struct item *item)
{
	uint64_t n = block_grains(item->piece.length);

	if (item->piece.kind == SEND_ZERO || item->piece.kind == SEND_FREE) {
		block_disk_digest_add_zeros(p->root, n);
		return;
	}
	for (uint64_t i = 0; i < n; i++)
		block_disk_digest_add(p->root, &item->leaves[i]);
}

static void count(struct pipeline *p, const struct item *item)
{
	struct send_disk_result *result = p->pass->result;
	uint64_t n = item->piece.length;

	switch (item->piece.kind) {
	case SEND_READ:
		result->read_bytes += item->deferred ? 0 : n;
		result->zero_bytes += item->zero_bytes;
		result->kept_bytes += item->kept_bytes;
		break;
	case SEND_ZERO:
		result->zero_bytes += n;
		break;
	case SEND_FREE:
		result->free_bytes += n;
		break;
	case SEND_KEEP:
		result->kept_bytes += n;
		break;
	}
	result->sent_bytes += item->frames.len;
}

/* The share of an item that the progress counts: what has to be copied. */
static uint64_t used_part(struct pipeline *p, const struct item *item)
{
	const struct extent_list *list = p->pass->source->extents;
	uint64_t end = item->piece.offset + item->piece.length, n = 0;

	if (item->piece.kind != SEND_KEEP)
		return item->piece.kind == SEND_READ ? item->piece.length : 0;
	for (struct extent e = block_extents_at(list, item->piece.offset, item->piece.length);
		e.length_bytes; e = block_extents_next(list, e, end))
		n += e.kind == EXTENT_USED ? e.length_bytes : 0;
	return n;
}

static const char *bound_by(struct pipeline *p)
{
	unsigned links = p->pass->lanes ? lanes_count(p->pass->lanes) : 1;
	enum send_stage stage;

	if (!p->pass->load)
		return NULL;
	stage = send_load_stage(p->pass->load, p->pass->n_workers, links);
	send_adapt_look(&p->adapt, stage);
	return send_stage_name(stage);
}

static int tell(struct pipeline *p, struct p2v_err *err)
{
	struct wire_msg msg = {.type = WIRE_PROGRESS,
		.progress = {.disk = p->pass->disk,
			.done = p->done_bytes,
			.total = block_extents_sum(p->pass->source->extents, EXTENT_USED)}};
	uint64_t now = p2v_now_ms();

	p2v_progress_flow(p->pass->progress, p->pass->result->read_bytes,
		p->pass->result->sent_bytes, bound_by(p));
	p2v_progress_set(p->pass->progress, p->done_bytes);
	if (p->pass->lanes)
		lanes_watch(p->pass->lanes);
	if (now - p->told_ms < TELL_MS)
		return 0;
	p->told_ms = now;
	return conn_send(p->pass->conn, &msg, err);
}

static int frame_send(struct pipeline *p, const uint8_t *frame, size_t n, uint32_t data_bytes,
	struct p2v_err *err)
{
	if (p->pass->lanes)
		return lanes_put(p->pass->lanes, frame, n, data_bytes, err);
	return conn_send_chunk(p->pass->conn, frame, n, data_bytes, err);
}

/* What of the receiver's is from this run now: up to `end`, once all that was sent for it is TAKEN,
 * so that nothing older there is durable any more. What came back may still be. */
static void own_note(struct pipeline *p, uint64_t end)
{
	struct send_disk_result *result = p->pass->result;
	struct conn *c = p->pass->conn;

	pthread_mutex_lock(&c->lock);
	if (c->window.taken_seq >= p->mark_seq && c->again.n == 0) {
		result->own_bytes = p2v_max_u64(result->own_bytes, p->mark_bytes);
		p->mark_seq = c->window.sent_seq;
		p->mark_bytes = end;
	}
	pthread_mutex_unlock(&c->lock);
}

static int drain(void *ctx, void *raw, struct p2v_err *err)
{
	struct pipeline *p = ctx;
	struct item *item = raw;
	size_t from = 0;

	for (size_t i = 0; i < item->n_parts; i++) {
		const struct part *part = &item->parts[i];
		int r = frame_send(
			p, item->frames.data + from, part->end - from, part->data_bytes, err);

		if (r < 0)
			return r;
		from = part->end;
	}
	count(p, item);
	if (!item->pulled) {
		fold(p, item);
		p->done_bytes += used_part(p, item);
		if (!p->pass->lanes || lanes_alone(p->pass->lanes))
			own_note(p, item->piece.offset + item->piece.length);
	}
	return tell(p, err);
}

static int check(void *ctx, struct p2v_err *err)
{
	struct pipeline *p = ctx;
	const struct send_pass *pass = p->pass;
	int r = conn_tick(pass->conn, err);

	while (r == 0 && pass->paused && pass->paused(pass->paused_ctx)) {
		p2v_progress_flow(pass->progress, pass->result->read_bytes,
			pass->result->sent_bytes, "a pause");
		p2v_progress_set(pass->progress, p->done_bytes);
		p2v_sleep_ms(PAUSE_MS);
		r = conn_tick(pass->conn, err);
	}
	return r;
}

static const struct pump_ops ops = {fill, work, drain, check};

static int no_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "no memory for chunks to send");
}

static int workers_make(struct pipeline *p, struct p2v_err *err)
{
	static const struct send_compress none = {WIRE_LEVEL_RAW, false};
	bool zstd = p->pass->conn->terms.features & WIRE_FEATURE_ZSTD;
	unsigned n = p->pass->n_workers;
	int r = 0;

	p->codecs = calloc(n, sizeof(struct wire_codec *));
	p->buffers = calloc(n, sizeof(*p->buffers));
	send_adapt_init(&p->adapt, zstd ? p->pass->compress : &none);
	p->trials = calloc(n, sizeof(*p->trials));
	if (!p->codecs || !p->buffers || !p->trials)
		return no_memory(err);
	for (unsigned i = 0; i < n && r == 0; i++) {
		p->buffers[i] = block_buffer_new(SEND_CHUNK_BYTES);
		if (!p->buffers[i])
			return no_memory(err);
		r = wire_codec_new(BLOCK_GRAIN_BYTES, WIRE_LEVEL_RAW, &p->codecs[i], err);
	}
	return r;
}

static int pipeline_make(struct pipeline *p, struct p2v_err *err)
{
	size_t n = items_for(p->pass->n_workers);

	p->root = block_disk_digest_new(p->pass->source->io->size_bytes);
	p->items = calloc(n, sizeof(*p->items));
	p->pool = calloc(n, sizeof(*p->pool));
	if (!p->root || !p->items || !p->pool)
		return no_memory(err);
	for (p->n_items = 0; p->n_items < n; p->n_items++) {
		struct item *item = &p->items[p->n_items];

		p->pool[p->n_items] = item;
		/* At once and for good: doubling would take twice as much. */
		if (!p2v_buf_reserve(&item->frames, SEND_CHUNK_BYTES + SEND_FRAME_HEAD_BYTES)) {
			p->n_items++;
			return no_memory(err);
		}
	}
	if (p->pass->resume)
		p->have = have_new(p->pass->conn, p->pass->disk,
			block_grains(p->pass->source->io->size_bytes));
	if (p->pass->resume && !p->have)
		return no_memory(err);
	if (p->pass->repeats) {
		int r = block_repeats_new(&p->repeats, err);

		if (r < 0)
			return r;
	}
	return workers_make(p, err);
}

static void pipeline_finish(struct pipeline *p)
{
	for (size_t i = 0; i < p->n_items; i++)
		p2v_buf_finish(&p->items[i].frames);
	for (unsigned i = 0; p->codecs && i < p->pass->n_workers; i++)
		wire_codec_free(p->codecs[i]);
	for (unsigned i = 0; p->buffers && i < p->pass->n_workers; i++)
		free(p->buffers[i]);
	free(p->codecs);
	free(p->buffers);
	free(p->trials);
	free(p->items);
	free(p->pool);
	have_free(p->have);
	block_repeats_free(p->repeats);
	block_disk_digest_free(p->root);
}

int send_pass_run(const struct send_pass *pass, struct digest *ret_root, struct p2v_err *err)
{
	struct pipeline p = {.pass = pass, .own_bytes = pass->result->own_bytes};
	int r = pipeline_make(&p, err);

	if (r == 0) {
		struct pump_spec spec = {.ops = &ops,
			.ctx = &p,
			.items = p.pool,
			.n_items = p.n_items,
			.n_workers = pass->n_workers};

		r = block_pump_run(&spec, err);
	}
	if (r == 0)
		r = block_disk_digest_end(p.root, ret_root, err);
	pipeline_finish(&p);
	return r;
}
