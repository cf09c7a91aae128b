/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/block/repeats.h"

#define UNIT   BLOCK_REPEAT_UNIT
#define BLOCKS 40

static uint8_t bytes[BLOCKS * UNIT];
static struct block_repeat found[BLOCKS];

/* Block i of the piece becomes content `what`; 0: zeros. */
static void block_fill(size_t i, uint32_t what)
{
	for (size_t k = 0; k < UNIT; k += 4) {
		uint32_t v = what ? what * 2654435761u + (uint32_t)k * what : 0;

		memcpy(bytes + i * UNIT + k, &v, 4);
	}
}

static void row_fill(size_t i, size_t n, uint32_t what)
{
	for (size_t k = 0; k < n; k++)
		block_fill(i + k, what + (uint32_t)k);
}

static struct block_repeats *table(void)
{
	struct block_repeats *r = NULL;

	assert_int_equal(block_repeats_new(&r, NULL), 0);
	return r;
}

static void expect(size_t i, uint32_t to, uint32_t length, uint64_t from)
{
	assert_int_equal(found[i].to, to * UNIT);
	assert_int_equal(found[i].length, length * UNIT);
	assert_int_equal(found[i].from, from * UNIT);
}

/* A copy is found at its first place, also a part of it; what lies between is noted by itself. */
static void test_copies(void **state)
{
	struct block_repeats *r = table();

	(void)state;
	row_fill(0, BLOCKS, 1000);
	assert_int_equal(block_repeats_find(r, 0, bytes, sizeof(bytes), found), 0);
	assert_int_equal(block_repeats_find(r, 100 * UNIT, bytes, sizeof(bytes), found), 1);
	expect(0, 0, BLOCKS, 0);
	/* Ten of the old, two new, ten of the old further on, then the tail of a piece. */
	row_fill(0, 10, 1005);
	row_fill(10, 2, 5000);
	row_fill(12, 10, 1020);
	assert_int_equal(block_repeats_find(r, 200 * UNIT, bytes, 22 * UNIT + UNIT - 1, found), 2);
	expect(0, 0, 10, 5);
	expect(1, 12, 10, 20);
	/* The row whose middle was new is found as three runs, or as the new place says. */
	assert_int_equal(block_repeats_find(r, 300 * UNIT, bytes, 22 * UNIT, found), 2);
	block_repeats_free(r);
	block_repeats_free(NULL);
}

/* Three blocks are not worth it, four are. */
static void test_short_runs(void **state)
{
	struct block_repeats *r = table();

	(void)state;
	row_fill(0, BLOCKS, 1);
	block_repeats_find(r, 0, bytes, sizeof(bytes), found);
	row_fill(0, BLOCKS, 7000);
	row_fill(4, 3, 25);
	row_fill(20, 4, 11);
	assert_int_equal(block_repeats_find(r, 64 * UNIT, bytes, sizeof(bytes), found), 1);
	expect(0, 20, 4, 10);
	block_repeats_free(r);
}

/* Nothing is said to be where the stream has not been: later places, or within the piece. */
static void test_only_backwards(void **state)
{
	struct block_repeats *r = table();

	(void)state;
	row_fill(0, BLOCKS / 2, 1);
	row_fill(BLOCKS / 2, BLOCKS / 2, 1);
	assert_int_equal(block_repeats_find(r, 500 * UNIT, bytes, sizeof(bytes), found), 0);
	assert_int_equal(block_repeats_find(r, 100 * UNIT, bytes, sizeof(bytes), found), 0);
	assert_int_equal(block_repeats_find(r, 900 * UNIT, bytes, sizeof(bytes), found), 2);
	block_repeats_free(r);
}

static void test_zeros(void **state)
{
	struct block_repeats *r = table();

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(block_repeats_find(r, 0, bytes, sizeof(bytes), found), 0);
	assert_int_equal(block_repeats_find(r, 1000 * UNIT, bytes, sizeof(bytes), found), 0);
	block_repeats_free(r);
}

/* More blocks than the table has places: the old ones go, and what is found is true. */
static void test_full(void **state)
{
	struct block_repeats *r = table();
	uint64_t places = BLOCK_REPEATS_BYTES / 16 * 2;

	(void)state;
	for (uint64_t at = 0; at < places; at += BLOCKS) {
		row_fill(0, BLOCKS, (uint32_t)at + 1);
		assert_int_equal(block_repeats_find(r, at * UNIT, bytes, sizeof(bytes), found), 0);
	}
	row_fill(0, BLOCKS, (uint32_t)(places - 100 * BLOCKS) + 1);
	for (size_t n = block_repeats_find(r, places * UNIT, bytes, sizeof(bytes), found); n--;)
		assert_int_equal(found[n].from, (places - 100 * BLOCKS) * UNIT + found[n].to);
	block_repeats_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_short_runs),
		cmocka_unit_test(test_only_backwards),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
