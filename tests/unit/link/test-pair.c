/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/core/stop.h"
#include "tests/unit/link/flow.h"

#define TOTAL (UINT64_C(20) << 20)

/* Both directions at once, each through more than any buffer holds. */
static void test_full_duplex(void **state)
{
	struct flow ab = {.total = TOTAL, .then_end = true}, ba = ab;
	struct link *a, *b;
	uint64_t at_b = 0;
	uint8_t byte;
	int r;
	size_t n;

	(void)state;
	assert_int_equal(link_pair_new(NULL, &a, &b, NULL), 0);
	ab.link = a;
	ba.link = b;
	flow_send_start(&ab);
	flow_send_start(&ba);
	/* One thread reads both ends in turns, so each of the writers has to wait for it. */
	while (link_read(b, &byte, 1, &n, NULL) == 0 && n) {
		assert_true(flow_is(&byte, at_b++, 1));
		if (at_b == 1000)
			break;
	}
	assert_int_equal(flow_receive(a, &r, NULL), TOTAL);
	assert_int_equal(r, 0);
	for (uint8_t buf[10007]; at_b < TOTAL; at_b += n) {
		assert_int_equal(link_read(b, buf, sizeof(buf), &n, NULL), 0);
		assert_true(n > 0 && flow_is(buf, at_b, n));
	}
	assert_int_equal(link_read(b, &byte, 1, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(flow_send_join(&ab), 0);
	assert_int_equal(flow_send_join(&ba), 0);
	assert_int_equal(link_write(a, "x", 1, NULL), P2V_EINVAL);
	link_free(a);
	link_free(b);
}

/* Exactly the bytes before the cut arrive, then both ends fail, blocked ones too. */
static void test_cut(void **state)
{
	static const uint64_t cuts[] = {0, 1, 65536, 3000001};

	(void)state;
	for (size_t i = 0; i < P2V_N(cuts); i++) {
		struct link_pair_cut cut = {cuts[i], UINT64_MAX};
		struct flow ab = {.total = TOTAL};
		struct p2v_err err = {0};
		struct link *a, *b;
		uint8_t byte;
		size_t n;
		int r;

		assert_int_equal(link_pair_new(&cut, &a, &b, NULL), 0);
		ab.link = a;
		flow_send_start(&ab);
		assert_int_equal(flow_receive(b, &r, &err), cuts[i]);
		assert_int_equal(r, P2V_ELINK);
		assert_string_equal(err.text, "pair-b: the line was cut");
		assert_int_equal(flow_send_join(&ab), P2V_ELINK);
		assert_string_equal(ab.err.text, "pair-a: the line was cut");
		assert_int_equal(link_read(a, &byte, 1, &n, NULL), P2V_ELINK);
		assert_int_equal(link_write(b, &byte, 1, NULL), P2V_ELINK);
		link_free(b);
		link_free(a);
	}
}

static void *cancel_soon(void *link)
{
	usleep(100000);
	link_cancel(link);
	return NULL;
}

static void test_cancel_wakes(void **state)
{
	struct flow ab = {.total = TOTAL};
	struct link *a, *b;
	pthread_t thread;
	uint8_t byte;
	size_t n;

	(void)state;
	assert_int_equal(link_pair_new(NULL, &a, &b, NULL), 0);
	ab.link = a;
	flow_send_start(&ab); /* blocks: nobody reads b */
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, a), 0);
	assert_int_equal(link_read(a, &byte, 1, &n, NULL), P2V_ECANCELED);
	assert_int_equal(flow_send_join(&ab), P2V_ECANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(link_wait(a, -1, NULL), P2V_ECANCELED);
	link_free(a);
	link_free(b);
}

static void test_wait(void **state)
{
	struct link *a, *b;
	uint64_t start = p2v_now_ms();
	uint8_t byte;
	size_t n;

	(void)state;
	assert_int_equal(link_pair_new(NULL, &a, &b, NULL), 0);
	assert_int_equal(link_wait(b, 50, NULL), P2V_ETIMEDOUT);
	assert_true(p2v_now_ms() - start >= 50);
	assert_int_equal(link_wait(b, 0, NULL), P2V_ETIMEDOUT);
	assert_int_equal(link_write(a, "x", 1, NULL), 0);
	assert_int_equal(link_wait(b, -1, NULL), 0);
	assert_int_equal(link_read(b, &byte, 1, &n, NULL), 0);
	assert_int_equal(byte, 'x');
	link_free(a);
	assert_int_equal(link_wait(b, -1, NULL), 0);
	assert_int_equal(link_read(b, &byte, 1, &n, NULL), 0);
	assert_int_equal(n, 0);
	link_free(b);
}

/* Two pipes, as sshd gives them to a forced command; flags of shared descriptors come back. */
static void test_pipes(void **state)
{
	struct p2v_err err = {0};
	int up[2], down[2], keep;
	struct link *near, *far;
	char buf[4];

	(void)state;
	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	keep = dup(up[0]);
	assert_int_equal(link_fd_new("near", down[0], up[1], &near, NULL), 0);
	assert_int_equal(link_fd_new("far", up[0], down[1], &far, NULL), 0);
	assert_int_equal(link_write(near, "ping", 4, NULL), 0);
	assert_int_equal(link_read_all(far, buf, 4, NULL), 0);
	assert_memory_equal(buf, "ping", 4);
	assert_int_equal(link_write(far, "po", 2, NULL), 0);
	assert_int_equal(link_shutdown_write(far, NULL), 0);
	assert_int_equal(link_read_all(near, buf, 4, &err), P2V_ELINK);
	assert_string_equal(err.text, "near: the far end stopped in the middle: 2 of 4 bytes came");
	link_free(far);
	assert_false(fcntl(keep, F_GETFL) & O_NONBLOCK);
	close(keep);
	assert_int_equal(link_write(near, "x", 1, &err), P2V_ELINK);
	assert_string_equal(err.text, "near: write: Broken pipe");
	link_free(near);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_duplex),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cancel_wakes),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_pipes),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
