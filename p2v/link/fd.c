/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/link/link.h"
#include "p2v/link/wake.h"

/* Longest single poll: a cancel ends it sooner. */
#define POLL_MS 10000

struct fd_link {
	struct link link;
	int in_fd, out_fd;	 /* out_fd -1: writing was shut down */
	int in_flags, out_flags; /* as they came; a terminal is shared with others */
	bool out_is_socket;
	int read_wake_fd, write_wake_fd;
	atomic_bool canceled;
};

static struct fd_link *fd_of(struct link *l)
{
	return (struct fd_link *)l;
}

static int canceled_check(struct fd_link *f, struct p2v_err *err)
{
	return atomic_load(&f->canceled) ? p2v_err_set(err, P2V_ECANCELED, "canceled") : 0;
}

/* Whatever the number is: to the caller, the other end is gone. */
static int lost(int errnum, const char *what, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ELINK, "%s: %s", what, strerror(errnum));
}

static int fd_read(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err)
{
	struct fd_link *f = fd_of(l);

	for (;;) {
		int r = canceled_check(f, err);
		ssize_t got;

		if (r < 0)
			return r;
		got = read(f->in_fd, buf, n);
		if (got >= 0) {
			*ret_n = (size_t)got;
			return 0;
		}
		if (errno == EAGAIN)
			link_wake_wait(f->in_fd, POLLIN, f->read_wake_fd, POLL_MS);
		else if (errno != EINTR)
			return lost(errno, "read", err);
	}
}

static ssize_t fd_put(struct fd_link *f, const void *buf, size_t n)
{
	return f->out_is_socket ? send(f->out_fd, buf, n, MSG_NOSIGNAL) : write(f->out_fd, buf, n);
}

static int fd_write(struct link *l, const void *buf, size_t n, struct p2v_err *err)
{
	struct fd_link *f = fd_of(l);

	if (f->out_fd < 0)
		return p2v_err_set(err, P2V_EINVAL, "write after the end was sent");
	for (size_t done = 0; done < n;) {
		int r = canceled_check(f, err);
		ssize_t put;

		if (r < 0)
			return r;
		put = fd_put(f, (const char *)buf + done, n - done);
		if (put >= 0)
			done += (size_t)put;
		else if (errno == EAGAIN)
			link_wake_wait(f->out_fd, POLLOUT, f->write_wake_fd, POLL_MS);
		else if (errno != EINTR)
			return lost(errno, "write", err);
	}
	return 0;
}

static int fd_wait(struct link *l, int timeout_ms, struct p2v_err *err)
{
	struct fd_link *f = fd_of(l);
	uint64_t deadline = link_deadline(timeout_ms);

	for (;;) {
		struct pollfd fd = {f->in_fd, POLLIN, 0};
		int r = canceled_check(f, err), left;

		if (r < 0)
			return r;
		if (poll(&fd, 1, 0) > 0)
			return 0;
		left = link_deadline_left(deadline, POLL_MS);
		if (left == 0)
			return p2v_err_set(err, P2V_ETIMEDOUT, "nothing came in %d ms", timeout_ms);
		link_wake_wait(f->in_fd, POLLIN, f->read_wake_fd, left);
	}
}

static void fd_drop(int fd, int flags)
{
	fcntl(fd, F_SETFL, flags);
	close(fd);
}

static int fd_shutdown_write(struct link *l, struct p2v_err *err)
{
	struct fd_link *f = fd_of(l);

	if (f->out_fd < 0)
		return 0;
	if (f->out_is_socket && shutdown(f->out_fd, SHUT_WR) < 0)
		return lost(errno, "shutdown", err);
	if (f->out_fd != f->in_fd)
		fd_drop(f->out_fd, f->out_flags);
	f->out_fd = -1;
	return 0;
}

static void fd_cancel(struct link *l)
{
	struct fd_link *f = fd_of(l);

	atomic_store(&f->canceled, true);
	link_wake_kick(f->read_wake_fd);
	link_wake_kick(f->write_wake_fd);
}

static void fd_fds(struct link *l, int *ret_in, int *ret_out)
{
	*ret_in = fd_of(l)->in_fd;
	*ret_out = fd_of(l)->out_fd;
}

static void fd_close(struct link *l)
{
	struct fd_link *f = fd_of(l);

	if (f->out_fd >= 0 && f->out_fd != f->in_fd)
		fd_drop(f->out_fd, f->out_flags);
	fd_drop(f->in_fd, f->in_flags);
	close(f->read_wake_fd);
	close(f->write_wake_fd);
	free(f);
}

static const struct link_ops fd_ops = {
	.read = fd_read,
	.write = fd_write,
	.wait = fd_wait,
	.shutdown_write = fd_shutdown_write,
	.cancel = fd_cancel,
	.fds = fd_fds,
	.close = fd_close,
};

static void fd_prepare(struct fd_link *f)
{
	struct stat st;

	f->out_is_socket = fstat(f->out_fd, &st) == 0 && S_ISSOCK(st.st_mode);
	f->in_flags = fcntl(f->in_fd, F_GETFL);
	f->out_flags = fcntl(f->out_fd, F_GETFL);
	fcntl(f->in_fd, F_SETFL, f->in_flags | O_NONBLOCK);
	fcntl(f->out_fd, F_SETFL, f->out_flags | O_NONBLOCK);
}

int link_fd_new(const char *name, int in_fd, int out_fd, struct link **ret, struct p2v_err *err)
{
	struct fd_link *f = calloc(1, sizeof(*f));
	int r = f ? 0 : p2v_err_set(err, P2V_ENOMEM, "%s: no memory", name);
	int read_wake_fd = r < 0 ? r : link_wake_new(err);
	int write_wake_fd = read_wake_fd < 0 ? read_wake_fd : link_wake_new(err);

	r = write_wake_fd < 0 ? write_wake_fd : link_setup(&f->link, &fd_ops, name, err);
	if (r < 0) {
		if (read_wake_fd >= 0)
			close(read_wake_fd);
		if (write_wake_fd >= 0)
			close(write_wake_fd);
		if (out_fd != in_fd)
			close(out_fd);
		close(in_fd);
		free(f);
		return r;
	}
	f->in_fd = in_fd;
	f->out_fd = out_fd;
	f->read_wake_fd = read_wake_fd;
	f->write_wake_fd = write_wake_fd;
	fd_prepare(f);
	*ret = &f->link;
	return 0;
}
