/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/wire/codec.h"

#define GRAIN BLOCK_GRAIN_BYTES

static uint8_t bytes[WIRE_CHUNK_MAX], scratch[WIRE_CHUNK_MAX + 64];

static void fill_random(size_t n)
{
	uint32_t v = 1;

	for (size_t i = 0; i < n; i++) {
		v = v * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(v >> 24);
	}
}

/* Packs n bytes of `bytes`; out holds the frame, ret points into it. */
static void pack(struct wire_codec *codec, size_t n, struct p2v_buf *out, struct digest *leaves,
	struct wire_chunk *ret)
{
	struct wire_frame frame;
	struct wire_msg msg;
	uint8_t kind;

	p2v_buf_reset(out);
	assert_int_equal(wire_chunk_pack(codec, 3, GRAIN, bytes, n, NULL, WIRE_FRAME_MAX, out,
				 leaves, &kind, NULL),
		0);
	frame = (struct wire_frame){WIRE_CHUNK, 0, p2v_get_be32(out->data + 4), out->data + 8};
	assert_int_equal(out->len, frame.length + 8);
	assert_int_equal(wire_msg_decode(&frame, &msg, NULL), 1);
	assert_int_equal(msg.chunk.kind, kind);
	assert_int_equal(msg.chunk.disk, 3);
	assert_int_equal(msg.chunk.offset, GRAIN);
	assert_int_equal(msg.chunk.length, n);
	assert_int_equal(wire_chunk_check(&msg.chunk, GRAIN + n, GRAIN, NULL), 0);
	*ret = msg.chunk;
}

static void pack_repeats(struct wire_codec *codec, size_t n, const struct wire_repeats *repeats,
	struct p2v_buf *out, struct wire_chunk *ret)
{
	struct wire_frame frame;
	struct wire_msg msg;
	uint8_t kind;

	p2v_buf_reset(out);
	assert_int_equal(wire_chunk_pack(codec, 0, 0, bytes, n, repeats, WIRE_FRAME_MAX, out, NULL,
				 &kind, NULL),
		0);
	frame = (struct wire_frame){WIRE_CHUNK, 0, p2v_get_be32(out->data + 4), out->data + 8};
	assert_int_equal(wire_msg_decode(&frame, &msg, NULL), 1);
	assert_int_equal(wire_chunk_check(&msg.chunk, 20 * GRAIN, GRAIN, NULL), 0);
	*ret = msg.chunk;
}

static void round_trip(struct wire_codec *codec, size_t n, uint8_t encoding)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct digest leaves[16], leaf;
	struct wire_chunk chunk;
	struct wire_unpacked got;

	pack(codec, n, &out, leaves, &chunk);
	assert_int_equal(chunk.kind, WIRE_CHUNK_DATA);
	assert_int_equal(chunk.encoding, encoding);
	assert_int_equal(wire_chunk_unpack(codec, &chunk, scratch, &got, NULL), 0);
	assert_int_equal(got.n, n);
	assert_memory_equal(got.bytes, bytes, n);
	assert_int_equal(got.n_leaves, (n + GRAIN - 1) / GRAIN);
	for (size_t i = 0; i < got.n_leaves; i++) {
		wire_leaf_at(got.leaves, i, &leaf);
		assert_true(block_digest_equal(&leaf, &leaves[i]));
	}
}

static void test_round_trip(void **state)
{
	static const size_t sizes[] = {1, 512, GRAIN, GRAIN + 1, 5 * GRAIN, WIRE_CHUNK_MAX};
	struct wire_codec *codec, *raw;

	(void)state;
	assert_int_equal(wire_codec_new(GRAIN, 1, &codec, NULL), 0);
	assert_int_equal(wire_codec_new(GRAIN, WIRE_LEVEL_RAW, &raw, NULL), 0);
	for (size_t i = 0; i < 6; i++) {
		fill_random(sizes[i]);
		round_trip(codec, sizes[i], WIRE_ENCODING_RAW);
		memset(bytes, 'x', sizes[i]);
		round_trip(codec, sizes[i], i ? WIRE_ENCODING_ZSTD : WIRE_ENCODING_RAW);
		round_trip(raw, sizes[i], WIRE_ENCODING_RAW);
	}
	wire_codec_free(raw);
	wire_codec_free(codec);
	wire_codec_free(NULL);
}

static void test_zero(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct digest leaves[16];
	struct wire_codec *codec;
	struct wire_chunk chunk;

	(void)state;
	assert_int_equal(wire_codec_new(GRAIN, 1, &codec, NULL), 0);
	memset(bytes, 0, sizeof(bytes));
	pack(codec, sizeof(bytes), &out, leaves, &chunk);
	assert_int_equal(chunk.kind, WIRE_CHUNK_ZERO);
	assert_int_equal(out.len, 8 + 20);
	assert_true(block_digest_is_zero(&leaves[15]));
	/* One byte in the last grain makes it data; the grains before keep their zero leaves. */
	bytes[sizeof(bytes) - 1] = 1;
	pack(codec, sizeof(bytes), &out, leaves, &chunk);
	assert_int_equal(chunk.kind, WIRE_CHUNK_DATA);
	assert_true(block_digest_is_zero(&leaves[14]));
	assert_false(block_digest_is_zero(&leaves[15]));
	wire_codec_free(codec);
}

/* Each flipped bit of digests and data is found; the bytes behind scratch's end stay. */
static void test_damage(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct wire_codec *codec;
	struct wire_chunk chunk;
	struct wire_unpacked got;
	struct p2v_err err;

	(void)state;
	assert_int_equal(wire_codec_new(GRAIN, 3, &codec, NULL), 0);
	for (size_t i = 0; i < GRAIN; i++)
		bytes[i] = (uint8_t)(i / 100);
	pack(codec, GRAIN, &out, NULL, &chunk);
	assert_int_equal(chunk.encoding, WIRE_ENCODING_ZSTD);
	for (size_t bit = 0; bit < 8 * chunk.body_n; bit++) {
		uint8_t *at = out.data + 28 + bit / 8;
		int r;

		*at ^= (uint8_t)(1 << bit % 8);
		memset(scratch + GRAIN, 0x5a, 64);
		r = wire_chunk_unpack(codec, &chunk, scratch, &got, &err);
		/* A bit of zstd's head may say the same in other words: then the bytes are right.
		 */
		if (r == 0)
			assert_memory_equal(got.bytes, bytes, GRAIN);
		else
			assert_int_equal(r, P2V_EIO);
		if (bit < 128)
			assert_int_equal(r, P2V_EIO);
		for (size_t i = 0; i < 64; i++)
			assert_int_equal(scratch[GRAIN + i], 0x5a);
		*at ^= (uint8_t)(1 << bit % 8);
	}
	wire_codec_free(codec);
}

/* A frame of 1 MiB that claims to be a grain: zstd says its size, and the room is a grain. */
static void test_bomb(void **state)
{
	p2v_autobuf struct p2v_buf out = {0}, body = {0};
	struct wire_codec *codec;
	struct wire_chunk chunk;
	struct wire_unpacked got;
	struct p2v_err err;

	(void)state;
	assert_int_equal(wire_codec_new(GRAIN, 3, &codec, NULL), 0);
	memset(bytes, 'b', sizeof(bytes));
	pack(codec, sizeof(bytes), &out, NULL, &chunk);
	p2v_buf_add(&body, chunk.body, 16);
	p2v_buf_add(&body, chunk.body + 16 * 16, chunk.body_n - 16 * 16);
	chunk.body = body.data;
	chunk.body_n = body.len;
	chunk.length = GRAIN;
	memset(scratch + GRAIN, 0x5a, 64);
	assert_int_equal(wire_chunk_check(&chunk, sizeof(bytes) + GRAIN, GRAIN, &err), 0);
	assert_int_equal(wire_chunk_unpack(codec, &chunk, scratch, &got, &err), P2V_EIO);
	assert_non_null(strstr(err.text, "disk 3 at 65536"));
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(scratch[GRAIN + i], 0x5a);
	wire_codec_free(codec);
}

static void test_check(void **state)
{
	static const uint8_t body[40];
	static const struct {
		struct wire_chunk chunk;
		int r;
	} rows[] = {
		{{0, WIRE_CHUNK_ZERO, 0, 0, 65536, body, 0}, 0},
		{{0, WIRE_CHUNK_FREE, 0, 65536, 100000 - 65536, body, 0}, 0},
		{{0, WIRE_CHUNK_ZERO, 0, 0, 0, body, 0}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_ZERO, 0, 0, 100001, body, 0}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_ZERO, 0, 131072, 1, body, 0}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_ZERO, 0, UINT64_MAX - 65535, 65536, body, 0}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_ZERO, 0, 65536, UINT64_MAX, body, 0}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_ZERO, 0, 512, 65536, body, 0}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_ZERO, 0, 0, 512, body, 0}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_ZERO, 0, 0, 65536, body, 1}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_SAME, 0, 0, 65536, body, 16}, 0},
		{{0, WIRE_CHUNK_SAME, 0, 0, 65536, body, 17}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_DATA, 1, 0, 65536, body, 17}, 0},
		{{0, WIRE_CHUNK_DATA, 1, 0, 65536, body, 16}, P2V_EFORMAT},
		{{0, WIRE_CHUNK_DATA, 0, 0, 65536, body, 40}, P2V_EFORMAT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(wire_chunk_check(&rows[i].chunk, 100000, GRAIN, NULL), rows[i].r);
}

/* What lies elsewhere does not go; what is put back there makes the chunk whole, else it is asked
 * for again. */
static void test_repeats(void **state)
{
	static const struct block_repeat items[] = {{0, GRAIN, 8 * GRAIN},
		{GRAIN + 4096, 8192, 40960 + 8 * GRAIN}, {5 * GRAIN - 4096, 4096, 12 * GRAIN}};
	const struct wire_repeats repeats = {items, 3};
	p2v_autobuf struct p2v_buf out = {0};
	struct block_repeat got_items[WIRE_REPEATS_MAX];
	struct wire_unpacked got;
	struct wire_codec *codec;
	struct wire_chunk chunk;
	struct p2v_err err;

	(void)state;
	for (int level = 0; level < 2; level++) {
		assert_int_equal(
			wire_codec_new(GRAIN, level ? 1 : WIRE_LEVEL_RAW, &codec, NULL), 0);
		fill_random(5 * GRAIN);
		memset(bytes + 2 * GRAIN, 'z', GRAIN);
		pack_repeats(codec, 5 * GRAIN, &repeats, &out, &chunk);
		assert_int_equal(chunk.encoding, WIRE_ENCODING_REPEAT);
		assert_true(out.len < 4 * GRAIN - (size_t)level * GRAIN);
		assert_int_equal(wire_chunk_repeats(&chunk, GRAIN, got_items), 3);
		assert_memory_equal(got_items, items, sizeof(items));
		memset(scratch, 0, sizeof(scratch));
		assert_int_equal(wire_chunk_unpack(codec, &chunk, scratch, &got, &err), P2V_EIO);
		for (size_t i = 0; i < 3; i++)
			memcpy(scratch + items[i].to, bytes + items[i].to, items[i].length);
		assert_int_equal(wire_chunk_unpack(codec, &chunk, scratch, &got, NULL), 0);
		assert_memory_equal(got.bytes, bytes, 5 * GRAIN);
		assert_int_equal(scratch[5 * GRAIN], 0);
		wire_codec_free(codec);
	}
}

/* All of it is elsewhere. */
static void test_repeats_only(void **state)
{
	static const struct block_repeat item = {0, 2 * GRAIN, 4 * GRAIN};
	p2v_autobuf struct p2v_buf out = {0};
	struct wire_codec *codec;
	struct wire_chunk chunk;
	struct wire_unpacked got;

	(void)state;
	fill_random(2 * GRAIN);
	assert_int_equal(wire_codec_new(GRAIN, 1, &codec, NULL), 0);
	pack_repeats(codec, 2 * GRAIN, &(struct wire_repeats){&item, 1}, &out, &chunk);
	assert_int_equal(out.len, 8 + 20 + 2 * 16 + 2 + 16 + 1);
	memcpy(scratch, bytes, 2 * GRAIN);
	assert_int_equal(wire_chunk_unpack(codec, &chunk, scratch, &got, NULL), 0);
	wire_codec_free(codec);
}

/* Runs that a careful agent does not send. */
static void test_repeats_check(void **state)
{
	static const struct {
		struct block_repeat items[2];
		uint16_t n;
		uint8_t encoding;
		size_t rest_n;
		int r;
	} rows[] = {
		{{{0, 4096, 2 * GRAIN}}, 1, 0, GRAIN - 4096, 0},
		{{{0, 4096, 0}, {4096, 4096, 0}}, 2, 0, GRAIN - 8192, 0},
		{{{0, GRAIN, 2 * GRAIN}}, 1, 0, 0, 0},
		{{{0, 4096, 2 * GRAIN}}, 1, 1, 5, 0},
		{{{0, 4096, 2 * GRAIN}}, 1, 2, GRAIN - 4096, P2V_EFORMAT},
		{{{0, GRAIN, 2 * GRAIN}}, 1, 1, 5, P2V_EFORMAT},
		{{{0, 4096, 2 * GRAIN}}, 1, 0, GRAIN, P2V_EFORMAT},
		{{{0}}, 0, 0, GRAIN, P2V_EFORMAT},
		{{{0}}, 65, 0, GRAIN, P2V_EFORMAT},
		{{{0, 0, 2 * GRAIN}}, 1, 0, GRAIN, P2V_EFORMAT},
		{{{512, 4096, 2 * GRAIN}}, 1, 0, GRAIN - 4096, P2V_EFORMAT},
		{{{0, 512, 2 * GRAIN}}, 1, 0, GRAIN - 512, P2V_EFORMAT},
		{{{0, 4096, 512}}, 1, 0, GRAIN - 4096, P2V_EFORMAT},
		{{{4096, 4096, 0}, {0, 4096, 0}}, 2, 0, GRAIN - 8192, P2V_EFORMAT},
		{{{0, 8192, 0}, {4096, 4096, 0}}, 2, 0, GRAIN - 12288, P2V_EFORMAT},
		{{{GRAIN, 4096, 0}}, 1, 0, GRAIN, P2V_EFORMAT},
		{{{GRAIN - 4096, 8192, 0}}, 1, 0, GRAIN, P2V_EFORMAT},
		{{{4096, UINT32_MAX - 4095, 0}}, 1, 0, GRAIN, P2V_EFORMAT},
		{{{0, 4096, GRAIN}}, 1, 0, GRAIN - 4096, P2V_EFORMAT},
		{{{0, 8192, GRAIN - 4096}}, 1, 0, GRAIN - 8192, P2V_EFORMAT},
		{{{0, 8192, 2 * GRAIN - 4096}}, 1, 0, GRAIN - 8192, P2V_EFORMAT},
		{{{0, 4096, 3 * GRAIN}}, 1, 0, GRAIN - 4096, P2V_EFORMAT},
		{{{0, 4096, UINT64_MAX - 4095}}, 1, 0, GRAIN - 4096, P2V_EFORMAT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p2v_autobuf struct p2v_buf body = {0};
		struct wire_chunk chunk = {
			0, WIRE_CHUNK_DATA, WIRE_ENCODING_REPEAT, GRAIN, GRAIN, NULL, 0};

		p2v_buf_add_zeros(&body, 16);
		p2v_buf_add_be16(&body, rows[i].n);
		for (uint16_t k = 0; k < rows[i].n; k++) {
			p2v_buf_add_be32(&body, rows[i].items[k % 2].to);
			p2v_buf_add_be32(&body, rows[i].items[k % 2].length);
			p2v_buf_add_be64(&body, rows[i].items[k % 2].from);
		}
		p2v_buf_add_u8(&body, rows[i].encoding);
		p2v_buf_add_zeros(&body, rows[i].rest_n);
		chunk.body = body.data;
		chunk.body_n = body.len;
		assert_int_equal(wire_chunk_check(&chunk, 3 * GRAIN, GRAIN, NULL), rows[i].r);
		/* And cut short anywhere before the rest. */
		for (chunk.body_n = 0; chunk.body_n < 16 + 2 + 16u * rows[i].n; chunk.body_n++)
			assert_int_equal(
				wire_chunk_check(&chunk, 3 * GRAIN, GRAIN, NULL), P2V_EFORMAT);
	}
}

static void test_bad_calls(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct wire_codec *codec;
	uint8_t kind;

	(void)state;
	assert_int_equal(wire_codec_new(65537, 1, &codec, NULL), P2V_EINVAL);
	assert_int_equal(wire_codec_new(2048, 1, &codec, NULL), P2V_EINVAL);
	assert_int_equal(wire_codec_new(GRAIN, 99, &codec, NULL), P2V_EINVAL);
	assert_int_equal(wire_codec_new(GRAIN, 1, &codec, NULL), 0);
	assert_int_equal(wire_chunk_pack(codec, 0, 512, bytes, GRAIN, NULL, WIRE_FRAME_MAX, &out,
				 NULL, &kind, NULL),
		P2V_EINVAL);
	assert_int_equal(wire_chunk_pack(codec, 0, 0, bytes, WIRE_CHUNK_MAX + 1, NULL,
				 WIRE_FRAME_MAX, &out, NULL, &kind, NULL),
		P2V_EINVAL);
	assert_int_equal(out.len, 0);
	wire_codec_free(codec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_repeats_only),
		cmocka_unit_test(test_repeats_check),
		cmocka_unit_test(test_bad_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
