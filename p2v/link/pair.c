/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two ends in one process: a socket pair, with a cable that can be cut. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p2v/core/num.h"
#include "p2v/link/link.h"

/* What both ends know; the last one out frees it. */
struct cable {
	atomic_bool cut;
	atomic_int ends;
};

struct pair_link {
	struct link link;
	struct link *inner;
	int fd;		     /* the inner link's */
	uint64_t left_bytes; /* until the cut */
	struct cable *cable;
};

static struct pair_link *pair_of(struct link *l)
{
	return (struct pair_link *)l;
}

static int cut_error(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ELINK, "the line was cut");
}

static int pair_read(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err)
{
	struct pair_link *p = pair_of(l);
	int r = p->inner->ops->read(p->inner, buf, n, ret_n, err);

	/* A cut is no orderly end. */
	if (r == 0 && *ret_n == 0 && atomic_load(&p->cable->cut))
		return cut_error(err);
	return r;
}

static int pair_write(struct link *l, const void *buf, size_t n, struct p2v_err *err)
{
	struct pair_link *p = pair_of(l);
	size_t part = p2v_min_u64(n, p->left_bytes);
	int r = part ? p->inner->ops->write(p->inner, buf, part, err) : 0;

	if (r < 0)
		return r;
	p->left_bytes -= part;
	if (part == n)
		return 0;
	atomic_store(&p->cable->cut, true);
	shutdown(p->fd, SHUT_RDWR);
	return cut_error(err);
}

static int pair_wait(struct link *l, int timeout_ms, struct p2v_err *err)
{
	struct pair_link *p = pair_of(l);

	return p->inner->ops->wait(p->inner, timeout_ms, err);
}

static int pair_shutdown_write(struct link *l, struct p2v_err *err)
{
	struct pair_link *p = pair_of(l);

	return p->inner->ops->shutdown_write(p->inner, err);
}

static void pair_cancel(struct link *l)
{
	link_cancel(pair_of(l)->inner);
}

static void pair_fds(struct link *l, int *ret_in, int *ret_out)
{
	*ret_in = *ret_out = pair_of(l)->fd;
}

static void pair_close(struct link *l)
{
	struct pair_link *p = pair_of(l);

	link_free(p->inner);
	if (atomic_fetch_sub(&p->cable->ends, 1) == 1)
		free(p->cable);
	free(p);
}

static const struct link_ops pair_ops = {
	.read = pair_read,
	.write = pair_write,
	.wait = pair_wait,
	.shutdown_write = pair_shutdown_write,
	.cancel = pair_cancel,
	.fds = pair_fds,
	.close = pair_close,
};

/* Takes fd; on success also a share of the cable. */
static int end_new(const char *name, int fd, uint64_t left_bytes, struct cable *cable,
	struct link **ret, struct p2v_err *err)
{
	struct pair_link *p = calloc(1, sizeof(*p));
	struct link *inner = NULL;
	int r = link_fd_new(name, fd, fd, &inner, err);

	if (r == 0 && !p)
		r = p2v_err_set(err, P2V_ENOMEM, "%s: no memory", name);
	if (r == 0)
		r = link_setup(&p->link, &pair_ops, name, err);
	if (r < 0) {
		link_free(inner);
		free(p);
		return r;
	}
	p->inner = inner;
	p->fd = fd;
	p->left_bytes = left_bytes;
	p->cable = cable;
	atomic_fetch_add(&cable->ends, 1);
	*ret = &p->link;
	return 0;
}

int link_pair_new(const struct link_pair_cut *cut, struct link **ret_a, struct link **ret_b,
	struct p2v_err *err)
{
	struct link_pair_cut never = {UINT64_MAX, UINT64_MAX};
	struct cable *cable = calloc(1, sizeof(*cable));
	struct link *a = NULL, *b = NULL;
	int fds[2], r;

	if (!cable)
		return p2v_err_set(err, P2V_ENOMEM, "no memory for a pair of links");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		r = p2v_err_errno(err, errno, "socketpair");
		free(cable);
		return r;
	}
	cut = cut ? cut : &never;
	r = end_new("pair-a", fds[0], cut->a_to_b_bytes, cable, &a, err);
	if (r < 0) {
		close(fds[1]);
		free(cable);
		return r;
	}
	r = end_new("pair-b", fds[1], cut->b_to_a_bytes, cable, &b, err);
	if (r < 0) {
		link_free(a); /* the last end: frees the cable */
		return r;
	}
	*ret_a = a;
	*ret_b = b;
	return 0;
}
