/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/guest/backend.h"

const char *guest_type_text(enum guest_type type)
{
	static const char *const texts[] = {
		[GUEST_FILE] = "a file",
		[GUEST_DIR] = "a directory",
		[GUEST_LINK] = "a symbolic link",
		[GUEST_CHAR] = "a character device",
		[GUEST_BLOCK] = "a block device",
		[GUEST_FIFO] = "a FIFO",
		[GUEST_SOCKET] = "a socket",
		[GUEST_OTHER] = "something unknown",
	};

	return texts[type];
}

/* Every sentence of this file starts with the path as the caller gave it. */
static int named(struct p2v_err *err, int rc, const char *path)
{
	char shown[GUEST_SHOWN];

	return rc < 0 ? p2v_err_wrap(err, rc, "%s", guest_show(path, shown)) : rc;
}

static int stat_path(struct guest *g, const char *path, bool follow, char **ret_real,
	struct guest_stat *ret, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	int rc = guest_path_for_backend(g, path, follow, &real, err);

	if (rc == 0)
		rc = g->ops->stat(g, real, follow, ret, err);
	if (rc == 0 && ret_real)
		*ret_real = p2v_steal(real);
	return rc;
}

int guest_stat(struct guest *g, const char *path, struct guest_stat *ret, struct p2v_err *err)
{
	return named(err, stat_path(g, path, true, NULL, ret, err), path);
}

int guest_lstat(struct guest *g, const char *path, struct guest_stat *ret, struct p2v_err *err)
{
	return named(err, stat_path(g, path, false, NULL, ret, err), path);
}

static bool leads_to(struct guest *g, const char *path, enum guest_type type)
{
	struct guest_stat st;

	return stat_path(g, path, true, NULL, &st, NULL) == 0 && st.type == type;
}

bool guest_exists(struct guest *g, const char *path)
{
	struct guest_stat st;

	return stat_path(g, path, true, NULL, &st, NULL) == 0;
}

bool guest_is_file(struct guest *g, const char *path)
{
	return leads_to(g, path, GUEST_FILE);
}

bool guest_is_dir(struct guest *g, const char *path)
{
	return leads_to(g, path, GUEST_DIR);
}

/* The path in the backend's terms, of a regular file that is not too large. */
static int find_file(struct guest *g, const char *path, uint64_t max_bytes, char **ret_real,
	uint64_t *ret_size, struct p2v_err *err)
{
	char limit[P2V_NUM_TEXT], size[P2V_NUM_TEXT];
	p2v_autofree char *real = NULL;
	struct guest_stat st;
	int rc = stat_path(g, path, true, &real, &st, err);

	if (rc < 0)
		return rc;
	if (st.type != GUEST_FILE)
		return p2v_err_set(err, P2V_EFORMAT, "is %s, not a file", guest_type_text(st.type));
	if (st.size_bytes > max_bytes)
		return p2v_err_set(err, P2V_EFORMAT, "is too large: %s, and at most %s are read",
			p2v_num_bytes_text(st.size_bytes, size),
			p2v_num_bytes_text(max_bytes, limit));
	*ret_real = p2v_steal(real);
	*ret_size = st.size_bytes;
	return 0;
}

static int read_found(struct guest *g, const char *path, uint64_t max_bytes, uint64_t n,
	struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	uint64_t size;
	int rc = find_file(g, path, max_bytes, &real, &size, err);

	if (rc < 0)
		return rc;
	return g->ops->read(g, real, (size_t)p2v_min_u64(size, n), ret, err);
}

int guest_read_file(struct guest *g, const char *path, uint64_t max_bytes, struct p2v_buf *ret,
	struct p2v_err *err)
{
	uint64_t max = p2v_min_u64(max_bytes, P2V_BUF_MAX - 1);

	return named(err, read_found(g, path, max, max, ret, err), path);
}

int guest_read_start(
	struct guest *g, const char *path, size_t n, struct p2v_buf *ret, struct p2v_err *err)
{
	return named(err, read_found(g, path, UINT64_MAX, n, ret, err), path);
}

int guest_download(
	struct guest *g, const char *path, uint64_t max_bytes, int fd, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	uint64_t size;
	int rc = find_file(g, path, max_bytes, &real, &size, err);

	if (rc == 0)
		rc = g->ops->download(g, real, fd, err);
	return named(err, rc, path);
}

static int read_link(struct guest *g, const char *path, char **ret, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	struct guest_stat st;
	int rc = stat_path(g, path, false, &real, &st, err);

	if (rc < 0)
		return rc;
	if (st.type != GUEST_LINK)
		return p2v_err_set(
			err, P2V_EFORMAT, "is %s, not a symbolic link", guest_type_text(st.type));
	return g->ops->read_link(g, real, ret, err);
}

int guest_read_link(struct guest *g, const char *path, char **ret, struct p2v_err *err)
{
	return named(err, read_link(g, path, ret, err), path);
}

int guest_real_path(struct guest *g, const char *path, char **ret, struct p2v_err *err)
{
	int rc = guest_path_check(path, err);

	return rc < 0 ? rc : named(err, guest_path_resolve(g, path, true, ret, err), path);
}

static int by_name(const void *a, const void *b)
{
	const struct guest_dirent *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int list_dir(struct guest *g, const char *path, const char *pattern, size_t max_entries,
	struct guest_dir *ret, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	struct guest_dir d = {0};
	struct guest_stat st;
	int rc = stat_path(g, path, true, &real, &st, err);

	if (rc < 0)
		return rc;
	if (st.type != GUEST_DIR)
		return p2v_err_set(
			err, P2V_EFORMAT, "is %s, not a directory", guest_type_text(st.type));
	rc = g->ops->list(g, real, pattern, max_entries, &d, err);
	if (rc < 0) {
		guest_dir_finish(&d);
		return rc;
	}
	if (d.n_entries > 1)
		qsort(d.entries, d.n_entries, sizeof(d.entries[0]), by_name);
	*ret = d;
	return 0;
}

int guest_list_dir(struct guest *g, const char *path, const char *pattern, size_t max_entries,
	struct guest_dir *ret, struct p2v_err *err)
{
	return named(err, list_dir(g, path, pattern, max_entries, ret, err), path);
}

void guest_dir_finish(struct guest_dir *d)
{
	for (size_t i = 0; i < d->n_entries; i++)
		free(d->entries[i].name);
	free(d->entries);
	*d = (struct guest_dir){0};
}
