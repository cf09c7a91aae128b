/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/core/publish.h"
#include "p2v/recv/journal.h"

#define SIZE (100 * (uint64_t)BLOCK_GRAIN_BYTES + 1)

static char *dir, *path;
static const uint8_t leaves[] = "0123456789abcdefFEDCBA9876543210";

static int dir_make(void **state)
{
	(void)state;
	if (p2v_dir_temp("test-journal", &dir, NULL) < 0)
		return -1;
	path = p2v_path_join(dir, "disk0.journal");
	return path ? 0 : -1;
}

static int dir_remove(void **state)
{
	(void)state;
	p2v_dir_remove(dir);
	free(dir);
	free(path);
	return 0;
}

static struct journal *open_it(void)
{
	struct journal *j = NULL;

	assert_int_equal(recv_journal_open(path, SIZE, &j, NULL), 0);
	return j;
}

static bool durable_at(struct journal *j, uint64_t grain, struct digest *leaf)
{
	bool durable;

	assert_int_equal(recv_journal_leaf(j, grain, &durable, leaf, NULL), 0);
	return durable;
}

static off_t file_size(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* The unproved run at or after from, as first * 1000 + n; 0: none. */
static uint64_t unproved(struct journal *j, uint64_t from)
{
	uint64_t first, n;

	return recv_journal_unproved(j, from, &first, &n) ? first * 1000 + n : 0;
}

/* What was written is not proved until it was read back with its leaf, or VERIFIED came; that also
 * holds after a restart, but for what was only named. */
static void test_proved(void **state)
{
	const struct journal_verified said = {.read_bytes = 1};
	struct digest found[3] = {0}, want[4];
	uint64_t as_of, first, n;
	bool durable[4];
	struct journal *j;

	(void)state;
	unlink(path);
	j = open_it();
	assert_int_equal(unproved(j, 0), 101);
	recv_journal_add(j, JOURNAL_DATA, 10, 2, leaves, NULL);
	recv_journal_add(j, JOURNAL_ZERO, 12, 1, NULL, NULL);
	memcpy(found, leaves, 32);
	/* Not before they are durable, and not with another leaf. */
	assert_int_equal(recv_journal_prove(j, 10, 3, found, recv_journal_missed(j), NULL), 0);
	assert_int_equal(unproved(j, 0), 101);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	found[1].bytes[0] ^= 1;
	assert_int_equal(recv_journal_prove(j, 10, 3, found, recv_journal_missed(j), NULL), 0);
	assert_int_equal(unproved(j, 10), 11001);
	assert_int_equal(unproved(j, 12), 13088);
	assert_int_equal(recv_journal_leaves(j, 9, 4, durable, want, NULL), 0);
	assert_false(durable[0]);
	assert_true(durable[1] && durable[2] && durable[3]);
	assert_memory_equal(want[2].bytes, leaves + 16, 16);
	assert_true(block_digest_is_zero(&want[0]) && block_digest_is_zero(&want[3]));
	/* Written again: to be read again. */
	recv_journal_add(j, JOURNAL_DATA, 10, 1, leaves, NULL);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	assert_int_equal(unproved(j, 10), 10002);
	recv_journal_free(j);

	j = open_it();
	assert_int_equal(unproved(j, 0), 101);
	assert_int_equal(recv_journal_add_verified(j, &said, NULL), 0);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	assert_int_equal(unproved(j, 0), 0);
	as_of = recv_journal_missed(j);
	recv_journal_add(j, JOURNAL_MISSING, 7, 2, NULL, NULL);
	recv_journal_add(j, JOURNAL_DATA, 10, 2, leaves, NULL);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	/* What was read before something was given up proves nothing. */
	memcpy(found, leaves, 32);
	assert_int_equal(recv_journal_prove(j, 10, 2, found, as_of, NULL), 0);
	assert_true(recv_journal_provable(j, 0, &first, &n));
	assert_int_equal(first * 1000 + n, 10002);
	assert_int_equal(recv_journal_prove(j, 10, 2, found, as_of + 1, NULL), 0);
	assert_false(recv_journal_provable(j, 0, &first, &n));
	recv_journal_add(j, JOURNAL_ZERO, 20, 9, NULL, NULL);
	recv_journal_add(j, JOURNAL_DATA, 22, 1, leaves, NULL);
	recv_journal_add(j, JOURNAL_DATA, 24, 2, leaves, NULL);
	recv_journal_add(j, JOURNAL_MISSING, 25, 1, NULL, NULL);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	assert_true(recv_journal_provable(j, 0, &first, &n));
	assert_int_equal(first * 1000 + n, 22001);
	assert_true(recv_journal_provable(j, 23, &first, &n));
	assert_int_equal(first * 1000 + n, 24001);
	assert_false(recv_journal_provable(j, 25, &first, &n));
	recv_journal_free(j);
	j = open_it();
	assert_int_equal(unproved(j, 0), 7002);
	assert_int_equal(unproved(j, 9), 10002);
	assert_int_equal(unproved(j, 12), 20009);
	n = recv_journal_durable(j);
	recv_journal_free(j);
	/* Who only looks learns the same, but no leaf. */
	assert_int_equal(recv_journal_look(path, SIZE, &j, NULL), 0);
	assert_int_equal(unproved(j, 12), 20009);
	assert_int_equal(recv_journal_durable(j), n);
	assert_int_equal(recv_journal_leaf(j, 10, durable, want, NULL), P2V_EIO);
	recv_journal_free(j);
}

static void test_records(void **state)
{
	const struct journal_verified said = {{{1, 2}}, 1, 2, 3, 4};
	struct journal_verified got;
	struct journal *j;
	struct digest leaf;
	uint64_t first, n;

	(void)state;
	unlink(path);
	j = open_it();
	assert_int_equal(recv_journal_grains(j), 101);
	assert_int_equal(recv_journal_add(j, JOURNAL_OPENED, 0, 0, NULL, NULL), 0);
	assert_int_equal(recv_journal_add(j, JOURNAL_DATA, 99, 2, leaves, NULL), 0);
	assert_int_equal(recv_journal_add(j, JOURNAL_ZERO, 0, 50, NULL, NULL), 0);
	/* Nothing counts before the commit. */
	assert_int_equal(recv_journal_durable(j), 0);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	assert_int_equal(recv_journal_durable(j), 52);
	assert_int_equal(recv_journal_add(j, JOURNAL_MISSING, 10, 1, NULL, NULL), 0);
	assert_int_equal(recv_journal_add(j, JOURNAL_BAD, 5, SIZE - 5, NULL, NULL), 0);
	assert_int_equal(recv_journal_add(j, JOURNAL_BAD, 5, SIZE - 5, NULL, NULL), 0);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	assert_false(recv_journal_verified(j, &got));
	recv_journal_free(j);

	j = open_it();
	assert_int_equal(recv_journal_durable(j), 51);
	assert_int_equal(recv_journal_opened(j), 1);
	assert_int_equal(recv_journal_written(j), BLOCK_GRAIN_BYTES + 1);
	assert_int_equal(recv_journal_n_bad(j), 1);
	recv_journal_bad(j, 0, &first, &n);
	assert_int_equal(n, SIZE - 5);
	assert_true(durable_at(j, 100, &leaf));
	assert_memory_equal(leaf.bytes, leaves + 16, 16);
	assert_true(durable_at(j, 0, &leaf));
	assert_true(block_digest_is_zero(&leaf));
	assert_false(durable_at(j, 10, &leaf));
	assert_true(recv_journal_missing(j, 0, &first, &n));
	assert_int_equal(first, 10);
	assert_int_equal(n, 1);
	/* Zeros over data: the old leaf is forgotten. */
	recv_journal_add(j, JOURNAL_ZERO, 99, 2, NULL, NULL);
	recv_journal_add_verified(j, &said, NULL);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	recv_journal_free(j);

	j = open_it();
	assert_true(durable_at(j, 100, &leaf));
	assert_true(block_digest_is_zero(&leaf));
	assert_true(recv_journal_verified(j, &got));
	assert_memory_equal(&got, &said, sizeof(got));
	recv_journal_add(j, JOURNAL_OPENED, 0, 0, NULL, NULL);
	recv_journal_commit(j, recv_journal_mark(j), NULL);
	assert_true(recv_journal_verified(j, &got));
	recv_journal_add(j, JOURNAL_DATA, 0, 1, leaves, NULL);
	recv_journal_commit(j, recv_journal_mark(j), NULL);
	assert_false(recv_journal_verified(j, &got));
	recv_journal_free(j);
}

/* Cut at every byte, and with each byte of the last record changed: the records before stand, and
 * new ones can follow. */
static void test_torn_tail(void **state)
{
	p2v_autobuf struct p2v_buf whole = {0};
	off_t before, after;
	struct journal *j;

	(void)state;
	unlink(path);
	j = open_it();
	recv_journal_add(j, JOURNAL_DATA, 0, 2, leaves, NULL);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	before = file_size();
	recv_journal_add(j, JOURNAL_DATA, 50, 2, leaves, NULL);
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	after = file_size();
	recv_journal_free(j);
	assert_int_equal(p2v_file_read(path, 1 << 20, &whole, NULL), 0);
	assert_int_equal(whole.len, after);

	for (off_t n = 0; n < after; n++)
		for (int flip = 0; flip < 2; flip++) {
			p2v_autoclose int fd = open(path, O_WRONLY | O_TRUNC);
			uint64_t want = n < before ? 0 : 2;

			if (flip && n < before)
				continue;
			whole.data[n] ^= (uint8_t)flip;
			assert_true(write(fd, whole.data, (size_t)(flip ? after : n)) >= 0);
			whole.data[n] ^= (uint8_t)flip;
			j = open_it();
			assert_int_equal(recv_journal_durable(j), want);
			recv_journal_add(j, JOURNAL_ZERO, 90, 1, NULL, NULL);
			assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
			recv_journal_free(j);
			j = open_it();
			assert_int_equal(recv_journal_durable(j), want + 1);
			recv_journal_free(j);
		}
}

static void test_refused(void **state)
{
	struct journal *j, *other = NULL;
	struct p2v_err err;

	(void)state;
	unlink(path);
	j = open_it();
	assert_int_equal(recv_journal_add(j, JOURNAL_ZERO, 101, 1, NULL, &err), P2V_EINVAL);
	assert_int_equal(recv_journal_add(j, JOURNAL_ZERO, 100, 2, NULL, &err), P2V_EINVAL);
	assert_int_equal(recv_journal_add(j, JOURNAL_ZERO, 1, UINT64_MAX, NULL, &err), P2V_EINVAL);
	assert_int_equal(recv_journal_add(j, JOURNAL_DATA, 0, 4097, leaves, &err), P2V_EINVAL);
	assert_int_equal(recv_journal_pending(j), 0);
	recv_journal_free(j);
	assert_int_equal(recv_journal_open(path, SIZE + 512, &other, &err), P2V_EFORMAT);
	assert_non_null(strstr(err.text, "disk0.journal"));
}

/* More records than one read holds. */
static void test_many(void **state)
{
	static uint8_t many[16 * 100];
	struct journal *j;
	struct digest leaf;

	(void)state;
	unlink(path);
	j = open_it();
	for (unsigned i = 0; i < 200; i++) {
		memset(many, (int)i + 1, sizeof(many));
		recv_journal_add(j, JOURNAL_DATA, 0, 100, many, NULL);
	}
	assert_int_equal(recv_journal_commit(j, recv_journal_mark(j), NULL), 0);
	recv_journal_free(j);
	j = open_it();
	assert_int_equal(recv_journal_durable(j), 100);
	assert_true(durable_at(j, 99, &leaf));
	assert_int_equal(leaf.bytes[0], 200);
	recv_journal_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proved),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_torn_tail),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
