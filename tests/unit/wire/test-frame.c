/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/num.h"
#include "p2v/wire/frame.h"

/* Feeds bytes in steps; returns the number of frames, or the error. */
static int feed_all(const uint8_t *bytes, size_t n, size_t step, struct p2v_buf *ret_payloads,
	struct p2v_err *err)
{
	struct wire_feed feed;
	struct wire_frame frame;
	int frames = 0, r = 0;

	assert_int_equal(wire_feed_init(&feed, err), 0);
	for (size_t at = 0; r >= 0;) {
		while ((r = wire_feed_next(&feed, &frame, err)) == 1) {
			frames++;
			p2v_buf_add(ret_payloads, frame.payload, frame.length);
		}
		if (r < 0 || at == n)
			break;
		size_t room;
		uint8_t *to = wire_feed_space(&feed, &room);

		assert_true(room > 0);
		room = p2v_min_u64(p2v_min_u64(room, step), n - at);
		memcpy(to, bytes + at, room);
		wire_feed_added(&feed, room);
		at += room;
	}
	if (r == 0)
		r = wire_feed_end(&feed, err);
	wire_feed_finish(&feed);
	return r < 0 ? r : frames;
}

static void stream_make(struct p2v_buf *out)
{
	static const size_t lengths[] = {0, 1, 65536, 7, 65535};

	p2v_buf_add(out, wire_preface, sizeof(wire_preface));
	for (size_t i = 0; i < 5; i++) {
		size_t begin = wire_frame_begin(out);

		for (size_t k = 0; k < lengths[i]; k++)
			p2v_buf_add_u8(out, (uint8_t)(k * 7 + i));
		assert_int_equal(wire_frame_end(out, begin, (uint16_t)(i + 1), 0, 65536, NULL), 0);
	}
}

static void test_steps(void **state)
{
	static const size_t steps[] = {1, 3, 12, 4096, 65536, 1 << 20};
	p2v_autobuf struct p2v_buf stream = {0}, first = {0}, payloads = {0};

	(void)state;
	stream_make(&stream);
	assert_int_equal(feed_all(stream.data, stream.len, 1 << 20, &first, NULL), 5);
	assert_int_equal(first.len, 0 + 1 + 65536 + 7 + 65535);
	for (size_t i = 0; i < 6; i++) {
		p2v_buf_reset(&payloads);
		assert_int_equal(feed_all(stream.data, stream.len, steps[i], &payloads, NULL), 5);
		assert_int_equal(payloads.len, first.len);
		assert_memory_equal(payloads.data, first.data, first.len);
	}
}

static void test_cut_anywhere(void **state)
{
	p2v_autobuf struct p2v_buf stream = {0}, payloads = {0};
	struct p2v_err err;

	(void)state;
	p2v_buf_add(&stream, wire_preface, sizeof(wire_preface));
	for (int i = 0; i < 2; i++) {
		size_t begin = wire_frame_begin(&stream);

		p2v_buf_add_str(&stream, "payload");
		wire_frame_end(&stream, begin, 5, 0, 65536, NULL);
	}
	for (size_t n = 0; n <= stream.len; n++) {
		bool border = n >= 12 && (n - 12) % 15 == 0;
		int r = feed_all(stream.data, n, 4, &payloads, &err);

		assert_int_equal(r, border ? (int)(n - 12) / 15 : P2V_ELINK);
	}
	feed_all(stream.data, 20, 4, &payloads, &err);
	assert_non_null(strstr(err.text, "in the middle of a message"));
}

static void test_garbage_before_preface(void **state)
{
	p2v_autobuf struct p2v_buf payloads = {0};
	static const char text[] = "bash: p2v-recv: command not found\n";
	uint8_t crlf[12];
	struct p2v_err err;

	(void)state;
	assert_int_equal(feed_all((const uint8_t *)text, sizeof(text) - 1, 100, &payloads, &err),
		P2V_EFORMAT);
	assert_non_null(strstr(err.text, "bash: p2v-recv: command not found."));
	/* A terminal that turns LF into CR LF. */
	memcpy(crlf, wire_preface, sizeof(crlf));
	crlf[10] = '\r';
	crlf[11] = '\n';
	assert_int_equal(feed_all(crlf, sizeof(crlf), 1, &payloads, &err), P2V_EFORMAT);
}

static void test_limits(void **state)
{
	p2v_autobuf struct p2v_buf stream = {0}, payloads = {0};
	struct p2v_err err;
	size_t begin;

	(void)state;
	p2v_buf_add(&stream, wire_preface, sizeof(wire_preface));
	begin = wire_frame_begin(&stream);
	p2v_buf_add_zeros(&stream, 65537);
	assert_int_equal(wire_frame_end(&stream, begin, 1, 0, 65536, &err), P2V_EINVAL);
	assert_int_equal(stream.len, 12);

	begin = wire_frame_begin(&stream);
	p2v_buf_add_zeros(&stream, 65537);
	assert_int_equal(wire_frame_end(&stream, begin, 1, 0, 65537, &err), 0);
	assert_int_equal(feed_all(stream.data, stream.len, 9999, &payloads, &err), P2V_EFORMAT);
	assert_non_null(strstr(err.text, "65537 bytes are more than the agreed 65536"));

	stream.len = 12;
	begin = wire_frame_begin(&stream);
	assert_int_equal(wire_frame_end(&stream, begin, 1, 2, 65536, &err), 0);
	assert_int_equal(feed_all(stream.data, stream.len, 9999, &payloads, &err), P2V_EFORMAT);
	assert_non_null(strstr(err.text, "flags"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_garbage_before_preface),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
