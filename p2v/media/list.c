/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/archive/cpio.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/media/parts.h"

#define FILE_MAX_BYTES ((size_t)256 << 20)

static int add(struct media_list *l, const struct media_entry *e, struct p2v_err *err)
{
	struct media_entry *slot = NULL;
	bool whole = e->path && (e->from || e->bytes || S_ISDIR(e->mode));

	if (whole)
		slot = p2v_json_grow((void **)&l->items, &l->n_items, sizeof(*slot));
	if (slot) {
		*slot = *e;
		return 0;
	}
	free(e->path);
	free(e->from);
	free(e->bytes);
	return p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int media_list_add_file(struct media_list *l, const char *path, const char *from, uint32_t mode,
	struct p2v_err *err)
{
	const struct media_entry e = {
		.path = strdup(path), .from = strdup(from), .mode = S_IFREG | mode};

	return add(l, &e, err);
}

int media_list_add_bytes(struct media_list *l, const char *path, const void *bytes, size_t n,
	uint32_t mode, struct p2v_err *err)
{
	struct media_entry e = {
		.path = strdup(path), .bytes = calloc(1, n + 1), .n = n, .mode = S_IFREG | mode};

	if (e.bytes && n)
		memcpy(e.bytes, bytes, n);
	return add(l, &e, err);
}

int media_list_add_link(
	struct media_list *l, const char *path, const char *target, struct p2v_err *err)
{
	const struct media_entry e = {.path = strdup(path),
		.bytes = strdup(target),
		.n = strlen(target),
		.mode = S_IFLNK | 0777};

	return add(l, &e, err);
}

int media_list_add_directory(struct media_list *l, const char *path, struct p2v_err *err)
{
	const struct media_entry e = {.path = strdup(path), .mode = S_IFDIR | 0755};

	return add(l, &e, err);
}

bool media_list_has(const struct media_list *l, const char *path)
{
	for (size_t i = 0; i < l->n_items; i++)
		if (strcmp(l->items[i].path, path) == 0)
			return true;
	return false;
}

static int by_path(const void *a, const void *b)
{
	const struct media_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int parents_add(struct media_list *l, struct p2v_err *err)
{
	size_t n = l->n_items;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		for (const char *at = strchr(l->items[i].path, '/'); r == 0 && at;
			at = strchr(at + 1, '/')) {
			const struct media_entry dir = {
				.path = strndup(l->items[i].path, (size_t)(at - l->items[i].path)),
				.mode = S_IFDIR | 0755};

			r = add(l, &dir, err);
		}
	return r;
}

static void entry_finish(struct media_entry *e)
{
	free(e->path);
	free(e->from);
	free(e->bytes);
}

static void doubles_drop(struct media_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_items; i++) {
		if (n && strcmp(l->items[n - 1].path, l->items[i].path) == 0)
			entry_finish(&l->items[i]);
		else
			l->items[n++] = l->items[i];
	}
	l->n_items = n;
}

static int contents_read(struct media_list *l, struct p2v_err *err)
{
	for (size_t i = 0; i < l->n_items; i++) {
		struct media_entry *e = &l->items[i];
		struct p2v_buf buf = {0};
		int r;

		if (!e->from)
			continue;
		r = p2v_file_read(e->from, FILE_MAX_BYTES, &buf, err);
		e->n = buf.len;
		e->bytes = r == 0 ? p2v_buf_take_str(&buf) : NULL;
		if (!e->bytes) {
			p2v_buf_finish(&buf);
			return r < 0 ? r : p2v_err_set(err, P2V_ENOMEM, "out of memory");
		}
	}
	return 0;
}

int media_list_pack(struct media_list *l, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autofree struct archive_file *files = NULL;
	int r = parents_add(l, err);

	if (r < 0)
		return r;
	qsort(l->items, l->n_items, sizeof(*l->items), by_path);
	doubles_drop(l);
	r = contents_read(l, err);
	files = r == 0 ? calloc(l->n_items + 1, sizeof(*files)) : NULL;
	if (r == 0 && !files)
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->n_items; i++)
		files[i] = (struct archive_file){
			l->items[i].path, l->items[i].mode, l->items[i].bytes, l->items[i].n};
	return archive_cpio_pack(files, l->n_items, ARCHIVE_PLAIN, ret, err);
}

void media_list_finish(struct media_list *l)
{
	for (size_t i = 0; i < l->n_items; i++)
		entry_finish(&l->items[i]);
	free(l->items);
	memset(l, 0, sizeof(*l));
}
