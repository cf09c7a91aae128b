/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/catalog/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/archive/iso.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

static bool ends(const char *path, const char *suffix)
{
	size_t n = strlen(path), k = strlen(suffix);

	return n > k && strcasecmp(path + n - k, suffix) == 0;
}

bool source_wants(const char *path, uint64_t size_bytes)
{
	if (ends(path, ".inf"))
		return size_bytes <= CATALOG_MAX_INF_BYTES;
	return (ends(path, ".sys") || ends(path, ".cat")) && size_bytes <= CATALOG_MAX_FILE_BYTES;
}

static int keep_bytes(struct catalog_source *s, struct source_member *m,
	const struct p2v_buf *bytes, struct p2v_err *err)
{
	if (ends(m->path, ".sys")) {
		m->is_pe = pe_read(bytes->data, bytes->len, &m->pe, NULL) == 0;
		return 0;
	}
	if (ends(m->path, ".cat")) {
		struct p2v_span certificate;

		pe_publisher_of(bytes->data, bytes->len, &m->publisher, &certificate);
		return 0;
	}
	s->inf_bytes += bytes->len;
	if (s->inf_bytes > SOURCE_MAX_INF_TOTAL)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu bytes of .inf files",
			SOURCE_MAX_INF_TOTAL);
	p2v_buf_add(&m->text, bytes->data, bytes->len);
	return p2v_buf_check(&m->text, err);
}

int source_add(struct catalog_source *s, const char *path, uint64_t size_bytes, const char *same_as,
	const struct p2v_buf *bytes, struct p2v_err *err)
{
	struct source_member *m;

	if (s->n_members == CATALOG_MAX_MEMBERS)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu files", CATALOG_MAX_MEMBERS);
	m = p2v_json_grow((void **)&s->members, &s->n_members, sizeof(*m));
	if (!m)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	m->size_bytes = size_bytes;
	m->path = strdup(path);
	m->twin = same_as ? strdup(same_as) : NULL;
	if (!m->path || (same_as && !m->twin))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return bytes ? keep_bytes(s, m, bytes, err) : 0;
}

static int by_path(const void *a, const void *b)
{
	const struct source_member *x = a, *y = b;
	int order = strcasecmp(x->path, y->path);

	return order ? order : strcmp(x->path, y->path);
}

static int open_medium(
	struct catalog_source *s, const char *path, char **ret_label, struct p2v_err *err)
{
	struct stat st;
	int rc;

	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return p2v_err_errno(err, errno, "open");
	s->is_iso = !S_ISDIR(st.st_mode);
	if (s->is_iso)
		rc = archive_iso_label(s->fd, ret_label, err);
	else
		rc = (*ret_label = strdup("")) ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (rc == 0)
		rc = s->is_iso ? source_iso_list(s, err) : source_dir_list(s, err);
	return rc;
}

int source_open(
	const char *path, struct catalog_source **ret, char **ret_label, struct p2v_err *err)
{
	p2v_auto(source_free) struct catalog_source *s = calloc(1, sizeof(*s));
	p2v_autofree char *label = NULL;
	int rc;

	if (!s)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = open_medium(s, path, &label, err);
	if (rc < 0)
		return rc;
	if (s->n_members)
		qsort(s->members, s->n_members, sizeof(*s->members), by_path);
	*ret_label = p2v_steal(label);
	*ret = p2v_steal(s);
	return 0;
}

void source_free(struct catalog_source *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_members; i++) {
		free(s->members[i].path);
		free(s->members[i].twin);
		p2v_buf_finish(&s->members[i].text);
	}
	free(s->members);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static const struct source_member *find_path(const struct catalog_source *s, char *path)
{
	const struct source_member key = {.path = path}, *first = NULL;
	size_t low = 0, high = s->n_members;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcasecmp(s->members[mid].path, key.path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	/* Of several that differ in letter case only, the one that is written so. */
	for (; low < s->n_members && strcasecmp(s->members[low].path, path) == 0; low++) {
		if (strcmp(s->members[low].path, path) == 0)
			return &s->members[low];
		if (!first)
			first = &s->members[low];
	}
	return first;
}

const struct source_member *source_find(
	const struct catalog_source *s, struct p2v_span dir, const char *name)
{
	p2v_autofree char *path =
		p2v_strf("%.*s%s%s", (int)dir.n, dir.p ? dir.p : "", dir.n ? "/" : "", name);

	return path ? find_path(s, path) : NULL;
}

const struct source_member *source_body(
	const struct catalog_source *s, const struct source_member *m)
{
	const struct source_member *body = m->twin ? find_path(s, m->twin) : m;

	return body && !body->twin ? body : NULL;
}

int source_read(const struct catalog_source *s, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err)
{
	const struct source_member *m = source_find(s, (struct p2v_span){0}, path);
	int rc;

	if (m)
		m = source_body(s, m);
	if (!m)
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: not on the medium", path);
	if (m->size_bytes > max_bytes)
		return p2v_err_set(err, P2V_EFORMAT, "%s: larger than %zu bytes", path, max_bytes);
	rc = s->is_iso ? source_iso_read(s, m->path, max_bytes, ret, err)
		       : source_dir_read(s, m->path, max_bytes, ret, err);
	return rc < 0 ? p2v_err_wrap(err, rc, "%s", path) : 0;
}
