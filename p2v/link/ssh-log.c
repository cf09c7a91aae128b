/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"
#include "p2v/link/ssh-exit.h"
#include "p2v/link/wake.h"

struct ssh_log {
	int log_pipe[2], err_pipe[2];
	int wake_fd;
	bool running; /* the thread is there to be joined */
	pthread_t thread;
	atomic_bool stopping;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct ssh_log_facts facts;
	struct ssh_words words;
	char line[1024]; /* of the client's log, so far */
	size_t n_line;
};

/* ---- what the lines mean ---- */

static void word_take(struct p2v_span *rest, char out[SSH_LOG_WORD])
{
	struct p2v_span word = {0};

	p2v_word_next(rest, &word);
	snprintf(out, SSH_LOG_WORD, "%.*s", (int)word.n, word.n ? word.p : "");
}

static void on_host_key(struct ssh_log_facts *f, struct p2v_span rest)
{
	word_take(&rest, f->key_kind);
	word_take(&rest, f->fingerprint);
}

/* "aes128-gcm@openssh.com MAC: <implicit> compression: none" */
static void on_cipher(struct ssh_log_facts *f, struct p2v_span rest)
{
	char label[SSH_LOG_WORD];

	word_take(&rest, f->cipher);
	word_take(&rest, label);
	word_take(&rest, f->mac);
}

#define FACT(member) offsetof(struct ssh_log_facts, member)
#define NO_FACT	     SIZE_MAX

/* What a line that begins so means. The first row that fits. */
static const struct line_row {
	const char *prefix;
	size_t fact; /* becomes true */
	void (*on)(struct ssh_log_facts *f, struct p2v_span rest);
	bool for_people;
} line_rows[] = {
	{"debug1: Server host key: ", NO_FACT, on_host_key, false},
	{"debug1: kex: client->server cipher: ", NO_FACT, on_cipher, false},
	{"debug1: Server accepts key: ", FACT(key_accepted), NULL, false},
	{"debug1: client_input_channel_req: channel 0 rtype exit-status", FACT(exited), NULL,
		false},
	{"debug1: client_input_channel_req: channel 0 rtype exit-signal", FACT(killed), NULL,
		false},
	{"Authenticated to ", FACT(authenticated), NULL, false},
	{"Host key verification failed", FACT(host_refused), NULL, true},
	{"exec request failed on channel", FACT(command_refused), NULL, true},
	{"debug", NO_FACT, NULL, false},
	{"OpenSSH_", NO_FACT, NULL, false},
	{"Transferred: sent ", NO_FACT, NULL, false},
	{"Bytes per second: ", NO_FACT, NULL, false},
	{"", NO_FACT, NULL, true},
};

static void line_read(struct ssh_log *log)
{
	struct ssh_log_facts *f = &log->facts;
	struct p2v_span line = p2v_span_trim(p2v_span_of(log->line, log->n_line));
	const struct line_row *row = line_rows;

	log->n_line = 0;
	if (line.n == 0)
		return;
	while (!p2v_span_starts(line, row->prefix))
		row++;
	if (row->on)
		row->on(f, p2v_span_skip(line, strlen(row->prefix)));
	if (row->fact != NO_FACT)
		*(bool *)((char *)f + row->fact) = true;
	if (row->fact == FACT(authenticated))
		log->words = (struct ssh_words){0}; /* until here it was the server's banner */
	if (row->for_people)
		snprintf(f->last, sizeof(f->last), "%.*s", (int)line.n, line.p);
}

static void log_add(struct ssh_log *log, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = bytes[i];

		if (c == '\n')
			line_read(log);
		else if (log->n_line < sizeof(log->line))
			log->line[log->n_line++] = (c >= ' ' && c <= '~') || c == '\r' ? c : '?';
	}
}

static void words_add(struct ssh_log *log, const char *bytes, size_t n)
{
	ssh_words_add(&log->words, bytes, n);
}

/* ---- the thread ---- */

static void fd_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Takes what is there; false at the end of the pipe. */
static bool pipe_drain(
	struct ssh_log *log, int fd, void (*add)(struct ssh_log *log, const char *bytes, size_t n))
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		pthread_mutex_lock(&log->lock);
		add(log, bytes, (size_t)n);
		pthread_cond_signal(&log->changed);
		pthread_mutex_unlock(&log->lock);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void *log_run(void *arg)
{
	struct ssh_log *log = arg;
	bool stop = false;

	while (!stop) {
		struct pollfd fds[3] = {{log->log_pipe[0], POLLIN, 0},
			{log->err_pipe[0], POLLIN, 0}, {log->wake_fd, POLLIN, 0}};

		poll(fds, P2V_N(fds), -1);
		/* Asked before the last look at the pipes, not after it. */
		stop = atomic_load(&log->stopping);
		if (log->log_pipe[0] >= 0 && !pipe_drain(log, log->log_pipe[0], log_add))
			fd_drop(&log->log_pipe[0]);
		if (log->err_pipe[0] >= 0 && !pipe_drain(log, log->err_pipe[0], words_add))
			fd_drop(&log->err_pipe[0]);
	}
	return NULL;
}

/* ---- its life ---- */

static int pipe_new(int fds[2], struct p2v_err *err)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return p2v_err_errno(err, errno, "pipe");
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return 0;
}

int ssh_log_new(struct ssh_log **ret, struct p2v_err *err)
{
	struct ssh_log *log = malloc(sizeof(*log));
	pthread_condattr_t monotonic;
	int r;

	if (!log)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	*log = (struct ssh_log){.log_pipe = {-1, -1}, .err_pipe = {-1, -1}};
	pthread_mutex_init(&log->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&log->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	log->wake_fd = link_wake_new(err);
	r = log->wake_fd < 0 ? log->wake_fd : pipe_new(log->log_pipe, err);
	if (r == 0)
		r = pipe_new(log->err_pipe, err);
	if (r == 0 && pthread_create(&log->thread, NULL, log_run, log) != 0)
		r = p2v_err_set(err, P2V_ENOMEM, "no thread for the SSH client's log");
	if (r < 0) {
		ssh_log_free(log);
		return r;
	}
	log->running = true;
	*ret = log;
	return 0;
}

void ssh_log_stop(struct ssh_log *log)
{
	if (!log->running)
		return;
	atomic_store(&log->stopping, true);
	link_wake_kick(log->wake_fd);
	pthread_join(log->thread, NULL);
	log->running = false;
}

void ssh_log_free(struct ssh_log *log)
{
	if (!log)
		return;
	ssh_log_stop(log);
	for (int i = 0; i < 2; i++) {
		fd_drop(&log->log_pipe[i]);
		fd_drop(&log->err_pipe[i]);
	}
	fd_drop(&log->wake_fd);
	pthread_cond_destroy(&log->changed);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

int ssh_log_stderr_fd(const struct ssh_log *log)
{
	return log->err_pipe[1];
}

int ssh_log_fd(const struct ssh_log *log)
{
	return log->log_pipe[1];
}

bool ssh_log_wait(struct ssh_log *log, int timeout_ms)
{
	struct timespec until;
	bool done;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&log->lock);
	while (!log->facts.authenticated && r == 0)
		r = pthread_cond_timedwait(&log->changed, &log->lock, &until);
	done = log->facts.authenticated;
	pthread_mutex_unlock(&log->lock);
	return done;
}

void ssh_log_facts(struct ssh_log *log, struct ssh_log_facts *ret)
{
	pthread_mutex_lock(&log->lock);
	*ret = log->facts;
	snprintf(ret->words, sizeof(ret->words), "%s", log->words.text);
	pthread_mutex_unlock(&log->lock);
}
