/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/backend.h"

/* As many as Linux follows. */
#define MAX_LINKS 40
/* Of a path together with the links that stand in it. */
#define MAX_PATH_BYTES ((size_t)64 * 1024)

const char *guest_show(const char *path, char buf[GUEST_SHOWN])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (const unsigned char *p = (const unsigned char *)path; *p && at + 5 < GUEST_SHOWN;
		p++) {
		if (*p >= 0x20 && *p < 0x7f && *p != '\\') {
			buf[at++] = (char)*p;
			continue;
		}
		buf[at++] = '\\';
		buf[at++] = 'x';
		buf[at++] = hex[*p >> 4];
		buf[at++] = hex[*p & 15];
	}
	buf[at] = '\0';
	return buf;
}

int guest_path_check(const char *path, struct p2v_err *err)
{
	char shown[GUEST_SHOWN];

	if (path[0] != '/')
		return p2v_err_set(
			err, P2V_EINVAL, "%s: a guest path starts with /", guest_show(path, shown));
	if (strlen(path) >= PATH_MAX)
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: the path is too long", guest_show(path, shown));
	return 0;
}

char *guest_path_parent(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	if (ret_name)
		*ret_name = slash + 1;
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* What is left to walk, and what was walked: both owned. */
struct walk {
	struct guest *g;
	char *done, *rest;
	unsigned links;
};

/* Puts a link's target before the rest of the way. */
static int walk_link(struct walk *w, const char *link, struct p2v_err *err)
{
	p2v_autofree char *target = NULL;
	char *joined;
	int rc;

	if (++w->links > MAX_LINKS)
		return p2v_err_set(err, P2V_EFORMAT, "symbolic links lead round in a circle");
	rc = w->g->ops->read_link(w->g, link, &target, err);
	if (rc < 0)
		return rc;
	if (strlen(target) + strlen(w->rest) > MAX_PATH_BYTES)
		return p2v_err_set(err, P2V_EFORMAT, "symbolic links make the path too long");
	joined = p2v_strf("%s/%s", target, w->rest);
	if (!joined)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	free(w->rest);
	w->rest = joined;
	if (target[0] == '/')
		w->done[0] = '\0';
	return 0;
}

/* One name further; name points into what w->rest was. */
static int walk_name(struct walk *w, const char *name, bool last, bool follow, struct p2v_err *err)
{
	p2v_autofree char *next = p2v_strf("%s/%s", w->done, name);
	struct guest_stat st;
	int rc;

	if (!next)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (!last || follow) {
		rc = w->g->ops->stat(w->g, next, false, &st, err);
		if (rc < 0 && !(rc == P2V_ENOTFOUND && last))
			return rc;
		if (rc == 0 && st.type == GUEST_LINK)
			return walk_link(w, next, err);
		if (rc == 0 && !last && st.type != GUEST_DIR)
			return p2v_err_set(
				err, P2V_ENOTFOUND, "leads through %s", guest_type_text(st.type));
	}
	free(w->done);
	w->done = p2v_steal(next);
	return 0;
}

static int walk_step(struct walk *w, bool follow, struct p2v_err *err)
{
	char *start = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(start, "/");
	p2v_autofree char *name = strndup(start, n);
	bool last = start[n + strspn(start + n, "/")] == '\0';

	if (!name)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	memmove(w->rest, start + n, strlen(start + n) + 1);
	if (n == 0 || strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		char *slash = strrchr(w->done, '/');

		if (slash)
			*slash = '\0';
		return 0;
	}
	return walk_name(w, name, last, follow, err);
}

int guest_path_resolve(
	struct guest *g, const char *path, bool follow_last, char **ret, struct p2v_err *err)
{
	struct walk w = {.g = g, .done = strdup(""), .rest = strdup(path)};
	int rc = w.done && w.rest ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");

	while (rc == 0 && w.rest[0])
		rc = walk_step(&w, follow_last, err);
	if (rc == 0)
		*ret = w.done[0] ? p2v_steal(w.done) : strdup("/");
	free(w.done);
	free(w.rest);
	return rc;
}

int guest_path_for_backend(
	struct guest *g, const char *path, bool follow_last, char **ret, struct p2v_err *err)
{
	int rc = guest_path_check(path, err);

	if (rc < 0)
		return rc;
	if (!g->ops->follows)
		return guest_path_resolve(g, path, follow_last, ret, err);
	*ret = strdup(path);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}
