/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/block/pump.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2v/core/cleanup.h"

#define MAX_WORKERS 64
#define CHECK_MS    200

/*
 * The pool is a ring of slots; item k of the stream lives in slot k % n. Three counters chase each
 * other round it, and a slot's own flag says whether the worker is done with it:
 *
 *	drained <= taken <= filled <= drained + n
 *
 * Slots [drained, taken) are with the workers or done, [taken, filled) wait for one, the rest is
 * free for fill.
 */
struct pump {
	const struct pump_spec *spec;
	pthread_mutex_t lock;
	pthread_cond_t room, filled_more, done_more; /* for fill, workers, drain */
	uint64_t filled, taken, drained;
	bool *done; /* by slot */
	bool ended; /* fill said 0 */
	int failed; /* the first error's kind, or 0 */
	struct p2v_err err;
	unsigned next_worker;
};

static void pump_fail(struct pump *p, int kind, const struct p2v_err *err)
{
	if (!p->failed) {
		p->failed = kind;
		p->err = *err;
	}
	pthread_cond_broadcast(&p->room);
	pthread_cond_broadcast(&p->filled_more);
	pthread_cond_broadcast(&p->done_more);
}

static void *pump_slot(struct pump *p, uint64_t index)
{
	return p->spec->items[index % p->spec->n_items];
}

static void *pump_fill(void *arg)
{
	struct pump *p = arg;
	struct p2v_err err = {0};

	pthread_mutex_lock(&p->lock);
	while (!p->failed && !p->ended) {
		void *item = pump_slot(p, p->filled);
		int r;

		if (p->filled - p->drained == p->spec->n_items) {
			pthread_cond_wait(&p->room, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		r = p->spec->ops->fill(p->spec->ctx, item, &err);
		pthread_mutex_lock(&p->lock);
		if (r < 0) {
			pump_fail(p, r, &err);
		} else if (r == 0) {
			p->ended = true;
			pthread_cond_broadcast(&p->filled_more);
			pthread_cond_signal(&p->done_more);
		} else {
			p->filled++;
			pthread_cond_signal(&p->filled_more);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void *pump_work(void *arg)
{
	struct pump *p = arg;
	struct p2v_err err = {0};
	unsigned worker;

	pthread_mutex_lock(&p->lock);
	worker = p->next_worker++;
	while (!p->failed && !(p->ended && p->taken == p->filled)) {
		uint64_t index = p->taken;
		int r;

		if (p->taken == p->filled) {
			pthread_cond_wait(&p->filled_more, &p->lock);
			continue;
		}
		p->taken++;
		pthread_mutex_unlock(&p->lock);
		r = p->spec->ops->work(p->spec->ctx, worker, pump_slot(p, index), &err);
		pthread_mutex_lock(&p->lock);
		if (r < 0)
			pump_fail(p, r, &err);
		p->done[index % p->spec->n_items] = true;
		/* Only the oldest one is what the drain waits for. */
		if (index == p->drained)
			pthread_cond_signal(&p->done_more);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Waits for done_more, at most CHECK_MS, and asks check with the lock given up. */
static int pump_wait(struct pump *p, struct p2v_err *err)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += CHECK_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	if (pthread_cond_timedwait(&p->done_more, &p->lock, &until) != ETIMEDOUT ||
		!p->spec->ops->check)
		return 0;
	pthread_mutex_unlock(&p->lock);
	r = p->spec->ops->check(p->spec->ctx, err);
	pthread_mutex_lock(&p->lock);
	return r;
}

static int pump_drain_one(struct pump *p, struct p2v_err *err)
{
	const struct pump_ops *ops = p->spec->ops;
	void *item = pump_slot(p, p->drained);
	int r = 0;

	pthread_mutex_unlock(&p->lock);
	if (ops->check)
		r = ops->check(p->spec->ctx, err);
	if (r == 0)
		r = ops->drain(p->spec->ctx, item, err);
	pthread_mutex_lock(&p->lock);
	if (r == 0) {
		p->done[p->drained % p->spec->n_items] = false;
		p->drained++;
		pthread_cond_signal(&p->room);
	}
	return r;
}

static void pump_drain(struct pump *p)
{
	struct p2v_err err = {0};

	pthread_mutex_lock(&p->lock);
	while (!p->failed && !(p->ended && p->drained == p->filled)) {
		bool ready = p->drained < p->taken && p->done[p->drained % p->spec->n_items];
		int r = ready ? pump_drain_one(p, &err) : pump_wait(p, &err);

		if (r < 0)
			pump_fail(p, r, &err);
	}
	pthread_mutex_unlock(&p->lock);
}

static int pump_init(struct pump *p, const struct pump_spec *spec, struct p2v_err *err)
{
	pthread_condattr_t attr;

	*p = (struct pump){.spec = spec, .done = calloc(spec->n_items, sizeof(bool))};
	if (!p->done)
		return p2v_err_set(err, P2V_ENOMEM, "pump: no memory");
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
	pthread_cond_init(&p->filled_more, NULL);
	pthread_cond_init(&p->done_more, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

static void pump_finish(struct pump *p)
{
	pthread_cond_destroy(&p->room);
	pthread_cond_destroy(&p->filled_more);
	pthread_cond_destroy(&p->done_more);
	pthread_mutex_destroy(&p->lock);
	free(p->done);
}

/* Starts the filler and the workers; those that cannot be started are an error of the pump. */
static unsigned pump_start(struct pump *p, pthread_t *threads)
{
	unsigned n = 0, want = p->spec->n_workers + 1;
	struct p2v_err err = {0};
	int errnum = 0;

	while (n < want && !errnum) {
		errnum = pthread_create(&threads[n], NULL, n ? pump_work : pump_fill, p);
		if (!errnum)
			n++;
	}
	if (errnum) {
		pthread_mutex_lock(&p->lock);
		pump_fail(p, p2v_err_errno(&err, errnum, "pump: cannot start a thread"), &err);
		pthread_mutex_unlock(&p->lock);
	}
	return n;
}

int block_pump_run(const struct pump_spec *spec, struct p2v_err *err)
{
	pthread_t threads[MAX_WORKERS + 1];
	struct pump p;
	unsigned n;
	int r;

	if (!spec->n_items || !spec->n_workers || spec->n_workers > MAX_WORKERS)
		return p2v_err_set(err, P2V_EINVAL, "pump: %zu items and %u workers", spec->n_items,
			spec->n_workers);
	r = pump_init(&p, spec, err);
	if (r < 0)
		return r;
	n = pump_start(&p, threads);
	pump_drain(&p);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	r = p.failed;
	if (r < 0 && err)
		*err = p.err;
	pump_finish(&p);
	return r;
}

void *block_buffer_new(size_t n)
{
	void *p = NULL;

	if (posix_memalign(&p, 4096, n ? n : 1) != 0)
		return NULL;
	memset(p, 0, n);
	return p;
}
