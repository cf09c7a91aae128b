/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking up a path in an image as the unpacked file system would. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/archive/initramfs.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define MAX_LINKS 40

/* The last member of exactly that path. */
static const struct archive_member *last_of(const struct archive_initramfs *a, const char *path)
{
	for (size_t i = a->n_members; i-- > 0;)
		if (strcmp(a->members[i].path, path) == 0)
			return &a->members[i];
	return NULL;
}

/* The shortest beginning of path, in whole components, that is a link; path is cut and put
 * together again on the way. NULL: none is. */
static const struct archive_member *link_in(
	const struct archive_initramfs *a, char *path, size_t *ret_n)
{
	for (char *p = path;; p++) {
		const struct archive_member *m;
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		m = last_of(a, path);
		*p = was;
		if (m && S_ISLNK(m->mode) && m->target) {
			*ret_n = (size_t)(p - path);
			return m;
		}
		if (was == '\0')
			return NULL;
	}
}

/* "lib/../usr/./x" -> "usr/x", in place. */
static void tidy(char *path)
{
	char *out = path;
	const char *p = path;

	while (*p) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 2 && memcmp(p, "..", 2) == 0) {
			while (out > path && *--out != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (out > path)
				*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n;
	}
	*out = '\0';
}

/* path with the link in its first n bytes replaced by what it points to. */
static char *relinked(const char *path, size_t n, const char *target)
{
	size_t dir = n;
	char *next;

	while (dir > 0 && path[dir - 1] != '/')
		dir--;
	if (target[0] == '/')
		dir = 0;
	next = p2v_strf("%.*s%s%s", (int)dir, path, target, path + n);
	if (next)
		tidy(next);
	return next;
}

const struct archive_member *archive_initramfs_find(
	const struct archive_initramfs *a, const char *path)
{
	p2v_autofree char *at = strdup(path + strspn(path, "/"));

	for (unsigned i = 0; at && i < MAX_LINKS; i++) {
		const struct archive_member *m;
		char *next;
		size_t n;

		if (strlen(at) > 2 * ARCHIVE_INITRAMFS_MAX_PATH)
			return NULL;
		m = link_in(a, at, &n);
		if (!m)
			return last_of(a, at);
		next = relinked(at, n, m->target);
		free(at);
		at = next;
	}
	return NULL;
}
