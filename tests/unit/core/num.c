/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include "p2v/core/num.h"

static void ranges_do_not_wrap(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(p2v_range_within(0, 10, 10));
	assert_true(p2v_range_within(10, 0, 10));
	assert_false(p2v_range_within(1, 10, 10));
	assert_false(p2v_range_within(UINT64_MAX, 2, 10));
	assert_false(p2v_range_within(2, UINT64_MAX, 10));
	assert_false(p2v_add_u64(UINT64_MAX, 1, &v));
	assert_false(p2v_mul_u64(UINT64_MAX / 2, 3, &v));
	assert_true(p2v_mul_u64(6, 7, &v));
	assert_int_equal(v, 42);
	assert_int_equal(p2v_align_down(4097, 4096), 4096);
	assert_int_equal(p2v_align_up(4097, 4096), 8192);
	assert_int_equal(p2v_div_up(UINT64_MAX, 1), UINT64_MAX);
	assert_int_equal(p2v_div_up(9, 8), 2);
}

static void numbers_are_whole_and_within(void **state)
{
	static const char *const bad[] = {
		"", " 1", "-1", "+1", "1 ", "1x", "0x10", "11", "99999999999999999999999"};
	struct p2v_err err = {0};
	uint64_t v = 7;

	(void)state;
	assert_int_equal(p2v_num_parse("10", "port", 1, 10, &v, &err), 0);
	assert_int_equal(v, 10);
	for (size_t i = 0; i < P2V_N(bad); i++) {
		assert_int_equal(p2v_num_parse(bad[i], "port", 1, 10, &v, &err), P2V_EINVAL);
		assert_has(err.text, "port");
		assert_int_equal(v, 10);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {{"0", 0}, {"100", 100}, {"10M", 10 * P2V_MIB}, {"1.5G", 1536 * P2V_MIB},
		{"64KiB", 65536}, {"64kB", 65536}, {"7B", 7}, {"1T", 1024 * P2V_GIB}};
	static const char *const bad[] = {
		"", "-1", "M", "1X", "1MM", "1 M", "nan", "inf", "16E", "1e400", "10MiBx"};
	struct p2v_err err = {0};
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		assert_int_equal(p2v_num_parse_bytes(rows[i].text, "limit", &v, &err), 0);
		assert_int_equal(v, rows[i].bytes);
	}
	v = 7;
	for (size_t i = 0; i < P2V_N(bad); i++) {
		assert_int_equal(p2v_num_parse_bytes(bad[i], "limit", &v, &err), P2V_EINVAL);
		assert_has(err.text, "limit");
		assert_int_equal(v, 7);
	}
}

static void texts(void **state)
{
	char buf[P2V_NUM_TEXT];

	(void)state;
	assert_string_equal(p2v_num_bytes_text(0, buf), "0 B");
	assert_string_equal(p2v_num_bytes_text(1023, buf), "1023 B");
	assert_string_equal(p2v_num_bytes_text(1536, buf), "1.50 KiB");
	assert_string_equal(p2v_num_bytes_text(UINT64_MAX, buf), "16.0 EiB");
	assert_string_equal(p2v_num_ms_text(1500, buf), "1.5 s");
	assert_string_equal(p2v_num_ms_text(75000, buf), "1 min 15 s");
	assert_string_equal(p2v_num_ms_text(3600000 * 2 + 60000, buf), "2 h 1 min");
	assert_true(strlen(p2v_num_ms_text(UINT64_MAX, buf)) < P2V_NUM_TEXT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_do_not_wrap),
		cmocka_unit_test(numbers_are_whole_and_within),
		cmocka_unit_test(sizes),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
