/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/publish.h"
#include "tests/unit/wire/samples.h"

/* The frame that lies alone in buf. */
static struct wire_frame frame_of(const struct p2v_buf *buf)
{
	return (struct wire_frame){
		.type = p2v_get_be16(buf->data),
		.flags = p2v_get_be16(buf->data + 2),
		.length = p2v_get_be32(buf->data + 4),
		.payload = buf->data + WIRE_FRAME_HEAD_BYTES,
	};
}

static void encode(const struct wire_msg *msg, struct p2v_buf *out)
{
	p2v_buf_reset(out);
	assert_int_equal(wire_msg_encode(msg, WIRE_FRAME_MAX, out, NULL), 0);
}

static void test_round_trip(void **state)
{
	p2v_autobuf struct p2v_buf once = {0}, twice = {0};

	(void)state;
	for (unsigned type = WIRE_HELLO; type < WIRE_TYPE_END; type++) {
		struct wire_msg msg = sample_of(type), got;
		struct wire_frame frame;

		encode(&msg, &once);
		frame = frame_of(&once);
		assert_int_equal(frame.type, type);
		assert_int_equal(wire_msg_decode(&frame, &got, NULL), 1);
		encode(&got, &twice);
		assert_int_equal(once.len, twice.len);
		assert_memory_equal(once.data, twice.data, once.len);
	}
}

/* A decoder that forgot a field in both directions passes a round trip: look at the bytes, too. */
static void test_bytes(void **state)
{
	static const uint8_t resend[] = "\0\017\0\0\0\0\0\032"
					"\0\007"
					"\0\0\0\0\0\1\0\0"
					"\0\0\0\0\0\2\0\0"
					"\0\006digest";
	static const uint8_t have[] = "\0\012\0\0\0\0\0\060"
				      "\0\007"
				      "\0\0\0\0\0\0\0\143"
				      "\0\0\0\2"
				      "\0\1"
				      "0123456789abcdefghijklmnopqrstuv";
	p2v_autobuf struct p2v_buf out = {0};
	struct wire_msg msg = sample_of(WIRE_RESEND);

	(void)state;
	encode(&msg, &out);
	assert_int_equal(out.len, sizeof(resend) - 1);
	assert_memory_equal(out.data, resend, sizeof(resend) - 1);
	msg = sample_of(WIRE_HAVE);
	encode(&msg, &out);
	assert_int_equal(out.len, sizeof(have) - 1);
	assert_memory_equal(out.data, have, sizeof(have) - 1);
}

/* Every message cut after each byte; copied to its own memory, so that a sanitizer sees overruns.
 */
static void test_truncated(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};

	(void)state;
	for (unsigned type = WIRE_HELLO; type < WIRE_TYPE_END; type++) {
		struct wire_msg msg = sample_of(type), got;
		struct wire_frame frame;
		uint32_t whole;

		encode(&msg, &out);
		frame = frame_of(&out);
		whole = frame.length;
		for (uint32_t n = 0; n < whole; n++) {
			uint8_t *copy = malloc(n ? n : 1);
			struct p2v_err err;
			int r;

			memcpy(copy, out.data + WIRE_FRAME_HEAD_BYTES, n);
			frame.payload = copy;
			frame.length = n;
			r = wire_msg_decode(&frame, &got, &err);
			free(copy);
			/* The tail of a CHUNK is data of any length. */
			if (type == WIRE_CHUNK && n >= 20) {
				assert_int_equal(r, 1);
				continue;
			}
			assert_int_equal(r, P2V_EFORMAT);
			assert_non_null(strstr(err.text, wire_type_name(type)));
		}
	}
}

static void test_left_over(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};

	(void)state;
	for (unsigned type = WIRE_HELLO; type < WIRE_TYPE_END; type++) {
		bool grows = type <= WIRE_REFUSE || type == WIRE_CHUNK;
		struct wire_msg msg = sample_of(type), got;
		struct wire_frame frame;

		encode(&msg, &out);
		p2v_buf_add(&out, "more", 4);
		frame = frame_of(&out);
		frame.length += 4;
		assert_int_equal(wire_msg_decode(&frame, &got, NULL), grows ? 1 : P2V_EFORMAT);
	}
}

static void test_unknown(void **state)
{
	struct wire_frame frame = {.type = 77, .payload = (const uint8_t *)"", .length = 0};
	struct wire_msg got;
	struct p2v_err err;

	(void)state;
	assert_int_equal(wire_msg_decode(&frame, &got, &err), P2V_EFORMAT);
	assert_string_equal(err.text, "message 77 is not known");
	frame.flags = WIRE_FRAME_OPTIONAL;
	assert_int_equal(wire_msg_decode(&frame, &got, &err), 0);
	frame.type = 0;
	frame.flags = 0;
	assert_int_equal(wire_msg_decode(&frame, &got, &err), P2V_EFORMAT);
}

/* Values that break a limit are refused by both ends. */
static void test_limits(void **state)
{
	static const uint8_t raw[17 * 4097];
	const struct wire_msg bad[] = {
		{WIRE_HELLO, .hello = {0, 1, 0, 2097152, 0, {{0}}, {"", 0}}},
		{WIRE_HELLO, .hello = {3, 2, 0, 2097152, 0, {{0}}, {"", 0}}},
		{WIRE_HELLO, .hello = {1, 1, 0, 2097152, 2, {{0}}, {"", 0}}},
		{WIRE_LOG, .log = {1, {(const char *)raw, 4097}}},
		{WIRE_INVENTORY, .inventory = {raw, (1 << 20) + 1}},
		{WIRE_ADMIT, .admit = {{"a", 1}, {{0}}, 0, 257, raw}},
		{WIRE_ADMIT, .admit = {{"a", 1}, {{0}}, 3, 1, raw}},
		{WIRE_OPEN, .open = {256, 1 << 20, 512, 65536, 1, 0, 0}},
		{WIRE_OPEN, .open = {0, 511, 512, 65536, 1, 0, 0}},
		{WIRE_OPEN, .open = {0, UINT64_C(1) << 63, 512, 65536, 1, 0, 0}},
		{WIRE_OPEN, .open = {0, 1 << 20, 500, 65536, 1, 0, 0}},
		{WIRE_OPEN, .open = {0, 1 << 20, 512, 2048, 1, 0, 0}},
		{WIRE_OPEN, .open = {0, 1 << 20, 512, 65537, 1, 0, 0}},
		{WIRE_OPEN, .open = {0, 1 << 20, 512, 2 << 20, 1, 0, 0}},
		{WIRE_OPEN, .open = {0, 1 << 20, 512, 65536, 1, 2, 0}},
		{WIRE_HAVE_ASK, .have_ask = {0, 0, 0}},
		{WIRE_HAVE_ASK, .have_ask = {0, 0, 4097}},
		{WIRE_HAVE, .have = {0, 0, 4097, raw, raw}},
		{WIRE_CHUNK, .chunk = {0, 4, 0, 0, 65536, raw, 0}},
		{WIRE_CHUNK, .chunk = {0, 0, 3, 0, 65536, raw, 20}},
		{WIRE_CHUNK, .chunk = {0, 1, 1, 0, 65536, raw, 0}},
		{WIRE_CHUNK, .chunk = {0, 0, 0, 0, (1 << 20) + 1, raw, 20}},
		{WIRE_MISMATCH, .mismatch = {0, {1025, raw}}},
		{WIRE_STATUS, .status = {{"", 0}, 1001, {"", 0}}},
	};
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(wire_msg_encode(&bad[i], WIRE_FRAME_MAX, &out, &err), P2V_EINVAL);
		assert_int_equal(out.len, 0);
		assert_non_null(strstr(err.text, wire_type_name(bad[i].type)));
	}
}

static void test_limits_decoded(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct wire_msg msg = sample_of(WIRE_HAVE_ASK), got;
	struct wire_frame frame;
	struct p2v_err err;

	(void)state;
	encode(&msg, &out);
	frame = frame_of(&out);
	p2v_put_be32(out.data + out.len - 4, 4097);
	assert_int_equal(wire_msg_decode(&frame, &got, &err), P2V_EFORMAT);

	/* A HAVE that says more grains than fit, and a text with a NUL. */
	msg = sample_of(WIRE_HAVE);
	encode(&msg, &out);
	frame = frame_of(&out);
	p2v_put_be32(out.data + WIRE_FRAME_HEAD_BYTES + 10, UINT32_MAX);
	assert_int_equal(wire_msg_decode(&frame, &got, &err), P2V_EFORMAT);
	msg = sample_of(WIRE_LOG);
	encode(&msg, &out);
	frame = frame_of(&out);
	out.data[out.len - 2] = 0;
	assert_int_equal(wire_msg_decode(&frame, &got, &err), P2V_EFORMAT);
	assert_non_null(strstr(err.text, "NUL"));
}

static void test_helpers(void **state)
{
	struct wire_admit admit = sample_of(WIRE_ADMIT).admit;
	p2v_autobuf struct p2v_buf raw = {0};
	struct wire_ranges ranges;
	char small[4], text[32];
	static char long_text[5000];

	(void)state;
	assert_true(wire_admit_wants(&admit, 0));
	assert_false(wire_admit_wants(&admit, 1));
	assert_false(wire_admit_wants(&admit, 2));
	wire_range_add(&raw, 5, 6);
	wire_range_add(&raw, UINT64_MAX, 8);
	ranges = (struct wire_ranges){2, raw.data};
	assert_int_equal(wire_range_at(&ranges, 0).length, 6);
	assert_true(wire_range_at(&ranges, 1).offset == UINT64_MAX);
	assert_string_equal(wire_text_copy(wire_text("abcdef"), small, sizeof(small)), "abc");
	assert_string_equal(wire_text_copy(wire_text("a\033[0m"), text, sizeof(text)), "a?[0m");
	memset(long_text, 'x', sizeof(long_text) - 1);
	assert_int_equal(wire_text(long_text).n, WIRE_TEXT_MAX);
}

/* PROTOCOL.md has a row "| number | NAME |" for each type, and none that the code does not have. */
static void test_document(void **state)
{
	p2v_autobuf struct p2v_buf page = {0};
	char row[64];

	(void)state;
	assert_int_equal(p2v_file_read(WIRE_PROTOCOL_MD, 1 << 20, &page, NULL), 0);
	for (unsigned type = WIRE_HELLO; type < WIRE_TYPE_END; type++) {
		snprintf(row, sizeof(row), "\n| %u | %s | ", type, wire_type_name(type));
		assert_non_null(strstr((char *)page.data, row));
	}
	snprintf(row, sizeof(row), "\n| %u | ", WIRE_TYPE_END);
	assert_null(strstr((char *)page.data, row));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limits_decoded),
		cmocka_unit_test(test_helpers),
		cmocka_unit_test(test_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
