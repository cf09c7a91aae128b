/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/archive/iso.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define READ_BLOCK ((size_t)64 * 1024)

/* The primary volume descriptor: sector 16, "CD001" at byte 1, the label at byte 40. */
#define DESCRIPTOR_OFFSET ((off_t)16 * 2048)
#define LABEL_OFFSET	  40
#define LABEL_BYTES	  32

typedef struct archive *reader;

static void reader_free(struct archive *a)
{
	archive_read_free(a);
}
P2V_DEFINE_CLEANUP(reader, reader_free);

static int iso_error(struct archive *a, struct p2v_err *err)
{
	const char *text = archive_error_string(a);

	return p2v_err_set(err, P2V_EFORMAT, "%s: %s",
		archive_format(a) == ARCHIVE_FORMAT_CAB ? "not a cabinet that can be read"
							: "not an ISO image that can be read",
		text ? text : "not in its format");
}

int archive_iso_label(int fd, char **ret, struct p2v_err *err)
{
	char head[LABEL_OFFSET + LABEL_BYTES];
	char *label;

	if (pread(fd, head, sizeof(head), DESCRIPTOR_OFFSET) != (ssize_t)sizeof(head) ||
		memcmp(head + 1, "CD001", 5) != 0)
		return p2v_err_set(err, P2V_EFORMAT, "no ISO 9660 file system");
	label = p2v_span_dup(p2v_span_trim(p2v_span_of(head + LABEL_OFFSET, LABEL_BYTES)));
	if (!label)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (char *p = label; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	*ret = label;
	return 0;
}

/* Relative, short, and nowhere up. */
static bool path_is_sound(const char *path)
{
	struct p2v_span rest = p2v_span_str(path);

	if (rest.n == 0 || rest.n > ARCHIVE_ISO_MAX_PATH || path[0] == '/')
		return false;
	while (rest.n > 0) {
		struct p2v_span part = p2v_span_until(rest, '/', &rest);

		if (part.n == 0 || p2v_span_eq(part, ".") || p2v_span_eq(part, ".."))
			return false;
	}
	return true;
}

static int read_body(
	struct archive *a, uint64_t size, size_t max, struct p2v_buf *ret, struct p2v_err *err)
{
	if (size > max)
		return p2v_err_set(err, P2V_EFORMAT, "larger than %zu bytes", max);
	while (ret->len <= max) {
		uint8_t *to = p2v_buf_reserve(ret, READ_BLOCK);
		la_ssize_t n = to ? archive_read_data(a, to, READ_BLOCK) : -1;

		if (!to)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		if (n < 0)
			return iso_error(a, err);
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
		to[n] = '\0';
	}
	return p2v_err_set(err, P2V_EFORMAT, "larger than %zu bytes", max);
}

static int take_member(struct archive *a, struct archive_entry *entry,
	const struct archive_iso_wanted *wanted, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf body = {0};
	const char *path = archive_entry_pathname(entry);
	struct archive_iso_member m = {.path = path, .same_as = archive_entry_hardlink(entry)};
	bool want;
	int rc = 0;

	/* A directory's name, or one that no honest image has: nothing to take. */
	if (!path || !path_is_sound(path) ||
		(!m.same_as && archive_entry_filetype(entry) != AE_IFREG))
		return 0;
	if (!m.same_as && archive_entry_size(entry) > 0)
		m.size_bytes = (uint64_t)archive_entry_size(entry);
	want = !m.same_as && wanted->want(wanted->opaque, &m);
	if (want)
		rc = read_body(a, m.size_bytes, wanted->max_body_bytes, &body, err);
	if (rc == 0)
		rc = wanted->take(wanted->opaque, &m, want ? &body : NULL, err);
	return rc < 0 ? p2v_err_wrap(err, rc, "%s", path) : 0;
}

static int read_members(
	struct archive *a, const struct archive_iso_wanted *wanted, struct p2v_err *err)
{
	struct archive_entry *entry;
	size_t n = 0;

	for (;;) {
		int rc = archive_read_next_header(a, &entry);

		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return iso_error(a, err);
		if (++n > ARCHIVE_ISO_MAX_MEMBERS)
			return p2v_err_set(
				err, P2V_EFORMAT, "more than %zu files", ARCHIVE_ISO_MAX_MEMBERS);
		rc = take_member(a, entry, wanted, err);
		if (rc < 0)
			return rc;
	}
}

static int read_as(int (*support)(struct archive *a), int fd,
	const struct archive_iso_wanted *wanted, struct p2v_err *err)
{
	p2v_auto(reader_free) reader a = archive_read_new();

	if (!a)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return p2v_err_set(err, P2V_EIO, "cannot be read from its beginning");
	if (support(a) != ARCHIVE_OK || archive_read_open_fd(a, fd, READ_BLOCK) != ARCHIVE_OK)
		return iso_error(a, err);
	return read_members(a, wanted, err);
}

int archive_iso_read(int fd, const struct archive_iso_wanted *wanted, struct p2v_err *err)
{
	return read_as(archive_read_support_format_iso9660, fd, wanted, err);
}

/* ---- cabinets ---- */

struct search {
	const char *name;
	struct p2v_buf *body; /* NULL: it is not wanted */
	bool found;
};

static bool is_it(void *opaque, const struct archive_iso_member *m)
{
	struct search *s = opaque;
	bool it = !s->found && strcasecmp(m->path, s->name) == 0;

	s->found |= it;
	return it && s->body;
}

static int keep(void *opaque, const struct archive_iso_member *m, const struct p2v_buf *body,
	struct p2v_err *err)
{
	struct search *s = opaque;

	(void)m;
	if (!body)
		return 0;
	p2v_buf_add(s->body, body->data, body->len);
	return p2v_buf_check(s->body, err);
}

int archive_cab_member(
	int fd, const char *name, size_t max_bytes, struct p2v_buf *ret, struct p2v_err *err)
{
	struct search s = {.name = name, .body = ret};
	const struct archive_iso_wanted wanted = {
		.want = is_it, .take = keep, .opaque = &s, .max_body_bytes = max_bytes};
	int r = read_as(archive_read_support_format_cab, fd, &wanted, err);

	if (r == 0 && !s.found)
		r = p2v_err_set(err, P2V_ENOTFOUND, "there is no %s in it", name);
	return r;
}
