/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guestfs_launch has no end of its own: an appliance that hangs (a broken KVM) hangs us. So a
 * second thread watches the clock and ends the QEMU that this launch started, and only that one: it
 * is a child of the launching thread that was not there before.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"
#include "p2v/guest/fs-door.h"

#define MAX_CHILDREN 64

struct children {
	pid_t pids[MAX_CHILDREN];
	size_t n;
};

struct watch {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool finished;
	int timeout_ms;
	pid_t launcher; /* thread id */
	struct children before;
	int ended; /* 0, or the kind why QEMU was ended */
};

static void list_children(pid_t thread, struct children *ret)
{
	char path[64];
	FILE *f;
	int pid;

	ret->n = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)thread);
	f = fopen(path, "re");
	if (!f)
		return;
	while (ret->n < MAX_CHILDREN && fscanf(f, "%d", &pid) == 1)
		ret->pids[ret->n++] = pid;
	fclose(f);
}

static bool is_qemu(pid_t pid)
{
	p2v_autofclose FILE *f = NULL;
	char path[64], comm[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	return f && fgets(comm, sizeof(comm), f) && strncmp(comm, "qemu", 4) == 0;
}

static void end_qemu(const struct watch *w)
{
	struct children now;

	list_children(w->launcher, &now);
	for (size_t i = 0; i < now.n; i++) {
		bool old = false;

		for (size_t k = 0; k < w->before.n; k++)
			old = old || w->before.pids[k] == now.pids[i];
		if (!old && is_qemu(now.pids[i]))
			kill(now.pids[i], SIGKILL);
	}
}

static void *watch_clock(void *arg)
{
	struct watch *w = arg;
	uint64_t end_ms = p2v_now_ms() + (uint64_t)w->timeout_ms;

	pthread_mutex_lock(&w->lock);
	while (!w->finished) {
		struct timespec at;

		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_sec++;
		pthread_cond_timedwait(&w->done, &w->lock, &at);
		if (w->finished)
			break;
		if (p2v_stop_requested())
			w->ended = P2V_ECANCELED;
		else if (p2v_now_ms() >= end_ms)
			w->ended = P2V_ETIMEDOUT;
		/* Again each second: QEMU may be started late. */
		if (w->ended)
			end_qemu(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int fs_launch(guestfs_h *h, int timeout_ms, struct p2v_err *err)
{
	struct watch w = {.lock = PTHREAD_MUTEX_INITIALIZER,
		.done = PTHREAD_COND_INITIALIZER,
		.timeout_ms = timeout_ms,
		.launcher = (pid_t)syscall(SYS_gettid)};
	pthread_t thread;
	int rc;

	list_children(w.launcher, &w.before);
	rc = pthread_create(&thread, NULL, watch_clock, &w);
	if (rc != 0)
		return p2v_err_errno(err, rc, "start a thread");
	rc = guestfs_launch(h);
	pthread_mutex_lock(&w.lock);
	w.finished = true;
	pthread_cond_signal(&w.done);
	pthread_mutex_unlock(&w.lock);
	pthread_join(thread, NULL);
	if (rc == 0)
		return 0;
	if (w.ended == P2V_ECANCELED)
		return p2v_err_set(err, P2V_ECANCELED, "interrupted");
	if (w.ended == P2V_ETIMEDOUT)
		return p2v_err_set(err, P2V_ETIMEDOUT,
			"libguestfs: the appliance did not start within %d s", timeout_ms / 1000);
	return fs_err(h, err, "libguestfs: start the appliance");
}
