/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No call of libguestfs has an end of its own: an appliance that hangs hangs us, be it for a broken
 * KVM or for a file system that was made to have its kernel loop. So a second thread watches the
 * clock as long as the door is open, and ends the QEMU that the launch started, and only that one:
 * it is a child of the launching thread that was not there before. Then each call fails. The same
 * on a stop request: what the appliance was doing is thrown away anyway. And the same where the
 * host has no room for what the guest writes: QEMU then pauses the appliance, for ever.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"
#include "p2v/guest/fs-door.h"

#define MAX_CHILDREN 64
#define ROOM_BYTES   ((uint64_t)1 << 20) /* less is none */
#define ROOM_MS	     5000		 /* a call that takes so long may be a paused one */

struct children {
	pid_t pids[MAX_CHILDREN];
	size_t n;
};

struct fs_watch {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool finished;
	int limit_ms;	   /* of the call that is under way: the launch first */
	uint64_t began_ms; /* the last call of libguestfs */
	pid_t launcher;	   /* thread id */
	struct children before;
	int ended;     /* 0, or the kind why QEMU was ended */
	char *written; /* the first disk, where it is written; else NULL */
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

static void end_qemu(const struct fs_watch *w)
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

static bool lacks_room(const struct fs_watch *w)
{
	struct statvfs vfs;
	uint64_t blocks;

	if (!w->written || p2v_now_ms() < w->began_ms + ROOM_MS || statvfs(w->written, &vfs) < 0)
		return false;
	/* Root may use what is reserved. */
	blocks = geteuid() == 0 ? vfs.f_bfree : vfs.f_bavail;
	return blocks * vfs.f_frsize < ROOM_BYTES;
}

static int why_end(const struct fs_watch *w)
{
	if (p2v_stop_requested())
		return P2V_ECANCELED;
	if (p2v_now_ms() >= w->began_ms + (uint64_t)w->limit_ms)
		return P2V_ETIMEDOUT;
	return lacks_room(w) ? P2V_ENOSPC : 0;
}

static void *watch_clock(void *arg)
{
	struct fs_watch *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->finished) {
		struct timespec at;

		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_sec++;
		pthread_cond_timedwait(&w->done, &w->lock, &at);
		if (w->finished)
			break;
		if (!w->ended)
			w->ended = why_end(w);
		/* Again each second: QEMU may be started late. */
		if (w->ended)
			end_qemu(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void call_begins(guestfs_h *h, void *opaque, uint64_t event, int event_handle, int flags,
	const char *buf, size_t buf_len, const uint64_t *array, size_t array_len)
{
	struct fs_watch *w = opaque;

	(void)h;
	(void)event;
	(void)event_handle;
	(void)flags;
	(void)buf;
	(void)buf_len;
	(void)array;
	(void)array_len;
	pthread_mutex_lock(&w->lock);
	w->began_ms = p2v_now_ms();
	pthread_mutex_unlock(&w->lock);
}

static int watch_start(struct fs_door *d, int limit_ms, const char *written, struct p2v_err *err)
{
	struct fs_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w || (written && !(w->written = strdup(written)))) {
		free(w);
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	w->limit_ms = limit_ms;
	w->began_ms = p2v_now_ms();
	w->launcher = (pid_t)syscall(SYS_gettid);
	list_children(w->launcher, &w->before);
	rc = pthread_create(&w->thread, NULL, watch_clock, w);
	if (rc != 0) {
		free(w->written);
		free(w);
		return p2v_err_errno(err, rc, "start a thread");
	}
	d->watch = w;
	guestfs_set_private(d->h, FS_WATCH, w);
	return 0;
}

void fs_watch_stop(struct fs_door *d)
{
	struct fs_watch *w = d->watch;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->finished = true;
	pthread_cond_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->lock);
	free(w->written);
	free(w);
	d->watch = NULL;
}

int fs_watch_check(guestfs_h *h, struct p2v_err *err)
{
	struct fs_watch *w = guestfs_get_private(h, FS_WATCH);
	int ended, limit_s;

	if (!w)
		return 0;
	pthread_mutex_lock(&w->lock);
	ended = w->ended;
	limit_s = w->limit_ms / 1000;
	pthread_mutex_unlock(&w->lock);
	if (ended == P2V_ECANCELED)
		return p2v_err_set(err, ended, "interrupted");
	if (ended == P2V_ENOSPC)
		return p2v_err_set(err, ended, "%s: no space is left beside it", w->written);
	return ended ? p2v_err_set(err, ended,
			       "libguestfs: the appliance did not answer within %d s, and was "
			       "ended",
			       limit_s)
		     : 0;
}

int fs_launch(
	struct fs_door *d, int launch_ms, int call_ms, const char *written, struct p2v_err *err)
{
	int rc = watch_start(d, launch_ms, written, err);

	if (rc < 0)
		return rc;
	if (guestfs_launch(d->h) < 0)
		return fs_err(d->h, err, "libguestfs: start the appliance");
	pthread_mutex_lock(&d->watch->lock);
	d->watch->limit_ms = call_ms;
	pthread_mutex_unlock(&d->watch->lock);
	if (guestfs_set_event_callback(d->h, call_begins, GUESTFS_EVENT_ENTER, 0, d->watch) < 0)
		return fs_err(d->h, err, "libguestfs: watch its calls");
	call_begins(NULL, d->watch, 0, 0, 0, NULL, 0, NULL, 0);
	return 0;
}
