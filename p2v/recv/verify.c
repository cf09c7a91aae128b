/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/verify.h"

#include <stdlib.h>

#include "p2v/block/pump.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/recv/disk.h"

#define READ_BYTES  ((size_t)2 << 20)
#define READ_GRAINS (READ_BYTES / GRAIN)
#define ZERO_BYTES  P2V_GIB /* of a run that is known to be zero, at once */
#define WORKERS	    RECV_DISK_THREADS
#define ITEMS	    (WORKERS + 2)
#define GRAIN	    BLOCK_GRAIN_BYTES

/* A piece that begins and ends on grains (or ends the disk). */
struct piece {
	uint64_t offset, length;
	bool zero; /* the image says so: nothing to read */
	uint8_t *bytes;
	struct digest leaves[READ_GRAINS];
};

struct verify {
	const struct recv_verify *spec;
	struct disk_digest *digest;
	uint64_t at; /* the filler's */
	/* the drain's: the run of bad grains that is still open */
	uint64_t bad_first, bad_n;
	struct piece pieces[ITEMS];
};

static int verify_fill(void *ctx, void *to, struct p2v_err *err)
{
	struct verify *v = ctx;
	struct piece *piece = to;
	uint64_t left = v->spec->io->size_bytes - v->at, n;
	struct extent e;
	int r;

	if (left == 0)
		return 0;
	r = block_extent(v->spec->io, v->at, p2v_min_u64(left, ZERO_BYTES), &e, err);
	if (r < 0)
		return r;
	n = e.length_bytes == left ? left : p2v_align_down(e.length_bytes, GRAIN);
	piece->zero = e.kind == EXTENT_ZERO && n > 0;
	if (!piece->zero)
		n = p2v_min_u64(p2v_min_u64(left, READ_BYTES), p2v_align_up(e.length_bytes, GRAIN));
	piece->offset = v->at;
	piece->length = n;
	v->at += n;
	return 1;
}

static int verify_work(void *ctx, unsigned worker, void *of, struct p2v_err *err)
{
	struct verify *v = ctx;
	struct piece *piece = of;
	size_t n = piece->zero ? 0 : (size_t)piece->length;
	int r = block_read(v->spec->io, piece->offset, piece->bytes, n, err);

	(void)worker;
	for (size_t at = 0; r == 0 && at < n; at += GRAIN)
		block_digest_leaf(
			piece->bytes + at, p2v_min_u64(GRAIN, n - at), &piece->leaves[at / GRAIN]);
	return r;
}

static int bad_end(struct verify *v, struct p2v_err *err)
{
	uint64_t n = v->bad_n;

	v->bad_n = 0;
	return n ? v->spec->bad(v->spec->ctx, v->bad_first, n, err) : 0;
}

static int grain_check(
	struct verify *v, uint64_t grain, const struct digest *found, struct p2v_err *err)
{
	struct digest want;
	bool durable;
	int r = recv_journal_leaf(v->spec->journal, grain, &durable, &want, err);

	if (r < 0)
		return r;
	block_disk_digest_add(v->digest, found);
	if (durable && block_digest_equal(found, &want))
		return bad_end(v, err);
	if (v->bad_n++ == 0)
		v->bad_first = grain;
	return 0;
}

static int verify_drain(void *ctx, void *of, struct p2v_err *err)
{
	static const struct digest zero;
	struct verify *v = ctx;
	struct piece *piece = of;
	uint64_t first = piece->offset / GRAIN;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < block_grains(piece->length); i++)
		r = grain_check(v, first + i, piece->zero ? &zero : &piece->leaves[i], err);
	if (r == 0 && v->spec->progress)
		r = v->spec->progress(v->spec->ctx, piece->offset + piece->length, err);
	return r;
}

static void verify_free(struct verify *v)
{
	for (unsigned i = 0; i < ITEMS; i++)
		free(v->pieces[i].bytes);
	block_disk_digest_free(v->digest);
	free(v);
}
P2V_DEFINE_CLEANUP(struct verify *, verify_free);

static int verify_new(const struct recv_verify *spec, struct verify **ret, struct p2v_err *err)
{
	p2v_auto(verify_free) struct verify *v = calloc(1, sizeof(*v));
	bool ok = v && (v->digest = block_disk_digest_new(spec->io->size_bytes));

	for (unsigned i = 0; ok && i < ITEMS; i++) {
		v->pieces[i].bytes = block_buffer_new(READ_BYTES);
		ok = v->pieces[i].bytes != NULL;
	}
	if (!ok)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	v->spec = spec;
	*ret = p2v_steal(v);
	return 0;
}

int recv_verify_run(const struct recv_verify *spec, struct digest *ret_root, struct p2v_err *err)
{
	static const struct pump_ops ops = {verify_fill, verify_work, verify_drain, NULL};
	p2v_auto(verify_free) struct verify *v = NULL;
	void *pieces[ITEMS];
	struct pump_spec pump = {
		.ops = &ops, .items = pieces, .n_items = ITEMS, .n_workers = WORKERS};
	int r = verify_new(spec, &v, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < ITEMS; i++)
		pieces[i] = &v->pieces[i];
	pump.ctx = v;
	r = block_pump_run(&pump, err);
	if (r == 0)
		r = bad_end(v, err);
	return r == 0 ? block_disk_digest_end(v->digest, ret_root, err) : r;
}
