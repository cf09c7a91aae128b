/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/stop.h"

#define STDOUT_MAX ((size_t)64 << 20)
#define STDERR_MAX ((size_t)64 << 10)
#define SLICE_MS   100
#define GRACE_MS   2000

/* One run under way. */
struct run {
	const char *program;
	pid_t pid;
	int pidfd; /* -1 where the kernel has none: the slices then do */
	int in_fd;
	int out[2], err[2]; /* pipes; [0] is ours */
	struct p2v_buf out_text, err_text;
	bool out_cut;
	uint64_t deadline_ms; /* UINT64_MAX: none */
};

static void run_finish(struct run *r)
{
	p2v_proc_stop(r->pid, GRACE_MS);
	for (int i = 0; i < 2; i++) {
		p2v_cleanup_close(&r->out[i]);
		p2v_cleanup_close(&r->err[i]);
	}
	p2v_cleanup_close(&r->pidfd);
	p2v_cleanup_close(&r->in_fd);
	p2v_buf_finish(&r->out_text);
	p2v_buf_finish(&r->err_text);
}

/* stdin as a file in memory: nothing to feed while the program runs, and no SIGPIPE. */
static int run_input(struct run *r, const void *in, size_t n, struct p2v_err *err)
{
	const uint8_t *p = in;

	if (!in)
		return 0;
	r->in_fd = memfd_create("p2v-stdin", MFD_CLOEXEC);
	if (r->in_fd < 0)
		return p2v_err_errno(err, errno, "%s: stdin", r->program);
	while (n > 0) {
		ssize_t done = write(r->in_fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return p2v_err_errno(err, errno, "%s: stdin", r->program);
		p += done;
		n -= (size_t)done;
	}
	lseek(r->in_fd, 0, SEEK_SET);
	return 0;
}

static int run_start(struct run *r, const char *const *argv, struct p2v_err *err)
{
	struct p2v_proc_spec spec = {.argv = argv, .stdin_fd = r->in_fd};
	int rc;

	if (pipe2(r->out, O_CLOEXEC) < 0 || pipe2(r->err, O_CLOEXEC) < 0)
		return p2v_err_errno(err, errno, "%s: pipe", r->program);
	fcntl(r->out[0], F_SETFL, O_NONBLOCK);
	fcntl(r->err[0], F_SETFL, O_NONBLOCK);
	spec.stdout_fd = r->out[1];
	spec.stderr_fd = r->err[1];
	rc = p2v_proc_start(&spec, &r->pid, err);
	if (rc < 0)
		return rc;
	r->pidfd = pidfd_open(r->pid, 0);
	close(p2v_steal_fd(&r->out[1]));
	close(p2v_steal_fd(&r->err[1]));
	return 0;
}

static void out_take(struct run *r, const uint8_t *bytes, size_t n)
{
	size_t room = STDOUT_MAX - r->out_text.len;

	r->out_cut |= n > room;
	p2v_buf_add(&r->out_text, bytes, n < room ? n : room);
}

/* Keeps the newest: the last line is the one that tells. */
static void err_take(struct run *r, const uint8_t *bytes, size_t n)
{
	struct p2v_buf *text = &r->err_text;
	size_t drop = text->len + n > STDERR_MAX ? text->len + n - STDERR_MAX : 0;

	if (drop) {
		memmove(text->data, text->data + drop, text->len - drop);
		text->len -= drop;
	}
	p2v_buf_add(text, bytes, n);
}

/* Reads what there is now; closes at the end. */
static void drain(struct run *r, int *fd, void (*take)(struct run *, const uint8_t *, size_t))
{
	uint8_t chunk[16384];

	while (*fd >= 0) {
		ssize_t n = read(*fd, chunk, sizeof(chunk));

		if (n > 0)
			take(r, chunk, (size_t)n);
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0 && errno == EAGAIN)
			return;
		else
			close(p2v_steal_fd(fd));
	}
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* Gathers until the program has ended. A grandchild that keeps the pipes open is not waited for. */
static int run_gather(struct run *r, struct p2v_err *err)
{
	for (bool ended = false; !ended;) {
		struct pollfd fds[] = {
			{r->out[0], POLLIN, 0}, {r->err[0], POLLIN, 0}, {r->pidfd, POLLIN, 0}};
		uint64_t now = p2v_now_ms();

		if (p2v_stop_requested())
			return p2v_stop_check(err);
		if (now >= r->deadline_ms)
			return p2v_err_set(err, P2V_ETIMEDOUT, "took too long and was stopped");
		poll(fds, P2V_N(fds),
			r->deadline_ms - now < SLICE_MS ? (int)(r->deadline_ms - now) : SLICE_MS);
		/* First the end, then the pipes: what it wrote before it ended is there. */
		ended = has_ended(r->pid);
		drain(r, &r->out[0], out_take);
		drain(r, &r->err[0], err_take);
	}
	return 0;
}

/* The last line that is not blank, NUL-terminated in place; "" where there is none. */
static const char *last_line(struct p2v_buf *text)
{
	char *line;

	p2v_buf_add(text, "", 0);
	if (!text->data)
		return "";
	while (text->len && strchr(" \t\r\n", text->data[text->len - 1]))
		text->data[--text->len] = '\0';
	line = memrchr(text->data, '\n', text->len);
	return line ? line + 1 : (char *)text->data;
}

static int run_judge(struct run *r, int status, struct p2v_err *err)
{
	const char *line = last_line(&r->err_text);
	char how[P2V_PROC_TEXT];

	if (status != 0)
		return p2v_err_set(err, P2V_EIO, "%s%s%.400s", p2v_proc_status_text(status, how),
			*line ? ": " : "", line);
	if (r->out_cut)
		return p2v_err_set(err, P2V_EFORMAT, "wrote more than 64 MiB");
	p2v_buf_add(&r->out_text, "", 0);
	return p2v_buf_check(&r->out_text, err);
}

int p2v_proc_run(const char *const *argv, const void *in, size_t n, int timeout_ms,
	struct p2v_buf *ret_out, struct p2v_err *err)
{
	__attribute__((cleanup(run_finish))) struct run r = {.program = argv[0],
		.pidfd = -1,
		.in_fd = -1,
		.out = {-1, -1},
		.err = {-1, -1},
		.deadline_ms = timeout_ms < 0 ? UINT64_MAX : p2v_now_ms() + (uint64_t)timeout_ms};
	int status = 0, rc = run_input(&r, in, n, err);

	if (rc == 0)
		rc = run_start(&r, argv, err);
	if (rc < 0)
		return rc;
	rc = run_gather(&r, err);
	if (rc == 0)
		rc = p2v_proc_wait(r.pid, -1, &status, err);
	if (rc < 0)
		return p2v_err_wrap(err, rc, "%s", r.program);
	r.pid = 0;
	rc = run_judge(&r, status, err);
	if (rc < 0)
		return p2v_err_wrap(err, rc, "%s", r.program);
	if (ret_out) {
		p2v_buf_finish(ret_out);
		*ret_out = r.out_text;
		r.out_text = (struct p2v_buf){0};
	}
	return 0;
}
