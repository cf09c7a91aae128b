/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/sync.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "p2v/core/stop.h"

struct syncer {
	struct recv_disk *disk;
	pthread_t thread;
	bool busy; /* the noting thread's */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	enum { SYNC_IDLE, SYNC_ASKED, SYNC_DONE, SYNC_LEAVE } state;
	int r;
	struct p2v_err err;
};

static void *syncer_run(void *arg)
{
	struct syncer *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct p2v_err err = {0};
		int r;

		while (s->state == SYNC_IDLE || s->state == SYNC_DONE)
			pthread_cond_wait(&s->changed, &s->lock);
		if (s->state == SYNC_LEAVE)
			break;
		pthread_mutex_unlock(&s->lock);
		r = recv_disk_settle(s->disk, &err);
		pthread_mutex_lock(&s->lock);
		s->r = r;
		s->err = err;
		if (s->state == SYNC_ASKED)
			s->state = SYNC_DONE;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int recv_syncer_new(struct recv_disk *disk, struct syncer **ret, struct p2v_err *err)
{
	struct syncer *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;

	if (!s)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	s->disk = disk;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&s->thread, NULL, syncer_run, s) != 0) {
		free(s);
		return p2v_err_set(err, P2V_ENOMEM, "no thread to flush with");
	}
	*ret = s;
	return 0;
}

static void state_set(struct syncer *s, int state)
{
	pthread_mutex_lock(&s->lock);
	s->state = state;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void recv_syncer_free(struct syncer *s)
{
	if (!s)
		return;
	state_set(s, SYNC_LEAVE);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

bool recv_syncer_busy(const struct syncer *s)
{
	return s->busy;
}

void recv_syncer_begin(struct syncer *s)
{
	recv_disk_sync_begin(s->disk);
	s->busy = true;
	state_set(s, SYNC_ASKED);
}

int recv_syncer_end(struct syncer *s, unsigned wait_ms, struct p2v_err *err)
{
	uint64_t until_ms = p2v_now_ms() + wait_ms;
	const struct timespec until = {
		(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (s->state == SYNC_ASKED && p2v_now_ms() < until_ms)
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
	if (s->state == SYNC_DONE) {
		s->state = SYNC_IDLE;
		s->busy = false;
		r = s->r < 0 ? s->r : 1;
		if (r < 0 && err)
			*err = s->err;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}
