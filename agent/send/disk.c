/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/disk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/send/pipeline.h"

static int disk_open(struct conn *c, const struct send_spec *spec, uint16_t disk, bool refresh,
	uint64_t *ret_durable, struct p2v_err *err)
{
	const struct send_disk *d = &spec->disks[disk];
	struct wire_msg msg = {.type = WIRE_OPEN,
		.open = {.disk = disk,
			.size = d->io->size_bytes,
			.sector = d->io->logical_sector_bytes,
			.grain = BLOCK_GRAIN_BYTES,
			.digest_kind = WIRE_DIGEST_XXH3_128,
			.pass = refresh ? WIRE_PASS_REFRESH : WIRE_PASS_COPY,
			.used = block_extents_sum(d->extents, EXTENT_USED)}};
	int r;

	pthread_mutex_lock(&c->lock);
	c->disk = disk;
	c->disk_bytes = d->io->size_bytes;
	c->again.n = c->pulls.n = 0;
	c->far_done = c->far_total = 0;
	pthread_mutex_unlock(&c->lock);
	r = conn_send(c, &msg, err);
	if (r == 0)
		r = conn_answer(c, NULL, NULL, &msg, err);
	if (r < 0)
		return r;
	/* The session lets only READY answer OPEN. */
	r = msg.ready.disk == disk ? 0
				   : p2v_err_set(err, P2V_EFORMAT, "READY for disk %u, not %u",
					     msg.ready.disk, disk);
	*ret_durable = msg.ready.durable_grains;
	conn_answer_done(c);
	return r;
}

/* Moves what came back out of the connection. */
static void again_take(struct conn *c, struct send_ranges *ret)
{
	pthread_mutex_lock(&c->lock);
	*ret = c->again;
	c->again.n = 0;
	pthread_mutex_unlock(&c->lock);
}

static int checkpoint(struct conn *c, struct p2v_err *err)
{
	static const struct wire_msg msg = {.type = WIRE_CHECKPOINT};

	return conn_send(c, &msg, err);
}

/* Data connections live for the first pass over a disk: what comes back later is little. */
struct first_pass {
	const struct send_spec *spec;
	struct send_streams *streams;
};

static int lanes_make(const struct send_pass *pass, const struct first_pass *first,
	struct lanes **ret, struct p2v_err *err)
{
	struct send_streams *streams = first->streams;
	const struct lanes_spec lanes = {.send = first->spec,
		.control = pass->conn,
		.token = &pass->conn->token,
		.disk = pass->disk,
		.disk_bytes = pass->source->io->size_bytes,
		.streams = streams,
		.load = pass->load};

	if (block_digest_is_zero(&pass->conn->token) || (streams->chosen && streams->n == 1))
		return 0;
	return lanes_new(&lanes, ret, err);
}

static int first_pass_run(struct send_pass *pass, const struct first_pass *first,
	struct digest *ret_root, struct p2v_err *err)
{
	p2v_auto(lanes_free) struct lanes *lanes = NULL;
	int r = lanes_make(pass, first, &lanes, err);

	if (r < 0)
		return r;
	pass->lanes = lanes;
	r = send_pass_run(pass, ret_root, err);
	if (r == 0 && lanes)
		r = lanes_drained(lanes, err);
	pass->lanes = NULL;
	return r;
}

/* Passes until nothing has come back. */
static int passes_run(struct send_pass *pass, struct send_ranges *must, unsigned *passes,
	const struct first_pass *first, struct digest *ret_root, struct p2v_err *err)
{
	for (;;) {
		int r = *passes == 0 ? first_pass_run(pass, first, ret_root, err)
				     : send_pass_run(pass, ret_root, err);

		if (r == 0)
			r = conn_drained(pass->conn, err);
		if (r < 0)
			return r;
		again_take(pass->conn, must);
		if (must->n == 0)
			return 0;
		if (++*passes > SEND_PASSES_MAX)
			return p2v_err_set(err, P2V_EIO,
				"the server finds wrong digests again and again, first at %llu: "
				"memory, cable or disk is at fault",
				(unsigned long long)must->items[0].offset);
		r = checkpoint(pass->conn, err);
		if (r < 0)
			return r;
		pass->resume = pass->conn->terms.features & WIRE_FEATURE_RESUME;
		pass->mode = SEND_COPY;
		pass->defer = pass->repeats = false;
	}
}

static void verify_watch(struct conn *c, void *ctx)
{
	const struct send_spec *spec = ctx;
	uint64_t done;

	pthread_mutex_lock(&c->lock);
	done = c->far_done;
	pthread_mutex_unlock(&c->lock);
	p2v_progress_set(spec->progress, done);
}

static int mismatch_add(struct conn *c, const struct wire_mismatch *m, struct p2v_err *err)
{
	int r = m->disk == c->disk && m->ranges.n
			? 0
			: p2v_err_set(err, P2V_EFORMAT, "MISMATCH without a range of this disk");

	pthread_mutex_lock(&c->lock);
	for (uint16_t i = 0; i < m->ranges.n && r == 0; i++) {
		struct wire_range range = wire_range_at(&m->ranges, i);

		r = send_ranges_add(&c->again, range.offset, range.length, c->disk_bytes, err);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

static struct p2v_buf bad_ranges(const struct send_bad *bad)
{
	struct p2v_buf out = {0};

	for (size_t i = 0; i < bad->n; i++)
		wire_range_add(&out, bad->items[i].offset, bad->items[i].length);
	return out;
}

/* DONE and what is said to it. ret_verified false: something has to be sent again. */
static int disk_done(struct conn *c, const struct send_spec *spec, const struct digest *root,
	struct send_disk_result *result, bool *ret_verified, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bad = bad_ranges(&result->bad);
	struct wire_msg msg = {.type = WIRE_DONE,
		.done = {.disk = c->disk,
			.root = *root,
			.read = result->read_bytes,
			.sent = result->sent_bytes,
			.bad = {(uint16_t)result->bad.n, bad.data},
			.zero = result->zero_bytes,
			.free = result->free_bytes}};
	int r = p2v_buf_check(&bad, err);

	if (r == 0)
		r = conn_send(c, &msg, err);
	if (r == 0)
		r = conn_answer(c, verify_watch, (void *)(uintptr_t)spec, &msg, err);
	if (r < 0)
		return r;
	*ret_verified = msg.type == WIRE_VERIFIED;
	if (msg.type == WIRE_MISMATCH)
		r = mismatch_add(c, &msg.mismatch, err);
	else if (msg.verified.disk != c->disk || !block_digest_equal(&msg.verified.root, root))
		r = p2v_err_set(err, P2V_EFORMAT, "VERIFIED with another digest than ours");
	conn_answer_done(c);
	return r;
}

static void label(const struct send_spec *spec, uint16_t disk, const char *doing, uint64_t total)
{
	char text[512];

	if (!spec->progress)
		return;
	snprintf(text, sizeof(text), "%s%s:%s", doing, spec->machine->name,
		spec->machine->disks[disk].path);
	p2v_progress_start(spec->progress, text, "bytes", total);
}

static unsigned workers(const struct send_spec *spec)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	return send_workers_fit(spec->n_workers ? spec->n_workers
				: online > 0	? (unsigned)online
						: 1,
		&spec->compress);
}

static int copy_and_verify(struct send_pass *pass, const struct first_pass *first,
	struct send_ranges *must, struct p2v_err *err)
{
	const struct send_spec *spec = first->spec;
	const struct send_disk *d = pass->source;
	unsigned passes = 0;
	bool verified = false;

	while (!verified) {
		struct digest root;
		int r;

		label(spec, pass->disk, "", block_extents_sum(d->extents, EXTENT_USED));
		r = passes_run(pass, must, &passes, first, &root, err);
		if (r < 0)
			return r;
		label(spec, pass->disk, "verify ", d->io->size_bytes);
		r = disk_done(pass->conn, spec, &root, pass->result, &verified, err);
		if (r < 0)
			return r;
		if (verified)
			p2v_progress_set(spec->progress, d->io->size_bytes);
		pass->result->root = root;
		again_take(pass->conn, must);
		pass->resume = true;
		pass->repeats = false;
		pass->mode = SEND_COPY;
		if (++passes > SEND_PASSES_MAX && !verified)
			return p2v_err_set(err, P2V_EIO,
				"the server's image reads back differently again and again: its "
				"memory or disk is at fault");
	}
	return 0;
}

/* A failed read names the disk already, unless it is called otherwise here than on its machine. */
static int disk_named(const char *path, int r, struct p2v_err *err)
{
	size_t n = strlen(path);

	if (err && strncmp(err->text, path, n) == 0 && err->text[n] == ':')
		return r;
	return p2v_err_wrap(err, r, "%s", path);
}

/* A disk that was begun by an earlier run is gone over again: the machine may have been started in
 * between, and half of one day with half of another is no disk at all. */
static void others_note(const struct send_spec *spec, uint16_t disk, uint64_t durable,
	struct send_disk_result *result)
{
	if (!result->opened)
		result->others = durable > 0;
	if (!result->opened && result->others && !spec->refresh && spec->progress)
		p2v_progress_say(spec->progress,
			"%s: an earlier run has sent some of it or all: what is the same still is "
			"not sent again",
			spec->machine->disks[disk].path);
	result->opened = true;
}

int send_disk_run(struct conn *c, const struct send_spec *spec, uint16_t disk,
	struct send_streams *streams, struct send_disk_result *result, struct p2v_err *err)
{
	const struct first_pass first = {spec, streams};
	struct send_ranges *must = calloc(1, sizeof(*must));
	struct send_pass pass = {.conn = c,
		.disk = disk,
		.source = &spec->disks[disk],
		.compress = &spec->compress,
		/* A disk that fails is read by one, in order. */
		.n_workers = spec->rescue ? 1 : workers(spec),
		.rescue = spec->rescue,
		.load = c->load,
		.must = must,
		.paused = spec->paused,
		.paused_ctx = spec->paused_ctx,
		.progress = spec->progress,
		.result = result};
	bool refresh = spec->refresh || result->again;
	uint64_t durable = 0;
	int r;

	if (!must)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = disk_open(c, spec, disk, refresh, &durable, err);
	if (r == 0) {
		others_note(spec, disk, durable, result);
		pass.resume = durable && c->terms.features & WIRE_FEATURE_RESUME;
		pass.defer = spec->rescue && c->terms.features & WIRE_FEATURE_RESUME;
		pass.repeats = c->terms.features & WIRE_FEATURE_REPEAT;
		pass.mode = pass.resume && (refresh || result->others) ? SEND_REFRESH : SEND_COPY;
		r = copy_and_verify(&pass, &first, must, err);
	}
	free(must);
	result->verified = r == 0;
	if (spec->progress)
		p2v_progress_end(spec->progress);
	return r < 0 ? disk_named(spec->machine->disks[disk].path, r, err) : 0;
}
