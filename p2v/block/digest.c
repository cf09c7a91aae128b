/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/block/digest.h"

#include <inttypes.h>
#include <string.h>

#include "p2v/block/pump.h"
#include "p2v/block/xxh3.h"
#include "p2v/core/buf.h"
#include "p2v/core/num.h"

/* What block_io_digest reads at once, and how many leaves make a call into the hash. */
#define READ_BYTES ((size_t)1 << 20)
#define LEAF_BATCH 256

static void digest_from_hash(XXH128_hash_t hash, struct digest *ret)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(ret->bytes, canonical.digest, sizeof(ret->bytes));
}

void block_digest_of(const void *bytes, size_t n, struct digest *ret)
{
	digest_from_hash(XXH3_128bits(bytes, n), ret);
}

void block_digest_leaf(const void *bytes, size_t n, struct digest *ret)
{
	if (p2v_is_zero(bytes, n))
		*ret = (struct digest){0};
	else
		block_digest_of(bytes, n, ret);
}

bool block_digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool block_digest_is_zero(const struct digest *d)
{
	return p2v_is_zero(d->bytes, sizeof(d->bytes));
}

const char *block_digest_text(const struct digest *d, char buf[BLOCK_DIGEST_HEX])
{
	p2v_hex(d->bytes, sizeof(d->bytes), buf);
	return buf;
}

int block_digest_parse(const char *text, struct digest *ret, struct p2v_err *err)
{
	struct digest d;
	int r = p2v_unhex(text, d.bytes, sizeof(d.bytes), err);

	if (r == 0)
		*ret = d;
	return r;
}

uint64_t block_grains(uint64_t size_bytes)
{
	return p2v_div_up(size_bytes, BLOCK_GRAIN_BYTES);
}

/* XXH3_state_t asks for 64-byte alignment, which its own allocator gives. */
struct digest_stream {
	XXH3_state_t *state;
};

struct digest_stream *block_digest_stream_new(void)
{
	struct digest_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->state = XXH3_createState();
	if (!s->state) {
		free(s);
		return NULL;
	}
	XXH3_128bits_reset(s->state);
	return s;
}

void block_digest_stream_free(struct digest_stream *s)
{
	if (!s)
		return;
	XXH3_freeState(s->state);
	free(s);
}

void block_digest_stream_add(struct digest_stream *s, const void *bytes, size_t n)
{
	if (n)
		XXH3_128bits_update(s->state, bytes, n);
}

void block_digest_stream_get(const struct digest_stream *s, struct digest *ret)
{
	digest_from_hash(XXH3_128bits_digest(s->state), ret);
}

struct disk_digest {
	struct digest_stream *stream;
	uint64_t size_bytes, n_leaves;
};

struct disk_digest *block_disk_digest_new(uint64_t size_bytes)
{
	static const char label[] = "p2v-disk-1\n";
	struct disk_digest *d = calloc(1, sizeof(*d));
	uint8_t head[12];

	if (!d)
		return NULL;
	d->size_bytes = size_bytes;
	d->stream = block_digest_stream_new();
	if (!d->stream) {
		free(d);
		return NULL;
	}
	p2v_put_be64(head, size_bytes);
	p2v_put_be32(head + 8, BLOCK_GRAIN_BYTES);
	block_digest_stream_add(d->stream, label, sizeof(label) - 1);
	block_digest_stream_add(d->stream, head, sizeof(head));
	return d;
}

void block_disk_digest_free(struct disk_digest *d)
{
	if (!d)
		return;
	block_digest_stream_free(d->stream);
	free(d);
}

void block_disk_digest_add(struct disk_digest *d, const struct digest *leaf)
{
	block_digest_stream_add(d->stream, leaf->bytes, sizeof(leaf->bytes));
	d->n_leaves++;
}

void block_disk_digest_add_zeros(struct disk_digest *d, uint64_t n)
{
	static const struct digest zeros[LEAF_BATCH];

	d->n_leaves += n;
	for (; n; n -= p2v_min_u64(n, LEAF_BATCH))
		block_digest_stream_add(
			d->stream, zeros, p2v_min_u64(n, LEAF_BATCH) * sizeof(zeros[0]));
}

uint64_t block_disk_digest_count(const struct disk_digest *d)
{
	return d->n_leaves;
}

int block_disk_digest_end(const struct disk_digest *d, struct digest *ret, struct p2v_err *err)
{
	uint64_t grains = block_grains(d->size_bytes);

	if (d->n_leaves != grains)
		return p2v_err_set(err, P2V_EINVAL,
			"disk digest over %" PRIu64 " leaves, but the disk has %" PRIu64 " grains",
			d->n_leaves, grains);
	block_digest_stream_get(d->stream, ret);
	return 0;
}

/* Adds the leaves of [offset, offset + n), which begins on a grain. */
static int leaves_read(struct block_io *io, uint64_t offset, size_t n, uint8_t *buf,
	struct disk_digest *d, struct p2v_err *err)
{
	int r = block_read(io, offset, buf, n, err);

	if (r < 0)
		return r;
	for (size_t at = 0; at < n; at += BLOCK_GRAIN_BYTES) {
		struct digest leaf;

		block_digest_leaf(buf + at, p2v_min_u64(BLOCK_GRAIN_BYTES, n - at), &leaf);
		block_disk_digest_add(d, &leaf);
	}
	return 0;
}

/* The run of grains from offset (on a grain) that is known to be zero, or has to be read. A grain
 * that is only partly known to be zero has to be read; the end of the disk also ends a grain. */
static int grain_run(
	struct block_io *io, uint64_t offset, uint64_t *ret_n, bool *ret_zero, struct p2v_err *err)
{
	uint64_t left = io->size_bytes - offset, n;
	struct extent e;
	bool zero;
	int r = block_extent(io, offset, left, &e, err);

	if (r < 0)
		return r;
	n = e.length_bytes == left ? left : p2v_align_down(e.length_bytes, BLOCK_GRAIN_BYTES);
	zero = e.kind == EXTENT_ZERO && n > 0;
	if (!zero)
		n = p2v_min_u64(left, p2v_align_up(e.length_bytes, BLOCK_GRAIN_BYTES));
	*ret_n = n;
	*ret_zero = zero;
	return 0;
}

int block_io_digest(struct block_io *io, block_progress_fn progress, void *ctx, struct digest *ret,
	struct p2v_err *err)
{
	p2v_auto(block_disk_digest_free) struct disk_digest *d =
		block_disk_digest_new(io->size_bytes);
	p2v_autofree uint8_t *buf = block_buffer_new(READ_BYTES);
	uint64_t run = 0, n;
	bool zero = false;

	if (!d || !buf)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory for its digest", io->name);
	for (uint64_t at = 0; at < io->size_bytes; at += n, run -= n) {
		int r = run ? 0 : grain_run(io, at, &run, &zero, err);

		n = zero ? run : p2v_min_u64(READ_BYTES, run);
		if (r == 0 && zero)
			block_disk_digest_add_zeros(d, block_grains(n));
		else if (r == 0)
			r = leaves_read(io, at, n, buf, d, err);
		if (r == 0 && progress)
			r = progress(ctx, at + n, err);
		if (r < 0)
			return r;
	}
	return block_disk_digest_end(d, ret, err);
}
