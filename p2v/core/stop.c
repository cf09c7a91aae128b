/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "p2v/core/cleanup.h"

/* Lock-free, so that the handler may set it and any thread may read it. */
static atomic_bool stop_flag;

static void on_stop(int signum)
{
	(void)signum;
	atomic_store(&stop_flag, true);
}

void p2v_stop_install(void)
{
	/* No SA_RESTART: a blocked read or wait has to come back so that its loop can ask.
	 * SA_RESETHAND: the second Ctrl-C finds the default action. */
	static const struct {
		int signum, flags;
	} rows[] = {{SIGINT, (int)SA_RESETHAND}, {SIGTERM, 0}, {SIGHUP, 0}};

	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct sigaction action = {.sa_handler = on_stop, .sa_flags = rows[i].flags};
		struct sigaction before;

		/* nohup started us with SIGHUP ignored: keep to it. */
		if (rows[i].signum == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 &&
			before.sa_handler == SIG_IGN)
			continue;
		sigemptyset(&action.sa_mask);
		sigaction(rows[i].signum, &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

bool p2v_stop_requested(void)
{
	return atomic_load(&stop_flag);
}

int p2v_stop_check(struct p2v_err *err)
{
	return p2v_stop_requested() ? p2v_err_set(err, P2V_ECANCELED, "interrupted") : 0;
}

uint64_t p2v_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void p2v_sleep_ms(unsigned ms)
{
	uint64_t now = p2v_now_ms(), until = now + ms;

	/* In slices: the signal may come just before the sleep, or to another thread. */
	for (; now < until && !p2v_stop_requested(); now = p2v_now_ms()) {
		uint64_t slice = until - now < 50 ? until - now : 50;
		struct timespec wait = {.tv_nsec = (long)slice * 1000000};

		nanosleep(&wait, NULL);
	}
}

void p2v_now_text(char buf[32])
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
