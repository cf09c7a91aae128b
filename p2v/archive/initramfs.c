/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/archive/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/archive/segment.h"
#include "p2v/archive/stream.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"

const char *archive_compression_word(enum archive_compression c)
{
	static const char *const words[] = {
		"none", "gzip", "bzip2", "lzma", "xz", "zstd", "lz4", "lzop"};

	return words[c];
}

static void member_finish(struct archive_member *m)
{
	free(m->path);
	free(m->target);
}

static void drop_members(struct archive_initramfs *a, size_t from)
{
	while (a->n_members > from)
		member_finish(&a->members[--a->n_members]);
}

void archive_initramfs_finish(struct archive_initramfs *a)
{
	drop_members(a, 0);
	free(a->members);
	free(a->segments);
	*a = (struct archive_initramfs){0};
}

struct reader {
	int fd;
	uint64_t size;
	uint64_t budget;
	const struct archive_wanted *wanted;
	struct archive_initramfs image;
	size_t cap_members;
};

static struct archive_member *new_member(struct reader *r)
{
	struct archive_initramfs *a = &r->image;

	if (a->n_members == r->cap_members) {
		size_t cap = r->cap_members ? 2 * r->cap_members : 256;
		void *p = reallocarray(a->members, cap, sizeof(*a->members));

		if (!p)
			return NULL;
		a->members = p;
		r->cap_members = cap;
	}
	a->members[a->n_members] = (struct archive_member){0};
	return &a->members[a->n_members++];
}

/* "./usr/bin", "/usr/bin" -> "usr/bin" */
static const char *bare(const char *path)
{
	for (;;) {
		if (path[0] == '/')
			path++;
		else if (path[0] == '.' && path[1] == '/')
			path += 2;
		else
			return path;
	}
}

static int add_member(
	struct reader *r, struct archive_entry *e, struct archive_member **ret, struct p2v_err *err)
{
	const char *path = archive_entry_pathname(e), *target = archive_entry_symlink(e);
	struct archive_member *m;

	if (!path || strlen(path) > ARCHIVE_INITRAMFS_MAX_PATH ||
		(target && strlen(target) > ARCHIVE_INITRAMFS_MAX_PATH))
		return p2v_err_set(err, P2V_EFORMAT, "holds a path that is too long or none");
	if (r->image.n_members == ARCHIVE_INITRAMFS_MAX_ENTRIES)
		return p2v_err_set(err, P2V_EFORMAT, "holds more than %zu files",
			ARCHIVE_INITRAMFS_MAX_ENTRIES);
	m = new_member(r);
	if (!m)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	m->mode = archive_entry_mode(e);
	m->size_bytes = archive_entry_size(e) < 0 ? 0 : (uint64_t)archive_entry_size(e);
	m->segment = r->image.n_segments - 1;
	m->path = strdup(bare(path));
	m->target = target ? strdup(target) : NULL;
	if (!m->path || (target && !m->target))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	*ret = m;
	return 0;
}

static int cpio_error(struct archive *a, struct p2v_err *err)
{
	const char *text = archive_error_string(a);

	return p2v_err_set(err, P2V_EFORMAT, "cpio archive: %s", text ? text : "cut off");
}

static int read_body(
	struct reader *r, struct archive *a, const struct archive_member *m, struct p2v_err *err)
{
	const struct archive_wanted *w = r->wanted;
	p2v_autofree uint8_t *body = NULL;

	if (!S_ISREG(m->mode) || !w || !w->want || !w->want(w->opaque, m))
		return archive_read_data_skip(a) == ARCHIVE_OK ? 0 : cpio_error(a, err);
	if (m->size_bytes > ARCHIVE_INITRAMFS_MAX_BODY)
		return p2v_err_set(
			err, P2V_EFORMAT, "a wanted file has %" PRIu64 " bytes", m->size_bytes);
	body = malloc(m->size_bytes + 1);
	if (!body)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (uint64_t done = 0; done < m->size_bytes;) {
		la_ssize_t n = archive_read_data(a, body + done, m->size_bytes - done);

		if (n <= 0)
			return cpio_error(a, err);
		done += (uint64_t)n;
	}
	return w->take ? w->take(w->opaque, m, body, m->size_bytes, err) : 0;
}

/* libarchive's reader on top of a stream. */
struct feeder {
	struct stream *s;
	struct p2v_err err;
	int rc;
};

static la_ssize_t feed(struct archive *a, void *opaque, const void **ret)
{
	struct feeder *f = opaque;
	const uint8_t *p = NULL;
	size_t n = 0;

	f->rc = stream_peek(f->s, &p, &n, &f->err);
	if (f->rc < 0) {
		archive_set_error(a, EIO, "%s", f->err.text);
		return -1;
	}
	stream_take(f->s, n);
	*ret = p;
	return (la_ssize_t)n;
}

/* Entries up to the trailer; ret_cut: the bytes ended where a header should be. */
static int read_entries(struct reader *r, struct archive *a, bool *ret_cut, struct p2v_err *err)
{
	struct archive_entry *e;
	int rc;

	*ret_cut = false;
	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		struct archive_member *m = NULL;

		rc = add_member(r, e, &m, err);
		if (rc == 0)
			rc = read_body(r, a, m, err);
		if (rc < 0)
			return rc;
	}
	*ret_cut = rc != ARCHIVE_EOF;
	return 0;
}

static int read_opened(struct reader *r, struct archive *a, struct feeder *f, struct p2v_err *err)
{
	uint64_t began = f->s->taken;
	const uint8_t *p = NULL;
	size_t n = 0;
	bool cut;
	int rc;

	archive_read_support_format_cpio(a);
	if (archive_read_open(a, f, NULL, feed, NULL) != ARCHIVE_OK)
		return cpio_error(a, err);
	rc = read_entries(r, a, &cut, err);
	if (rc == 0)
		rc = stream_back_to(f->s, began + (uint64_t)archive_filter_bytes(a, 0), err);
	if (rc == 0 && cut) {
		/* The kernel does without a trailer where the bytes just end. */
		rc = stream_peek(f->s, &p, &n, err);
		if (rc == 0 && n > 0)
			rc = cpio_error(a, err);
	}
	return rc;
}

static int read_cpio(struct reader *r, struct stream *s, struct p2v_err *err)
{
	struct feeder f = {.s = s};
	struct archive *a = archive_read_new();
	int rc;

	if (!a)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = read_opened(r, a, &f, err);
	archive_read_free(a);
	/* The stream's own failure says more than the reader's. */
	if (rc < 0 && f.rc < 0)
		return p2v_err_set(err, f.rc, "%s", f.err.text);
	return rc;
}

/* All archives in an unpacked stream, zeros between them. */
static int read_archives(struct reader *r, struct stream *s, struct p2v_err *err)
{
	const uint8_t *p = NULL;
	size_t n = 0;
	int rc;

	while ((rc = stream_peek(s, &p, &n, err)) == 0 && n > 0) {
		size_t zeros = 0;

		while (zeros < n && p[zeros] == 0)
			zeros++;
		stream_take(s, zeros);
		if (zeros == n)
			continue;
		rc = read_cpio(r, s, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* One segment within [offset, end); ret_end is where it stopped, if it knows. */
static int read_segment(
	struct reader *r, uint64_t offset, uint64_t end, uint64_t *ret_end, struct p2v_err *err)
{
	const struct archive_segment *g = &r->image.segments[r->image.n_segments - 1];
	struct stream *s = NULL;
	int rc = stream_open(r->fd, offset, end, g->compression, &r->budget, &s, err);

	if (rc < 0)
		return rc;
	rc = g->compression == ARCHIVE_COMP_NONE ? read_cpio(r, s, err) : read_archives(r, s, err);
	*ret_end = p2v_min_u64(offset + stream_image_position(s), end);
	stream_free(s);
	return rc;
}

/* xz, zstd and lz4 read on into what follows and then fail, so they are shown only their own bytes.
 */
static int read_bounded(struct reader *r, uint64_t offset, uint64_t *ret_end, struct p2v_err *err)
{
	const struct archive_segment *g = &r->image.segments[r->image.n_segments - 1];
	uint64_t stopped;
	int rc = segment_end(r->fd, offset, r->size, g->compression, ret_end, err);

	return rc < 0 ? rc : read_segment(r, offset, *ret_end, &stopped, err);
}

static int begin_segment(struct reader *r, uint64_t offset, struct p2v_err *err)
{
	struct archive_initramfs *a = &r->image;
	enum archive_compression c;
	struct archive_segment *s;

	if (!segment_detect(r->fd, offset, &c))
		return p2v_err_set(err, P2V_EFORMAT, "neither a cpio archive nor compressed data");
	if (c == ARCHIVE_COMP_NONE && offset % 4 != 0)
		return p2v_err_set(err, P2V_EFORMAT, "a cpio archive that no multiple of 4 is at");
	if (a->n_segments == ARCHIVE_INITRAMFS_MAX_SEGMENTS)
		return p2v_err_set(
			err, P2V_EFORMAT, "more than %zu segments", ARCHIVE_INITRAMFS_MAX_SEGMENTS);
	s = p2v_json_grow((void **)&a->segments, &a->n_segments, sizeof(*s));
	if (!s)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	s->offset = offset;
	s->compression = c;
	s->first_entry = a->n_members;
	return 0;
}

static int read_at(struct reader *r, uint64_t offset, uint64_t *ret_end, struct p2v_err *err)
{
	struct archive_segment *s;
	int rc = begin_segment(r, offset, err);

	if (rc == 0)
		rc = segment_ends_itself(r->image.segments[r->image.n_segments - 1].compression)
			     ? read_segment(r, offset, r->size, ret_end, err)
			     : read_bounded(r, offset, ret_end, err);
	if (rc < 0)
		return p2v_err_wrap(err, rc, "at byte %" PRIu64, offset);
	s = &r->image.segments[r->image.n_segments - 1];
	s->length = *ret_end - offset;
	s->n_entries = r->image.n_members - s->first_entry;
	if (s->length == 0)
		return p2v_err_set(err, P2V_EFORMAT, "at byte %" PRIu64 ": empty", offset);
	return 0;
}

int archive_initramfs_read(int fd, const struct archive_wanted *wanted,
	struct archive_initramfs *ret, struct p2v_err *err)
{
	struct reader r = {.fd = fd, .budget = ARCHIVE_INITRAMFS_MAX_BYTES, .wanted = wanted};
	struct stat st;
	uint64_t at = 0;
	int rc = 0;

	if (fstat(fd, &st) < 0)
		return p2v_err_errno(err, errno, "stat");
	r.size = (uint64_t)st.st_size;
	while (rc == 0) {
		rc = segment_skip_zeros(fd, at, r.size, &at, err);
		if (rc < 0 || at == r.size)
			break;
		rc = read_at(&r, at, &at, err);
	}
	if (rc == 0 && r.image.n_segments == 0)
		rc = p2v_err_set(err, P2V_EFORMAT, "is empty");
	if (rc < 0) {
		archive_initramfs_finish(&r.image);
		return rc;
	}
	r.image.unpacked_bytes = ARCHIVE_INITRAMFS_MAX_BYTES - r.budget;
	r.image.image_bytes = r.size;
	*ret = r.image;
	return 0;
}
