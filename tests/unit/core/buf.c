/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include "p2v/core/text.h"

static void what_is_written_is_read(void **state)
{
	p2v_autobuf struct p2v_buf b = {0};
	struct p2v_rd rd;

	(void)state;
	p2v_buf_add_u8(&b, 0x12);
	p2v_buf_add_be16(&b, 0x3456);
	p2v_buf_add_be32(&b, 0x789abcde);
	p2v_buf_add_be64(&b, UINT64_C(0xfedcba9876543210));
	p2v_buf_add_zeros(&b, 2);
	assert_int_equal(p2v_buf_check(&b, NULL), 0);
	assert_int_equal(b.data[b.len], 0);
	rd = p2v_rd_init(b.data, b.len);
	assert_int_equal(p2v_rd_u8(&rd), 0x12);
	assert_int_equal(p2v_rd_be16(&rd), 0x3456);
	assert_int_equal(p2v_rd_be32(&rd), 0x789abcde);
	assert_int_equal(p2v_rd_be64(&rd), UINT64_C(0xfedcba9876543210));
	assert_true(p2v_rd_bad(&rd)); /* two bytes are left over */
	assert_int_equal(p2v_rd_be16(&rd), 0);
	assert_false(p2v_rd_bad(&rd));
}

static void little_endian(void **state)
{
	static const uint8_t raw[] = {1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8};
	struct p2v_rd rd = p2v_rd_init(raw, sizeof(raw));

	(void)state;
	assert_int_equal(p2v_rd_le16(&rd), 0x0201);
	assert_int_equal(p2v_rd_le32(&rd), 0x04030201);
	assert_int_equal(p2v_rd_le64(&rd), UINT64_C(0x0807060504030201));
}

static void reader_stays_failed(void **state)
{
	static const uint8_t raw[] = {1, 2, 3};
	struct p2v_rd rd = p2v_rd_init(raw, sizeof(raw));

	(void)state;
	assert_int_equal(p2v_rd_be32(&rd), 0);
	assert_true(rd.failed);
	assert_int_equal(p2v_rd_u8(&rd), 0); /* would fit, but the message is broken */
	assert_null(p2v_rd_bytes(&rd, 0));
	assert_true(p2v_rd_bad(&rd));
	rd = p2v_rd_init(raw, sizeof(raw));
	assert_null(p2v_rd_bytes(&rd, SIZE_MAX));
}

static void buffer_remembers_failure(void **state)
{
	p2v_autobuf struct p2v_buf b = {0};
	struct p2v_err err = {0};

	(void)state;
	p2v_buf_add_str(&b, "abc");
	assert_null(p2v_buf_reserve(&b, P2V_BUF_MAX));
	p2v_buf_add_str(&b, "def");
	assert_int_equal(b.len, 3);
	assert_int_equal(p2v_buf_check(&b, &err), P2V_ENOMEM);
	assert_null(p2v_buf_take_str(&b));
}

static void text_is_taken_out(void **state)
{
	p2v_autobuf struct p2v_buf b = {0};
	p2v_autofree char *empty = p2v_buf_take_str(&b), *text = NULL;

	(void)state;
	assert_string_equal(empty, "");
	for (int i = 0; i < 100; i++)
		p2v_buf_addf(&b, "%02d,", i);
	text = p2v_buf_take_str(&b);
	assert_int_equal(strlen(text), 300);
	assert_null(b.data);
}

static void zero_is_seen_at_each_place(void **state)
{
	uint8_t bytes[100] = {0};

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++)
		assert_true(p2v_is_zero(bytes, n));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = 1;
		assert_false(p2v_is_zero(bytes, sizeof(bytes)));
		assert_true(p2v_is_zero(bytes, i));
		bytes[i] = 0;
	}
}

static void hex_there_and_back(void **state)
{
	static const uint8_t raw[] = {0x00, 0x9f, 0xff};
	uint8_t back[3] = {0};
	char text[7];

	(void)state;
	p2v_hex(raw, sizeof(raw), text);
	assert_string_equal(text, "009fff");
	assert_int_equal(p2v_unhex("009FfF", back, 3, NULL), 0);
	assert_memory_equal(back, raw, 3);
	assert_int_equal(p2v_unhex("009ff", back, 3, NULL), P2V_EFORMAT);
	assert_int_equal(p2v_unhex("11111g", back, 3, NULL), P2V_EFORMAT);
	assert_memory_equal(back, raw, 3);
}

static void foreign_text_is_made_safe(void **state)
{
	static const struct {
		const char *text, *utf8, *printable;
	} rows[] = {
		{"plain", "plain", "plain"},
		{"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
			"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
			"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\x1b[2J\n\x7f", "\x1b[2J\n\x7f", "?[2J??"},
		{"\xc2\x9b", "\xc2\x9b", "?"},
		{"a\xff", "a\xef\xbf\xbd", "a\xef\xbf\xbd"},
		{"\xc3", "\xef\xbf\xbd", "\xef\xbf\xbd"},
		/* overlong slash, a surrogate, past U+10FFFF */
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
			"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
			"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		p2v_autobuf struct p2v_buf utf8 = {0}, printable = {0};

		p2v_text_add_utf8(&utf8, rows[i].text);
		p2v_text_add_printable(&printable, rows[i].text);
		assert_string_equal((char *)utf8.data, rows[i].utf8);
		assert_string_equal((char *)printable.data, rows[i].printable);
	}
	assert_int_equal(p2v_text_width("h\xc3\xa9\xe2\x82\xac"), 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(little_endian),
		cmocka_unit_test(reader_stays_failed),
		cmocka_unit_test(buffer_remembers_failure),
		cmocka_unit_test(text_is_taken_out),
		cmocka_unit_test(zero_is_seen_at_each_place),
		cmocka_unit_test(hex_there_and_back),
		cmocka_unit_test(foreign_text_is_made_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
