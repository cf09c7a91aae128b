/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "drivers-inject/catalog/source.h"
#include "p2v/archive/iso.h"

static bool list_want(void *opaque, const struct archive_iso_member *m)
{
	(void)opaque;
	return source_wants(m->path, m->size_bytes);
}

static int list_take(void *opaque, const struct archive_iso_member *m, const struct p2v_buf *bytes,
	struct p2v_err *err)
{
	return source_add(opaque, m->path, m->size_bytes, m->same_as, bytes, err);
}

int source_iso_list(struct catalog_source *s, struct p2v_err *err)
{
	const struct archive_iso_wanted wanted = {.opaque = s,
		.want = list_want,
		.take = list_take,
		.max_body_bytes = CATALOG_MAX_FILE_BYTES};

	return archive_iso_read(s->fd, &wanted, err);
}

struct one_file {
	const char *path;
	struct p2v_buf *ret;
	bool found;
};

static bool one_want(void *opaque, const struct archive_iso_member *m)
{
	const struct one_file *one = opaque;

	return !one->found && strcmp(m->path, one->path) == 0;
}

/* Ends the reading as soon as the file was there. */
static int one_take(void *opaque, const struct archive_iso_member *m, const struct p2v_buf *bytes,
	struct p2v_err *err)
{
	struct one_file *one = opaque;

	(void)m;
	if (!bytes)
		return 0;
	one->found = true;
	p2v_buf_add(one->ret, bytes->data, bytes->len);
	return p2v_err_set(err, P2V_ECANCELED, "done");
}

int source_iso_read(const struct catalog_source *s, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err)
{
	struct one_file one = {.path = path, .ret = ret};
	const struct archive_iso_wanted wanted = {
		.opaque = &one, .want = one_want, .take = one_take, .max_body_bytes = max_bytes};
	int rc = archive_iso_read(s->fd, &wanted, err);

	if (one.found) {
		p2v_err_clear(err);
		return p2v_buf_check(ret, err);
	}
	return rc < 0 ? rc : p2v_err_set(err, P2V_EIO, "not on the medium any more");
}
