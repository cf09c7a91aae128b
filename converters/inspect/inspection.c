/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/inspection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"

int inspect_note(struct inspection *in, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Some files are read more than once. */
	for (size_t i = 0; i < in->facts->n_notes; i++)
		if (strcmp(in->facts->notes[i], text) == 0)
			return 0;
	return p2v_json_add_str(&in->facts->notes, &in->facts->n_notes, text, in->err);
}

int inspect_set(struct inspection *in, char **to, const char *text)
{
	return inspect_set_span(in, to, p2v_span_str(text));
}

int inspect_set_span(struct inspection *in, char **to, struct p2v_span s)
{
	char *copy = p2v_span_dup(s);

	if (!copy)
		return p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	free(*to);
	*to = copy;
	return 0;
}

int inspect_add_str(struct inspection *in, char ***items, size_t *n_items, const char *text)
{
	return p2v_json_add_str(items, n_items, text, in->err);
}

void *inspect_grow(struct inspection *in, void **items, size_t *n_items, size_t size)
{
	void *item = p2v_json_grow(items, n_items, size);

	if (!item)
		p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	return item;
}

const struct guest_dirent *inspect_dir_find(const struct guest_dir *d, const char *name)
{
	for (size_t i = 0; i < d->n_entries; i++)
		if (strcmp(d->entries[i].name, name) == 0)
			return &d->entries[i];
	return NULL;
}

bool inspect_may_exist(const struct inspection *in, const char *path)
{
	char first[256];
	size_t n;

	if (strncmp(path, "/etc/", 5) != 0)
		return true;
	n = strcspn(path + 5, "/");
	if (n >= sizeof(first))
		return false;
	memcpy(first, path + 5, n);
	first[n] = '\0';
	return inspect_dir_find(&in->etc, first);
}

/* What an unfit or absent file means: 0 to go on without it, else the error. */
static int judge(struct inspection *in, int r, enum inspect_need need, const struct p2v_err *why)
{
	if (r == P2V_ENOTFOUND)
		return 0;
	if (r == P2V_EFORMAT && need == INSPECT_OPTIONAL)
		return inspect_note(in, "%s; passed over", why->text);
	return p2v_err_set(in->err, r, "%s", why->text);
}

int inspect_text(
	struct inspection *in, const char *path, enum inspect_need need, struct p2v_buf *ret)
{
	struct p2v_err why = {0};
	int r;

	if (!inspect_may_exist(in, path))
		return 0;
	r = guest_read_file(in->g, path, INSPECT_TEXT_MAX, ret, &why);
	if (r < 0)
		return judge(in, r, need, &why);
	r = p2v_buf_check(ret, in->err);
	return r < 0 ? r : 1;
}

int inspect_list(
	struct inspection *in, const char *path, const char *pattern, struct guest_dir *ret)
{
	struct p2v_err why = {0};
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!inspect_may_exist(in, path))
		return 0;
	r = guest_list_dir(in->g, path, pattern, INSPECT_LIST_MAX, ret, &why);
	return r < 0 ? judge(in, r, INSPECT_OPTIONAL, &why) : 0;
}
