/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/block/bitmap.h"
#include "tests/unit/block/disk.h"

#define BITS 300

static void runs_check(const struct bitmap *bm, const bool *model, bool value)
{
	for (uint64_t from = 0; from <= bm->n_bits; from++) {
		uint64_t first = from, end, got_first = 1000, got_n = 1000;
		bool found;

		while (first < bm->n_bits && model[first] != value)
			first++;
		for (end = first; end < bm->n_bits && model[end] == value;)
			end++;
		found = block_bitmap_run(bm, from, value, &got_first, &got_n);
		assert_int_equal(found, first < bm->n_bits);
		assert_int_equal(got_first, found ? first : 1000);
		assert_int_equal(got_n, found ? end - first : 1000);
	}
}

static void test_random_against_bools(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (int round = 0; round < 60; round++) {
		uint64_t n_bits = rnd(&seed) % BITS, n_set = 0;
		bool model[BITS] = {false};
		struct bitmap bm;

		assert_int_equal(block_bitmap_init(&bm, n_bits, NULL), 0);
		for (int op = 0; op < 12 && n_bits; op++) {
			uint64_t from = rnd(&seed) % n_bits, n = rnd(&seed) % (n_bits - from + 1);
			bool value = rnd(&seed) >> 63;

			(value ? block_bitmap_set_range : block_bitmap_clear_range)(&bm, from, n);
			memset(model + from, value, n);
			(value ? block_bitmap_clear : block_bitmap_set)(&bm, from);
			model[from] = !value;
		}
		for (uint64_t i = 0; i < n_bits; i++) {
			assert_int_equal(block_bitmap_test(&bm, i), model[i]);
			n_set += model[i];
		}
		assert_int_equal(bm.n_set, n_set);
		runs_check(&bm, model, true);
		runs_check(&bm, model, false);
		block_bitmap_finish(&bm);
	}
}

static void test_too_large_is_refused(void **state)
{
	struct bitmap bm = {.n_bits = 77};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(block_bitmap_init(&bm, UINT64_MAX / 2, &err), P2V_EUNSUPPORTED);
	assert_int_equal(bm.n_bits, 77);
}

static void test_outside_is_nothing(void **state)
{
	uint64_t first, n;
	struct bitmap bm;

	(void)state;
	assert_int_equal(block_bitmap_init(&bm, 70, NULL), 0);
	block_bitmap_set(&bm, 70);
	block_bitmap_set_range(&bm, 60, 11);
	block_bitmap_set_range(&bm, 1, UINT64_MAX);
	assert_int_equal(bm.n_set, 0);
	assert_false(block_bitmap_test(&bm, 70));
	assert_false(block_bitmap_run(&bm, 71, false, &first, &n));
	block_bitmap_finish(&bm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_against_bools),
		cmocka_unit_test(test_outside_is_nothing),
		cmocka_unit_test(test_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
