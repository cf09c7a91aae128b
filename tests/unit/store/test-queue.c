/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/queue.h"

static char *base;
static struct p2v_err err;

static int setup(void **state)
{
	(void)state;
	return p2v_dir_temp("queue-test", &base, NULL);
}

static int teardown(void **state)
{
	(void)state;
	p2v_dir_remove(base);
	free(base);
	return 0;
}

static struct store_queue *enter(const char *job)
{
	p2v_autofree char *dir = p2v_strf("%s/%s/" STORE_IMAGE_DIR, base, job);
	struct store_queue *q;

	assert_int_equal(p2v_dir_make(dir, 0700, NULL), 0);
	if (store_queue_enter(base, job, &q, &err) < 0)
		fail_msg("%s", err.text);
	return q;
}

static struct store_turn look(
	struct store_queue *q, const struct store_limits *limits, uint64_t need)
{
	struct store_turn turn;

	if (store_queue_look(q, limits, need, &turn, &err) < 0)
		fail_msg("%s", err.text);
	return turn;
}

static void expect_place(
	struct store_queue *q, const struct store_limits *limits, uint64_t need, uint32_t place)
{
	struct store_turn turn = look(q, limits, need);

	assert_false(turn.admitted);
	assert_int_equal(turn.place, place);
	assert_non_null(strstr(turn.text, "queue"));
}

static void first_come_first_served(void **state)
{
	const struct store_limits limits = {.receivers = 1};
	struct store_queue *a = enter("web01"), *b = enter("web02"), *c = enter("web03");

	(void)state;
	assert_true(look(a, &limits, 0).admitted);
	expect_place(c, &limits, 0, 2);
	expect_place(b, &limits, 0, 1);
	/* Its link is lost and comes back: it has its place still. */
	store_queue_leave(b, false);
	expect_place(c, &limits, 0, 1);
	b = enter("web02");
	expect_place(b, &limits, 0, 1);
	expect_place(c, &limits, 0, 2);
	store_queue_leave(a, true);
	/* Whoever looks first: it is not his turn. */
	expect_place(c, &limits, 0, 2);
	assert_true(look(b, &limits, 0).admitted);
	expect_place(c, &limits, 0, 1);
	/* It is admitted for good, whatever the limits become. */
	assert_true(look(b, &(struct store_limits){.receivers = 1, .quota_bytes = 1}, 5).admitted);
	/* A receiver that was killed counts no more; when it comes back it is the first. */
	store_queue_leave(b, false);
	assert_true(look(c, &limits, 0).admitted);
	b = enter("web02");
	expect_place(b, &limits, 0, 1);
	store_queue_leave(c, true);
	assert_true(look(b, &limits, 0).admitted);
	store_queue_leave(b, true);
}

static void write_image(const char *job, size_t n)
{
	p2v_autofree char *dir = p2v_strf("%s/%s/" STORE_IMAGE_DIR, base, job);
	p2v_autofree char *bytes = malloc(n);

	assert_non_null(bytes);
	memset(bytes, 'x', n);
	assert_int_equal(p2v_publish_bytes(dir, "disk0.raw", bytes, n, 0600, NULL), 0);
}

static void room_is_reserved(void **state)
{
	struct store_limits limits = {.quota_bytes = store_dir_bytes(base) + 10 * P2V_MIB};
	struct store_queue *a = enter("big01"), *b = enter("big02"), *c = enter("small");
	struct store_turn turn;
	uint64_t left;

	(void)state;
	/* Some blocks for the directories and tickets themselves. */
	limits.quota_bytes += P2V_MIB;
	assert_true(look(a, &limits, 6 * P2V_MIB).admitted);
	turn = look(b, &limits, 6 * P2V_MIB);
	assert_false(turn.admitted);
	assert_non_null(strstr(turn.text, "waits for room"));
	assert_non_null(strstr(turn.text, "quota"));
	/* There is room for this one, and none is taken from the other. */
	assert_true(look(c, &limits, 3 * P2V_MIB).admitted);
	assert_int_equal(store_queue_reserved(base), 9 * P2V_MIB);
	/* What is written is not reserved any more, and is used. */
	write_image("big01", 4 * P2V_MIB);
	left = store_queue_reserved(base);
	assert_true(left <= 5 * P2V_MIB && left > 5 * P2V_MIB - 65536);
	assert_false(look(b, &limits, 6 * P2V_MIB).admitted);
	store_queue_leave(c, true);
	store_queue_leave(a, true);
	assert_int_equal(store_queue_reserved(base), 0);
	assert_true(look(b, &limits, 6 * P2V_MIB).admitted);
	store_queue_leave(b, true);
}

/* One that is small comes again and again: the large one is passed for a while, not for ever. */
static void nobody_is_passed_for_ever(void **state)
{
	struct store_limits limits = {
		.quota_bytes = store_dir_bytes(base) + 11 * P2V_MIB, .patience_s = 1};
	struct store_queue *sends = enter("sends"), *large = enter("large"), *huge = enter("huge"),
			   *small = enter("small"), *tiny = enter("tiny");

	(void)state;
	assert_true(look(sends, &limits, 5 * P2V_MIB).admitted);
	assert_false(look(large, &limits, 8 * P2V_MIB).admitted);
	assert_true(look(small, &limits, P2V_MIB).admitted);
	store_queue_leave(small, true);
	/* Its link is lost for a moment: that is not a new wait. */
	store_queue_leave(large, false);
	p2v_sleep_ms(2100);
	large = enter("large");
	small = enter("small");
	assert_non_null(strstr(look(large, &limits, 8 * P2V_MIB).text, "waits for room"));
	assert_non_null(strstr(look(small, &limits, P2V_MIB).text, "kept for a larger machine"));
	/* What needs none is not kept waiting. */
	assert_true(look(tiny, &limits, 0).admitted);
	store_queue_leave(sends, true);
	assert_true(look(large, &limits, 8 * P2V_MIB).admitted);
	/* For one that will never have room none is kept. */
	assert_false(look(huge, &limits, 80 * P2V_MIB).admitted);
	p2v_sleep_ms(2100);
	assert_false(look(huge, &limits, 80 * P2V_MIB).admitted);
	assert_true(look(small, &limits, P2V_MIB).admitted);
	store_queue_leave(large, true);
	store_queue_leave(small, true);
	store_queue_leave(tiny, true);
	store_queue_leave(huge, true);
}

static void the_file_system_counts(void **state)
{
	const struct store_limits limits = {.keep_free_bytes = UINT64_C(1) << 60};
	struct store_queue *a = enter("web01");

	(void)state;
	assert_non_null(strstr(look(a, &limits, 1).text, "stay free"));
	assert_true(look(a, &(struct store_limits){0}, 1).admitted);
	store_queue_leave(a, true);
}

static int note(void *ctx, const char *job, uint32_t place, struct p2v_err *e)
{
	struct p2v_buf *out = ctx;

	(void)e;
	p2v_buf_addf(out, "%s %u\n", job, place);
	return 0;
}

static void who_looks_on(void **state)
{
	const struct store_limits limits = {.receivers = 1};
	struct store_queue *a = enter("web02"), *b = enter("web01"), *dead = enter("gone");
	p2v_autobuf struct p2v_buf out = {0};

	(void)state;
	look(a, &limits, 0);
	look(b, &limits, 0);
	store_queue_leave(dead, false);
	assert_int_equal(store_queue_list(base, note, &out, &err), 0);
	assert_string_equal((char *)out.data, "web02 0\nweb01 1\n");
	store_queue_leave(a, true);
	store_queue_leave(b, true);
}

static void limits_are_said(void **state)
{
	struct store_limits limits = {.receivers = 7, .job_quota_bytes = P2V_GIB}, got;

	(void)state;
	assert_int_equal(store_limits_load(base, &got, &err), P2V_ENOTFOUND);
	assert_int_equal(store_limits_save(base, &limits, &err), 0);
	assert_int_equal(store_limits_load(base, &got, &err), 0);
	assert_int_equal(got.receivers, 7);
	assert_int_equal(got.job_quota_bytes, P2V_GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_come_first_served, setup, teardown),
		cmocka_unit_test_setup_teardown(room_is_reserved, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_is_passed_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(the_file_system_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(who_looks_on, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_said, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
