/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/block/extent.h"
#include "tests/unit/block/disk.h"

#define SIZE 200

static void invariants_check(const struct extent_list *list)
{
	uint64_t at = 0;

	for (size_t i = 0; i < list->n_items; i++) {
		assert_int_equal(list->items[i].offset_bytes, at);
		assert_true(list->items[i].length_bytes > 0);
		if (i > 0)
			assert_int_not_equal(list->items[i].kind, list->items[i - 1].kind);
		at += list->items[i].length_bytes;
	}
	assert_int_equal(at, list->size_bytes);
}

static void model_check(const struct extent_list *list, const uint8_t *model)
{
	uint64_t sum[3] = {0};

	for (uint64_t at = 0; at < list->size_bytes; at++) {
		struct extent e = block_extents_at(list, at, 1);

		assert_int_equal(e.kind, model[at]);
		assert_int_equal(e.length_bytes, 1);
		sum[model[at]]++;
	}
	for (int kind = 0; kind < 3; kind++)
		assert_int_equal(block_extents_sum(list, (enum extent_kind)kind), sum[kind]);
}

static void test_random_against_bytes(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (int round = 0; round < 300; round++) {
		uint64_t size = 1 + rnd(&seed) % SIZE;
		struct extent_list list;
		uint8_t model[SIZE] = {0};

		assert_int_equal(block_extents_init(&list, size, NULL), 0);
		for (int op = 0; op < 40; op++) {
			uint64_t from = rnd(&seed) % (size + 1);
			uint64_t n = rnd(&seed) % (size - from + 1);
			enum extent_kind kind = rnd(&seed) % 3;

			assert_int_equal(block_extents_set(&list, from, n, kind, NULL), 0);
			memset(model + from, kind, n);
			invariants_check(&list);
		}
		model_check(&list, model);
		block_extents_finish(&list);
	}
}

static void test_walk_is_clipped(void **state)
{
	struct extent_list list;
	struct extent e;
	uint64_t at = 15;

	(void)state;
	assert_int_equal(block_extents_init(&list, 100, NULL), 0);
	assert_int_equal(block_extents_set(&list, 10, 10, EXTENT_ZERO, NULL), 0);
	assert_int_equal(block_extents_set(&list, 40, 60, EXTENT_FREE, NULL), 0);
	for (e = block_extents_at(&list, 15, 30); e.length_bytes;
		e = block_extents_next(&list, e, 45)) {
		assert_int_equal(e.offset_bytes, at);
		at += e.length_bytes;
	}
	assert_int_equal(at, 45);
	e = block_extents_at(&list, 15, 30);
	assert_int_equal(e.length_bytes, 5);
	assert_int_equal(e.kind, EXTENT_ZERO);
	assert_int_equal(block_extents_at(&list, 100, 1).length_bytes, 0);
	block_extents_finish(&list);
}

static void test_beyond_the_end(void **state)
{
	struct extent_list list;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(block_extents_init(&list, 100, NULL), 0);
	assert_int_equal(block_extents_set(&list, 90, 11, EXTENT_ZERO, &err), P2V_EINVAL);
	assert_int_equal(block_extents_set(&list, UINT64_MAX, 2, EXTENT_ZERO, &err), P2V_EINVAL);
	assert_int_equal(block_extents_set(&list, 1, UINT64_MAX, EXTENT_ZERO, &err), P2V_EINVAL);
	assert_int_equal(list.n_items, 1);
	block_extents_finish(&list);
}

static void test_empty_disk(void **state)
{
	struct extent_list list;

	(void)state;
	assert_int_equal(block_extents_init(&list, 0, NULL), 0);
	assert_int_equal(list.n_items, 0);
	assert_int_equal(block_extents_set(&list, 0, 0, EXTENT_ZERO, NULL), 0);
	assert_int_equal(block_extents_at(&list, 0, 10).length_bytes, 0);
	block_extents_finish(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_against_bytes),
		cmocka_unit_test(test_walk_is_clipped),
		cmocka_unit_test(test_beyond_the_end),
		cmocka_unit_test(test_empty_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
