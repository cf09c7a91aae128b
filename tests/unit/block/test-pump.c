/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/block/pump.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"
#include "tests/unit/block/disk.h"

#define MAX_ITEMS 9

struct item {
	uint64_t number, worked;
	atomic_int hands; /* how many hold it: never two */
};

struct run {
	uint64_t total, filled, drained;
	uint64_t fail_fill, fail_work, fail_drain, fail_check; /* 1-based, 0 never */
	unsigned n_workers;
	bool slow;
	atomic_ulong worked, checks;
	struct item items[MAX_ITEMS];
};

static void hold(struct item *item)
{
	assert_int_equal(atomic_fetch_add(&item->hands, 1), 0);
}

static void let_go(struct item *item)
{
	assert_int_equal(atomic_fetch_sub(&item->hands, 1), 1);
}

static int run_fill(void *ctx, void *arg, struct p2v_err *err)
{
	struct run *run = ctx;
	struct item *item = arg;

	hold(item);
	if (run->fail_fill && run->filled + 1 == run->fail_fill) {
		let_go(item);
		return p2v_err_set(err, P2V_EIO, "fill %d", (int)run->fail_fill);
	}
	item->number = run->filled;
	let_go(item);
	if (run->filled == run->total)
		return 0;
	run->filled++;
	return 1;
}

static int run_work(void *ctx, unsigned worker, void *arg, struct p2v_err *err)
{
	struct run *run = ctx;
	struct item *item = arg;

	hold(item);
	assert_true(worker < run->n_workers);
	if (run->slow && item->number % 3 == 0)
		usleep(300);
	item->worked = item->number * 7 + 1;
	let_go(item);
	if (atomic_fetch_add(&run->worked, 1) + 1 == run->fail_work)
		return p2v_err_set(err, P2V_ENOSPC, "work %d", (int)run->fail_work);
	return 0;
}

static int run_drain(void *ctx, void *arg, struct p2v_err *err)
{
	struct run *run = ctx;
	struct item *item = arg;

	hold(item);
	assert_int_equal(item->number, run->drained);
	assert_int_equal(item->worked, item->number * 7 + 1);
	let_go(item);
	run->drained++;
	if (run->drained == run->fail_drain)
		return p2v_err_set(err, P2V_ELINK, "drain %d", (int)run->fail_drain);
	return 0;
}

static int run_check(void *ctx, struct p2v_err *err)
{
	struct run *run = ctx;

	if (atomic_fetch_add(&run->checks, 1) + 1 == run->fail_check)
		return p2v_err_set(err, P2V_ECANCELED, "interrupted");
	return 0;
}

static const struct pump_ops run_ops = {run_fill, run_work, run_drain, run_check};

static int run_go(struct run *run, size_t n_items, unsigned n_workers, struct p2v_err *err)
{
	void *items[MAX_ITEMS];
	struct pump_spec spec = {&run_ops, run, items, n_items, n_workers};

	run->n_workers = n_workers;
	for (size_t i = 0; i < n_items; i++)
		items[i] = &run->items[i];
	return block_pump_run(&spec, err);
}

static void test_all_pass_in_order(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 4; workers++)
		for (size_t n_items = 1; n_items <= MAX_ITEMS; n_items += 2)
			for (uint64_t total = 0; total <= 300; total += 100) {
				struct run run = {.total = total, .slow = total == 100};

				assert_int_equal(run_go(&run, n_items, workers, NULL), 0);
				assert_int_equal(run.drained, total);
				assert_int_equal(run.worked, total);
			}
}

static void test_first_error_wins(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 4; workers++)
		for (uint64_t nth = 1; nth <= 41; nth += 8) {
			struct run fill = {.total = 50, .fail_fill = nth};
			struct run work = {.total = 50, .fail_work = nth};
			struct run drain = {.total = 50, .fail_drain = nth, .slow = true};
			struct run check = {.total = 50, .fail_check = nth};
			struct p2v_err err = {0};
			char want[32];

			snprintf(want, sizeof(want), "fill %d", (int)nth);
			assert_int_equal(run_go(&fill, 5, workers, &err), P2V_EIO);
			assert_string_equal(err.text, want);
			assert_true(fill.drained < nth);
			snprintf(want, sizeof(want), "work %d", (int)nth);
			assert_int_equal(run_go(&work, 5, workers, &err), P2V_ENOSPC);
			assert_string_equal(err.text, want);
			snprintf(want, sizeof(want), "drain %d", (int)nth);
			assert_int_equal(run_go(&drain, 5, workers, &err), P2V_ELINK);
			assert_string_equal(err.text, want);
			assert_int_equal(drain.drained, nth);
			assert_int_equal(run_go(&check, 5, workers, &err), P2V_ECANCELED);
		}
}

/* A stage that takes long does not keep check from being asked. */
static int slow_work(void *ctx, unsigned worker, void *item, struct p2v_err *err)
{
	usleep(700000);
	return run_work(ctx, worker, item, err);
}

static void test_cancel_while_waiting(void **state)
{
	static const struct pump_ops ops = {run_fill, slow_work, run_drain, run_check};
	struct run run = {.total = 50, .fail_check = 2, .n_workers = 1};
	void *items[] = {&run.items[0], &run.items[1]};
	struct pump_spec spec = {&ops, &run, items, 2, 1};
	uint64_t start = p2v_now_ms();

	(void)state;
	assert_int_equal(block_pump_run(&spec, NULL), P2V_ECANCELED);
	assert_int_equal(run.drained, 0);
	assert_true(p2v_now_ms() - start < 5000);
}

static void test_bad_spec(void **state)
{
	struct run run = {0};

	(void)state;
	assert_int_equal(run_go(&run, 0, 1, NULL), P2V_EINVAL);
	assert_int_equal(run_go(&run, 1, 0, NULL), P2V_EINVAL);
	assert_int_equal(run_go(&run, 1, 65, NULL), P2V_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pass_in_order),
		cmocka_unit_test(test_first_error_wins),
		cmocka_unit_test(test_cancel_while_waiting),
		cmocka_unit_test(test_bad_spec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
