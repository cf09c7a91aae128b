/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/wire/codec.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "p2v/core/num.h"

struct wire_codec {
	uint32_t grain;
	int level;
	ZSTD_CCtx *cctx; /* made by the first pack and the first unpack */
	ZSTD_DCtx *dctx;
	uint8_t *rest; /* WIRE_CHUNK_MAX bytes, with the first repeat: what is left without them */
};

int wire_codec_level(struct wire_codec *codec, int level, struct p2v_err *err)
{
	if (level != WIRE_LEVEL_RAW && (level < -100 || level > ZSTD_maxCLevel()))
		return p2v_err_set(err, P2V_EINVAL,
			"a compression level of %d is out of bounds (-100 to %d)", level,
			ZSTD_maxCLevel());
	codec->level = level;
	return 0;
}

int wire_codec_new(uint32_t grain, int level, struct wire_codec **ret, struct p2v_err *err)
{
	struct wire_codec *codec;
	int r;

	if (grain < WIRE_GRAIN_MIN || grain > WIRE_GRAIN_MAX || (grain & (grain - 1)))
		return p2v_err_set(err, P2V_EINVAL, "a grain of %u bytes is out of bounds", grain);
	codec = calloc(1, sizeof(*codec));
	if (!codec)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	codec->grain = grain;
	r = wire_codec_level(codec, level, err);
	if (r < 0) {
		wire_codec_free(codec);
		return r;
	}
	*ret = codec;
	return 0;
}

void wire_codec_free(struct wire_codec *codec)
{
	if (!codec)
		return;
	ZSTD_freeCCtx(codec->cctx);
	ZSTD_freeDCtx(codec->dctx);
	free(codec->rest);
	free(codec);
}

/* The length of grain i of n bytes. */
static size_t grain_length(size_t n, uint32_t grain, size_t i)
{
	return p2v_min_u64(grain, n - i * grain);
}

static void leaf_of(const uint8_t *bytes, size_t n, struct digest *ret)
{
	*ret = (struct digest){0};
	if (!p2v_is_zero(bytes, n))
		block_digest_of(bytes, n, ret);
}

/* Appends the leaves; true where all are zero. */
static bool leaves_add(const struct wire_codec *codec, const uint8_t *bytes, size_t n,
	struct p2v_buf *out, struct digest *ret_leaves)
{
	size_t grains = wire_grains(n, codec->grain);
	bool zero = true;

	for (size_t i = 0; i < grains; i++) {
		struct digest leaf;

		leaf_of(bytes + i * codec->grain, grain_length(n, codec->grain, i), &leaf);
		p2v_buf_add(out, leaf.bytes, sizeof(leaf.bytes));
		zero = zero && block_digest_is_zero(&leaf);
		if (ret_leaves)
			ret_leaves[i] = leaf;
	}
	return zero;
}

/* Appends the bytes as one zstd frame shorter than they are; false: append them as they are. */
static bool data_shrink(
	struct wire_codec *codec, const uint8_t *bytes, size_t n, struct p2v_buf *out)
{
	uint8_t *to;
	size_t got;

	if (codec->level == WIRE_LEVEL_RAW)
		return false;
	if (!codec->cctx)
		codec->cctx = ZSTD_createCCtx();
	to = p2v_buf_reserve(out, n);
	if (!codec->cctx || !to)
		return false;
	got = ZSTD_compressCCtx(codec->cctx, to, n - 1, bytes, n, codec->level);
	if (ZSTD_isError(got))
		return false; /* the room was less than it needs: it does not shrink */
	out->len += got;
	return true;
}

static bool rest_ready(struct wire_codec *codec)
{
	if (!codec->rest)
		codec->rest = malloc(WIRE_CHUNK_MAX);
	return codec->rest != NULL;
}

/* Copies what lies between the repeats out of bytes, or (back) into them; returns its length. */
static size_t rest_copy(
	uint8_t *rest, uint8_t *bytes, size_t n, const struct wire_repeats *repeats, bool back)
{
	size_t at = 0, len = 0;

	for (size_t i = 0; i <= repeats->n; i++) {
		size_t end = i < repeats->n ? repeats->items[i].to : n, part = end - at;

		if (rest)
			memcpy(back ? bytes + at : rest + len, back ? rest + len : bytes + at,
				part);
		len += part;
		at = i < repeats->n ? end + repeats->items[i].length : n;
	}
	return len;
}

/* Appends the body of a chunk with repeats; false: out of memory. */
static bool repeats_add(struct wire_codec *codec, const uint8_t *bytes, size_t n,
	const struct wire_repeats *repeats, struct p2v_buf *out)
{
	size_t len, encoding_at;

	if (!rest_ready(codec))
		return false;
	p2v_buf_add_be16(out, (uint16_t)repeats->n);
	for (size_t i = 0; i < repeats->n; i++) {
		p2v_buf_add_be32(out, repeats->items[i].to);
		p2v_buf_add_be32(out, repeats->items[i].length);
		p2v_buf_add_be64(out, repeats->items[i].from);
	}
	encoding_at = out->len;
	p2v_buf_add_u8(out, WIRE_ENCODING_RAW);
	len = rest_copy(codec->rest, (uint8_t *)(uintptr_t)bytes, n, repeats, false);
	if (len > 1 && data_shrink(codec, codec->rest, len, out))
		out->data[encoding_at] = WIRE_ENCODING_ZSTD;
	else
		p2v_buf_add(out, codec->rest, len);
	return !out->failed;
}

#define ENCODING_AT 3 /* of the encoding in a CHUNK's payload */
#define KIND_AT	    2

int wire_chunk_pack(struct wire_codec *codec, uint16_t disk, uint64_t offset, const void *bytes,
	size_t n, const struct wire_repeats *repeats, uint32_t max_frame, struct p2v_buf *out,
	struct digest *ret_leaves, uint8_t *ret_kind, struct p2v_err *err)
{
	size_t begin = out->len, head = begin + WIRE_FRAME_HEAD_BYTES, leaves;
	uint8_t kind = WIRE_CHUNK_DATA, encoding = WIRE_ENCODING_RAW;
	int r;

	if (n < 1 || n > WIRE_CHUNK_MAX || offset % codec->grain)
		return p2v_err_set(err, P2V_EINVAL, "a chunk of %zu bytes at %llu cannot be packed",
			n, (unsigned long long)offset);
	wire_frame_begin(out);
	p2v_buf_add_be16(out, disk);
	p2v_buf_add_u8(out, kind);
	p2v_buf_add_u8(out, encoding);
	p2v_buf_add_be64(out, offset);
	p2v_buf_add_be64(out, n);
	leaves = out->len;
	if (leaves_add(codec, bytes, n, out, ret_leaves)) {
		kind = WIRE_CHUNK_ZERO;
		out->len = leaves;
	} else if (repeats && repeats->n) {
		encoding = WIRE_ENCODING_REPEAT;
		if (!repeats_add(codec, bytes, n, repeats, out))
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	} else if (data_shrink(codec, bytes, n, out)) {
		encoding = WIRE_ENCODING_ZSTD;
	} else {
		p2v_buf_add(out, bytes, n);
	}
	r = wire_frame_end(out, begin, WIRE_CHUNK, 0, max_frame, err);
	if (r < 0)
		return r;
	out->data[head + KIND_AT] = kind;
	out->data[head + ENCODING_AT] = encoding;
	*ret_kind = kind;
	return 0;
}

static int chunk_bad(const struct wire_chunk *chunk, const char *why, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EFORMAT, "CHUNK of disk %u at %llu, %llu bytes: %s",
		chunk->disk, (unsigned long long)chunk->offset, (unsigned long long)chunk->length,
		why);
}

/* What follows the leaves of a chunk with repeats; false: cut short, or too many. */
struct repeats_body {
	uint16_t n;
	const uint8_t *raw; /* REPEAT_BYTES each */
	uint8_t encoding;   /* of the rest */
	const uint8_t *rest;
	size_t rest_n;
};
#define REPEAT_BYTES 16

static bool repeats_read(
	const struct wire_chunk *chunk, uint64_t leaves_bytes, struct repeats_body *ret)
{
	struct p2v_rd rd = p2v_rd_init(chunk->body, chunk->body_n);

	p2v_rd_bytes(&rd, leaves_bytes);
	ret->n = p2v_rd_be16(&rd);
	if (rd.failed || ret->n < 1 || ret->n > WIRE_REPEATS_MAX)
		return false;
	ret->raw = p2v_rd_bytes(&rd, (size_t)ret->n * REPEAT_BYTES);
	ret->encoding = p2v_rd_u8(&rd);
	ret->rest_n = rd.left;
	ret->rest = p2v_rd_bytes(&rd, rd.left);
	return !rd.failed;
}

static struct block_repeat repeat_at(const struct repeats_body *body, size_t i)
{
	const uint8_t *at = body->raw + i * REPEAT_BYTES;

	return (struct block_repeat){p2v_get_be32(at), p2v_get_be32(at + 4), p2v_get_be64(at + 8)};
}

size_t wire_chunk_repeats(
	const struct wire_chunk *chunk, uint32_t grain, struct block_repeat ret[WIRE_REPEATS_MAX])
{
	struct repeats_body body;

	if (chunk->encoding != WIRE_ENCODING_REPEAT ||
		!repeats_read(chunk, WIRE_DIGEST_BYTES * p2v_div_up(chunk->length, grain), &body))
		return 0;
	for (size_t i = 0; i < body.n; i++)
		ret[i] = repeat_at(&body, i);
	return body.n;
}

/* In order, apart, on units, from another place of the disk; and a rest that can be. */
static const char *repeats_wrong(
	const struct wire_chunk *chunk, uint64_t leaves_bytes, uint64_t disk_size_bytes)
{
	uint64_t end = chunk->offset + chunk->length, at = 0, left = chunk->length;
	struct repeats_body body;

	if (!repeats_read(chunk, leaves_bytes, &body))
		return "its repeats are cut short";
	for (size_t i = 0; i < body.n; i++) {
		struct block_repeat r = repeat_at(&body, i);

		if ((r.to | r.length | r.from) % BLOCK_REPEAT_UNIT || !r.length || r.to < at ||
			!p2v_range_within(r.to, r.length, chunk->length))
			return "a repeat that cannot be";
		if (!p2v_range_within(r.from, r.length, disk_size_bytes) ||
			(r.from < end && chunk->offset < r.from + r.length))
			return "a repeat from a place that cannot be";
		at = (uint64_t)r.to + r.length;
		left -= r.length;
	}
	if (body.encoding > WIRE_ENCODING_ZSTD || (body.encoding && !left))
		return "an encoding that cannot be";
	if (body.encoding == WIRE_ENCODING_RAW && body.rest_n != left)
		return "its data has another length";
	return NULL;
}

int wire_chunk_check(const struct wire_chunk *chunk, uint64_t disk_size_bytes, uint32_t grain,
	struct p2v_err *err)
{
	const char *wrong;

	uint64_t leaves = WIRE_DIGEST_BYTES * p2v_div_up(chunk->length, grain);

	if (chunk->length == 0)
		return chunk_bad(chunk, "it is empty", err);
	if (!p2v_range_within(chunk->offset, chunk->length, disk_size_bytes))
		return chunk_bad(chunk, "it is beyond the end of the disk", err);
	if (chunk->offset % grain ||
		(chunk->length % grain && chunk->offset + chunk->length != disk_size_bytes))
		return chunk_bad(chunk, "it does not lie on grains", err);
	switch (chunk->kind) {
	case WIRE_CHUNK_DATA:
		if (chunk->length > WIRE_CHUNK_MAX || chunk->body_n <= leaves)
			return chunk_bad(chunk, "its digests and data are cut short", err);
		if (chunk->encoding == WIRE_ENCODING_RAW && chunk->body_n - leaves != chunk->length)
			return chunk_bad(chunk, "its data has another length", err);
		if (chunk->encoding != WIRE_ENCODING_REPEAT)
			return 0;
		wrong = repeats_wrong(chunk, leaves, disk_size_bytes);
		return wrong ? chunk_bad(chunk, wrong, err) : 0;
	case WIRE_CHUNK_SAME:
		return chunk->body_n == leaves ? 0 : chunk_bad(chunk, "wrong digests", err);
	default:
		return chunk->body_n == 0 ? 0 : chunk_bad(chunk, "it carries data", err);
	}
}

static int damaged(const struct wire_chunk *chunk, const char *why, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EIO, "disk %u at %llu: %s", chunk->disk,
		(unsigned long long)chunk->offset, why);
}

/* The data is one frame that says its size; the room is exactly that, so a bomb has nowhere to go.
 */
static int data_grow(struct wire_codec *codec, const struct wire_chunk *chunk, const uint8_t *data,
	size_t data_n, void *to, size_t n, struct p2v_err *err)
{
	if (!codec->dctx)
		codec->dctx = ZSTD_createDCtx();
	if (!codec->dctx)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (ZSTD_getFrameContentSize(data, data_n) != n ||
		ZSTD_findFrameCompressedSize(data, data_n) != data_n)
		return damaged(chunk, "its data is not one zstd frame of that length", err);
	if (ZSTD_decompressDCtx(codec->dctx, to, n, data, data_n) != n)
		return damaged(chunk, "its data does not decompress", err);
	return 0;
}

/* What lies between the repeats goes to its places in scratch. */
static int rest_grow(struct wire_codec *codec, const struct wire_chunk *chunk, size_t leaves_bytes,
	void *scratch, struct p2v_err *err)
{
	struct block_repeat items[WIRE_REPEATS_MAX];
	struct wire_repeats repeats = {items, wire_chunk_repeats(chunk, codec->grain, items)};
	size_t n = (size_t)chunk->length, len = rest_copy(NULL, NULL, n, &repeats, true);
	struct repeats_body body;
	int r = 0;

	if (!repeats_read(chunk, leaves_bytes, &body))
		return p2v_err_set(err, P2V_EINVAL, "a chunk whose repeats were not checked");
	if (!rest_ready(codec))
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (body.encoding == WIRE_ENCODING_ZSTD)
		r = data_grow(codec, chunk, body.rest, body.rest_n, codec->rest, len, err);
	else
		memcpy(codec->rest, body.rest, len);
	if (r == 0)
		rest_copy(codec->rest, scratch, n, &repeats, true);
	return r;
}

int wire_chunk_unpack(struct wire_codec *codec, const struct wire_chunk *chunk, void *scratch,
	struct wire_unpacked *ret, struct p2v_err *err)
{
	size_t n = (size_t)chunk->length, n_leaves = wire_grains(n, codec->grain);
	size_t leaves_bytes = WIRE_DIGEST_BYTES * n_leaves;
	const uint8_t *bytes = chunk->body + leaves_bytes;
	int r = 0;

	if (chunk->kind != WIRE_CHUNK_DATA || n < 1 || n > WIRE_CHUNK_MAX)
		return p2v_err_set(err, P2V_EINVAL, "a chunk without data cannot be unpacked");
	if (chunk->encoding == WIRE_ENCODING_ZSTD) {
		r = data_grow(codec, chunk, bytes, chunk->body_n - leaves_bytes, scratch, n, err);
		bytes = scratch;
	} else if (chunk->encoding == WIRE_ENCODING_REPEAT) {
		r = rest_grow(codec, chunk, leaves_bytes, scratch, err);
		bytes = scratch;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_leaves; i++) {
		struct digest leaf, said;

		leaf_of(bytes + i * codec->grain, grain_length(n, codec->grain, i), &leaf);
		wire_leaf_at(chunk->body, i, &said);
		if (!block_digest_equal(&leaf, &said))
			return damaged(chunk, "its bytes do not have the digest it came with", err);
	}
	*ret = (struct wire_unpacked){bytes, n, chunk->body, n_leaves};
	return 0;
}
