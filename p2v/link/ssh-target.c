/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-target.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"

/* RFC 1035 and useradd both stay well below. */
#define PART_MAX 255

static int target_bad(const char *text, const char *why, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EINVAL,
		"'%.300s' is not a server: %s (want [USER@]HOST[:PORT])", text, why);
}

/* A part that could be taken for an option, or that would look like something else when shown. */
static bool part_is_bad(const char *part, size_t n, const char *forbidden)
{
	if (n == 0 || n > PART_MAX || part[0] == '-')
		return true;
	for (size_t i = 0; i < n; i++)
		if (part[i] <= ' ' || part[i] > '~' || strchr(forbidden, part[i]))
			return true;
	return false;
}

/* Cuts "HOST", "HOST:PORT", "[HOST]", "[HOST]:PORT" into the host and what stands behind it. */
static bool host_cut(const char *text, const char **ret_host, size_t *ret_n, const char **ret_rest)
{
	const char *colon = strchr(text, ':');
	const char *close;

	if (text[0] == '[') {
		close = strchr(text, ']');
		if (!close)
			return false;
		*ret_host = text + 1;
		*ret_n = (size_t)(close - text - 1);
		*ret_rest = close + 1;
		return true;
	}
	/* Two colons and no bracket: all of it is an IPv6 address. */
	if (colon && strchr(colon + 1, ':'))
		colon = NULL;
	*ret_host = text;
	*ret_n = colon ? (size_t)(colon - text) : strlen(text);
	*ret_rest = text + *ret_n;
	return true;
}

int link_ssh_target_parse(const char *text, struct link_ssh_target *ret, struct p2v_err *err)
{
	const char *at = strrchr(text, '@'), *host, *rest;
	p2v_autofree char *user = NULL, *name = NULL;
	uint64_t port = LINK_SSH_PORT;
	size_t n;
	int r = 0;

	if (at && part_is_bad(text, (size_t)(at - text), "@:[]/"))
		return target_bad(text, "the user's name is empty or holds a byte it may not", err);
	if (!host_cut(at ? at + 1 : text, &host, &n, &rest))
		return target_bad(text, "the bracket is not closed", err);
	if (part_is_bad(host, n, "@[]/"))
		return target_bad(text, "the host is empty or holds a byte it may not", err);
	if (*rest && *rest != ':')
		return target_bad(text, "only :PORT may follow the bracket", err);
	if (*rest)
		r = p2v_num_parse(rest + 1, "port", 1, UINT16_MAX, &port, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "'%.300s'", text);
	user = at ? strndup(text, (size_t)(at - text)) : NULL;
	name = strndup(host, n);
	if (!name || (at && !user))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	*ret = (struct link_ssh_target){p2v_steal(user), p2v_steal(name), (uint16_t)port};
	return 0;
}

void link_ssh_target_finish(struct link_ssh_target *t)
{
	free(t->user);
	free(t->host);
	*t = (struct link_ssh_target){0};
}

char *link_ssh_target_text(const struct link_ssh_target *t)
{
	bool bracket = strchr(t->host, ':');

	return p2v_strf("%s%s%s%s%s:%u", t->user ? t->user : "", t->user ? "@" : "",
		bracket ? "[" : "", t->host, bracket ? "]" : "", t->port);
}
