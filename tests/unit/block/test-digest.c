/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/block/digest.h"
#include "p2v/core/buf.h"
#include "p2v/core/num.h"
#include "tests/unit/block/disk.h"

/* The published value for no bytes and seed 0, and what xxh128sum prints for "p2v". */
static void test_known_values(void **state)
{
	char text[BLOCK_DIGEST_HEX];
	uint8_t bytes[65536];
	struct digest d, back;

	(void)state;
	block_digest_of("", 0, &d);
	assert_string_equal(block_digest_text(&d, text), "99aa06d3014798d86001c324468d497f");
	block_digest_of("p2v", 3, &d);
	assert_string_equal(block_digest_text(&d, text), "7a5483394eee6b4a13696a55b2e7776b");
	assert_int_equal(block_digest_parse(text, &back, NULL), 0);
	assert_true(block_digest_equal(&d, &back));
	assert_int_equal(block_digest_parse("12", &back, NULL), P2V_EFORMAT);
	/* Whatever registers it is made with: as Python's xxhash has them. */
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	block_digest_of(bytes, sizeof(bytes), &d);
	assert_string_equal(block_digest_text(&d, text), "267bdd80b3f274499ae973f97c1f3eba");
	block_digest_of(bytes, 1000, &d);
	assert_string_equal(block_digest_text(&d, text), "bae798f9321bda6cd1db6a0afea2cc82");
}

static void test_stream_is_one_shot(void **state)
{
	struct digest_stream *s = block_digest_stream_new();
	uint8_t bytes[5000];
	uint64_t seed = 1;
	struct digest a, b;

	(void)state;
	rnd_fill(&seed, bytes, sizeof(bytes));
	for (size_t at = 0, n; at < sizeof(bytes); at += n) {
		n = p2v_min_u64(sizeof(bytes) - at, rnd(&seed) % 700);
		block_digest_stream_add(s, bytes + at, n);
	}
	block_digest_stream_get(s, &a);
	block_digest_of(bytes, sizeof(bytes), &b);
	assert_true(block_digest_equal(&a, &b));
	block_digest_stream_free(s);
}

/* The definition of the disk digest, written out by hand. */
static void disk_by_hand(const uint8_t *bytes, uint64_t size, struct digest *ret)
{
	struct p2v_buf all = {0};

	p2v_buf_add_str(&all, "p2v-disk-1\n");
	p2v_buf_add_be64(&all, size);
	p2v_buf_add_be32(&all, 65536);
	for (uint64_t at = 0; at < size; at += 65536) {
		size_t n = p2v_min_u64(65536, size - at);
		struct digest leaf = {0};

		for (size_t i = 0; i < n; i++)
			if (bytes[at + i]) {
				block_digest_of(bytes + at, n, &leaf);
				break;
			}
		p2v_buf_add(&all, leaf.bytes, 16);
	}
	block_digest_of(all.data, all.len, ret);
	p2v_buf_finish(&all);
}

static void test_disk_is_as_defined(void **state)
{
	static const uint64_t sizes[] = {
		1, 512, 65535, 65536, 65537, 1048576, 1048577, 3 * 1048576 + 70000};
	uint64_t seed = 2;

	(void)state;
	for (size_t i = 0; i < P2V_N(sizes); i++) {
		struct block_io *io;
		struct digest want, got;
		uint8_t *bytes;

		assert_int_equal(block_io_memory_new("mem", sizes[i], &io, NULL), 0);
		bytes = block_io_memory_bytes(io);
		for (int k = 0; k < 6; k++)
			bytes[rnd(&seed) % sizes[i]] = (uint8_t)(rnd(&seed) | 1);
		disk_by_hand(bytes, sizes[i], &want);
		assert_int_equal(block_io_digest(io, NULL, NULL, &got, NULL), 0);
		assert_true(block_digest_equal(&want, &got));
		block_io_free(io);
	}
}

static void test_zero_runs_are_zero_leaves(void **state)
{
	struct disk_digest *a = block_disk_digest_new(1000 * 65536);
	struct disk_digest *b = block_disk_digest_new(1000 * 65536);
	struct digest zero = {0}, leaf = {{9}}, da, db;

	(void)state;
	for (int i = 0; i < 1000; i++)
		block_disk_digest_add(a, i == 700 ? &leaf : &zero);
	block_disk_digest_add_zeros(b, 700);
	block_disk_digest_add(b, &leaf);
	assert_int_equal(block_disk_digest_end(b, &db, NULL), P2V_EINVAL);
	assert_int_equal(block_disk_digest_count(b), 701);
	block_disk_digest_add_zeros(b, 299);
	assert_int_equal(block_disk_digest_end(a, &da, NULL), 0);
	assert_int_equal(block_disk_digest_end(b, &db, NULL), 0);
	assert_true(block_digest_equal(&da, &db));
	block_disk_digest_free(a);
	block_disk_digest_free(b);
}

static int stop_late(void *ctx, uint64_t done_bytes, struct p2v_err *err)
{
	uint64_t *seen = ctx;

	*seen = done_bytes;
	return done_bytes >= 2 * P2V_MIB ? p2v_err_set(err, P2V_ECANCELED, "interrupted") : 0;
}

static void test_can_be_stopped(void **state)
{
	struct p2v_err err = {0};
	struct block_io *io;
	struct digest d;
	uint64_t seen = 0;

	(void)state;
	assert_int_equal(block_io_memory_new("mem", 8 * P2V_MIB, &io, NULL), 0);
	assert_int_equal(block_io_digest(io, stop_late, &seen, &d, &err), P2V_ECANCELED);
	assert_int_equal(seen, 2 * P2V_MIB);
	block_io_free(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_stream_is_one_shot),
		cmocka_unit_test(test_disk_is_as_defined),
		cmocka_unit_test(test_zero_runs_are_zero_leaves),
		cmocka_unit_test(test_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
