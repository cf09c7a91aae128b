/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/verify.h"

#include <stdlib.h>

#include "p2v/block/pump.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/recv/disk.h"

#define READ_BYTES  ((size_t)2 << 20)
#define READ_GRAINS (READ_BYTES / GRAIN)
#define RUN_GRAINS  4096u /* of a run that need not be read, at once */
#define ZERO_BYTES  (RUN_GRAINS * (uint64_t)GRAIN)
#define WORKERS	    RECV_DISK_THREADS
#define ITEMS	    (WORKERS + 2)
#define GRAIN	    BLOCK_GRAIN_BYTES

/* A piece that begins and ends on grains (or ends the disk). */
struct piece {
	uint64_t offset, length;
	enum { PIECE_READ, PIECE_ZERO, PIECE_PROVED } kind; /* ZERO: the image says so */
	uint8_t *bytes;
	struct digest found[READ_GRAINS], want[RUN_GRAINS];
	bool durable[RUN_GRAINS];
};

struct verify {
	const struct recv_verify *spec;
	struct disk_digest *digest;
	uint64_t at; /* the filler's */
	/* the drain's: the run of bad grains that is still open */
	uint64_t bad_first, bad_n;
	struct piece pieces[ITEMS];
};

/* Whether the run of grains at v->at is proved, and how many bytes it has. */
static bool proved_run(const struct verify *v, uint64_t *ret_n)
{
	uint64_t left = v->spec->io->size_bytes - v->at, grain = v->at / GRAIN;
	uint64_t first = block_grains(v->spec->io->size_bytes), n = 0;
	bool proved;

	*ret_n = p2v_min_u64(left, ZERO_BYTES);
	if (!v->spec->trust)
		return false;
	recv_journal_unproved(v->spec->journal, grain, &first, &n);
	proved = first > grain;
	*ret_n = p2v_min_u64(*ret_n, (proved ? first - grain : n) * GRAIN);
	return proved;
}

static int verify_fill(void *ctx, void *to, struct p2v_err *err)
{
	struct verify *v = ctx;
	struct piece *piece = to;
	struct extent e;
	uint64_t left, n;

	if (v->at == v->spec->io->size_bytes)
		return 0;
	piece->kind = PIECE_PROVED;
	if (proved_run(v, &left)) {
		n = left;
	} else {
		int r = block_extent(v->spec->io, v->at, left, &e, err);

		if (r < 0)
			return r;
		n = e.length_bytes == left ? left : p2v_align_down(e.length_bytes, GRAIN);
		piece->kind = e.kind == EXTENT_ZERO && n > 0 ? PIECE_ZERO : PIECE_READ;
		if (piece->kind == PIECE_READ)
			n = p2v_min_u64(
				p2v_min_u64(left, READ_BYTES), p2v_align_up(e.length_bytes, GRAIN));
	}
	piece->offset = v->at;
	piece->length = n;
	v->at += n;
	return 1;
}

static int verify_work(void *ctx, unsigned worker, void *of, struct p2v_err *err)
{
	struct verify *v = ctx;
	struct piece *piece = of;
	size_t n = piece->kind == PIECE_READ ? (size_t)piece->length : 0;
	int r = block_read(v->spec->io, piece->offset, piece->bytes, n, err);

	(void)worker;
	for (size_t at = 0; r == 0 && at < n; at += GRAIN)
		block_digest_leaf(
			piece->bytes + at, p2v_min_u64(GRAIN, n - at), &piece->found[at / GRAIN]);
	return r < 0 ? r
		     : recv_journal_leaves(v->spec->journal, piece->offset / GRAIN,
			       block_grains(piece->length), piece->durable, piece->want, err);
}

static int bad_end(struct verify *v, struct p2v_err *err)
{
	uint64_t n = v->bad_n;

	v->bad_n = 0;
	return n ? v->spec->bad(v->spec->ctx, v->bad_first, n, err) : 0;
}

static int grain_check(struct verify *v, const struct piece *piece, size_t i, struct p2v_err *err)
{
	static const struct digest zero;
	const struct digest *want = &piece->want[i], *found = want;

	if (piece->kind != PIECE_PROVED)
		found = piece->kind == PIECE_ZERO ? &zero : &piece->found[i];
	block_disk_digest_add(v->digest, found);
	if (piece->durable[i] && block_digest_equal(found, want))
		return bad_end(v, err);
	if (v->bad_n++ == 0)
		v->bad_first = piece->offset / GRAIN + i;
	return 0;
}

static int verify_drain(void *ctx, void *of, struct p2v_err *err)
{
	struct verify *v = ctx;
	struct piece *piece = of;
	int r = 0;

	for (size_t i = 0; r == 0 && i < block_grains(piece->length); i++)
		r = grain_check(v, piece, i, err);
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
