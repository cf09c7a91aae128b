/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include "p2v/core/utf16.h"

#define FACE	    "\xf0\x9f\x98\x80" /* U+1F600: a pair in UTF-16 */
#define REPLACEMENT "\xef\xbf\xbd"

static void to_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool big_endian;
		const char *text;
	} rows[] = {
		{"a\0\xe9\0\xac\x20", 6, false, "a\xc3\xa9\xe2\x82\xac"},
		{"\x3d\xd8\x00\xde", 4, false, FACE},
		{"\xd8\x3d\xde\x00\0b", 6, true, FACE "b"},
		{"\x3d\xd8"
		 "b\0",
			4, false, REPLACEMENT "b"}, /* half a pair */
		{"\x00\xde\x3d\xd8", 4, false, REPLACEMENT REPLACEMENT},
		{"a\0b", 3, false, "a"},
		{"a\0\0\0b\0", 6, false, "a"}, /* up to the NUL */
		{"", 0, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		p2v_autobuf struct p2v_buf out = {0};

		p2v_utf16_to_utf8(rows[i].bytes, rows[i].n, rows[i].big_endian, &out);
		p2v_buf_add(&out, "", 1);
		assert_string_equal((char *)out.data, rows[i].text);
	}
}

static void to_utf16(void **state)
{
	static const uint8_t right[] = {'a', 0, 0xe9, 0, 0xac, 0x20, 0x3d, 0xd8, 0x00, 0xde},
			     wrong[] = {0xfd, 0xff, 0xfd, 0xff, 'b', 0};
	p2v_autobuf struct p2v_buf out = {0};

	(void)state;
	p2v_utf8_to_utf16le("a\xc3\xa9\xe2\x82\xac" FACE, &out);
	assert_int_equal(out.len, sizeof(right));
	assert_memory_equal(out.data, right, sizeof(right));
	p2v_buf_reset(&out);
	p2v_utf8_to_utf16le("\xc0\x80"
			    "b",
		&out);
	assert_int_equal(out.len, sizeof(wrong));
	assert_memory_equal(out.data, wrong, sizeof(wrong));
}

static void code_points(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};

	(void)state;
	p2v_utf8_add(&out, 0x1f600);
	p2v_utf8_add(&out, 0xd800);
	p2v_utf8_add(&out, 0x110000);
	p2v_buf_add(&out, "", 1);
	assert_string_equal((char *)out.data, FACE REPLACEMENT REPLACEMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_utf8),
		cmocka_unit_test(to_utf16),
		cmocka_unit_test(code_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
