/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/link.h"

#include <stdlib.h>
#include <string.h>

int link_setup(struct link *l, const struct link_ops *ops, const char *name, struct p2v_err *err)
{
	char *copy = strdup(name);

	if (!copy)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory", name);
	*l = (struct link){.ops = ops, .name = copy};
	return 0;
}

void link_free(struct link *l)
{
	char *name;

	if (!l)
		return;
	name = l->name;
	l->ops->close(l);
	free(name);
}

/* Puts the name before a kind's error. */
static int result(struct link *l, int r, struct p2v_err *err)
{
	return r < 0 ? p2v_err_wrap(err, r, "%s", l->name) : 0;
}

int link_read(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err)
{
	size_t got = 0;
	int r;

	if (n == 0)
		return p2v_err_set(err, P2V_EINVAL, "%s: read of no bytes", l->name);
	r = result(l, l->ops->read(l, buf, n, &got, err), err);
	if (r == 0)
		*ret_n = got;
	return r;
}

int link_read_all(struct link *l, void *buf, size_t n, struct p2v_err *err)
{
	for (size_t done = 0, got; done < n; done += got) {
		int r = link_read(l, (char *)buf + done, n - done, &got, err);

		if (r < 0)
			return r;
		if (got == 0)
			return p2v_err_set(err, P2V_ELINK,
				"%s: the far end stopped in the middle: %zu of %zu bytes came",
				l->name, done, n);
	}
	return 0;
}

int link_write(struct link *l, const void *buf, size_t n, struct p2v_err *err)
{
	return n ? result(l, l->ops->write(l, buf, n, err), err) : 0;
}

int link_wait(struct link *l, int timeout_ms, struct p2v_err *err)
{
	return result(l, l->ops->wait(l, timeout_ms, err), err);
}

int link_shutdown_write(struct link *l, struct p2v_err *err)
{
	return result(l, l->ops->shutdown_write(l, err), err);
}

void link_cancel(struct link *l)
{
	l->ops->cancel(l);
}

bool link_cpu_ns(struct link *l, uint64_t *ret_ns)
{
	if (!l->ops->cpu_ns)
		return false;
	*ret_ns = l->ops->cpu_ns(l);
	return true;
}

const char *link_words(struct link *l, char buf[LINK_WORDS_MAX])
{
	buf[0] = '\0';
	if (l->ops->words)
		l->ops->words(l, buf, LINK_WORDS_MAX);
	return buf;
}

int link_fds(struct link *l, int *ret_in, int *ret_out, struct p2v_err *err)
{
	if (!l->ops->fds)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "%s: has no descriptors", l->name);
	l->ops->fds(l, ret_in, ret_out);
	return 0;
}
