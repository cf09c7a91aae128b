/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/source/host.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

#define ATTR_MAX_BYTES 4096

static char *vpath(const struct source_host *host, const char *fmt, va_list ap)
{
	p2v_autofree char *tail = NULL;

	if (vasprintf(&tail, fmt, ap) < 0) {
		tail = NULL;
		return NULL;
	}
	return p2v_strf("%s%s", host->root, tail);
}

/* The first line, trimmed, with control bytes as blanks; empty becomes NULL. */
static char *line_of(const struct p2v_buf *raw)
{
	const char *text = (const char *)raw->data;
	size_t from = 0, to = 0;
	char *line;

	while (to < raw->len && text[to] != '\n' && text[to] != '\0')
		to++;
	while (from < to && isspace((unsigned char)text[from]))
		from++;
	while (to > from && isspace((unsigned char)text[to - 1]))
		to--;
	if (from == to)
		return NULL;
	line = strndup(text + from, to - from);
	for (char *p = line; p && *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = ' ';
	return line;
}

static char *attr_at(const char *path)
{
	p2v_autobuf struct p2v_buf raw = {0};

	if (!path || p2v_file_read(path, ATTR_MAX_BYTES, &raw, NULL) < 0)
		return NULL;
	return line_of(&raw);
}

char *source_attr(const struct source_host *host, const char *fmt, ...)
{
	p2v_autofree char *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	path = vpath(host, fmt, ap);
	va_end(ap);
	return attr_at(path);
}

uint64_t source_attr_u64(const struct source_host *host, uint64_t otherwise, const char *fmt, ...)
{
	p2v_autofree char *path = NULL, *text = NULL;
	char *end;
	uint64_t v;
	va_list ap;

	va_start(ap, fmt);
	path = vpath(host, fmt, ap);
	va_end(ap);
	text = attr_at(path);
	if (!text || !isdigit((unsigned char)text[0]))
		return otherwise;
	v = strtoull(text, &end, 0);
	return *end ? otherwise : v;
}

bool source_bytes(
	const struct source_host *host, const char *path, size_t max_bytes, struct p2v_buf *ret)
{
	p2v_autofree char *full = p2v_strf("%s%s", host->root, path);

	return full && p2v_file_read(full, max_bytes, ret, NULL) == 0;
}

char *source_resolve(const struct source_host *host, const char *fmt, ...)
{
	p2v_autofree char *path = NULL, *root = NULL, *real = NULL;
	va_list ap;
	size_t n = 0;

	va_start(ap, fmt);
	path = vpath(host, fmt, ap);
	va_end(ap);
	real = path ? realpath(path, NULL) : NULL;
	if (!real)
		return NULL;
	if (host->root[0]) {
		root = realpath(host->root, NULL);
		n = root ? strlen(root) : 0;
		if (!root || strncmp(real, root, n) != 0)
			return NULL;
	}
	return strdup(real + n);
}

bool source_exists(const struct source_host *host, const char *fmt, ...)
{
	p2v_autofree char *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	path = vpath(host, fmt, ap);
	va_end(ap);
	return path && access(path, F_OK) == 0;
}

static int name_order(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

void source_names_read(const struct source_host *host, const char *path, struct source_names *ret)
{
	p2v_autofree char *full = p2v_strf("%s%s", host->root, path);
	struct source_names names = {0};
	DIR *dir = full ? opendir(full) : NULL;
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' &&
			p2v_json_add_str(&names.items, &names.n_items, e->d_name, NULL) < 0)
			break;
	if (dir)
		closedir(dir);
	if (names.n_items)
		qsort(names.items, names.n_items, sizeof(*names.items), name_order);
	*ret = names;
}

void source_names_finish(struct source_names *names)
{
	for (size_t i = 0; i < names->n_items; i++)
		free(names->items[i]);
	free(names->items);
	memset(names, 0, sizeof(*names));
}
