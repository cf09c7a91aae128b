/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/archive/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/num.h"

/* libarchive's number for each compression; raw bytes and what it cannot read have none. */
static const int filter_codes[] = {
	[ARCHIVE_COMP_GZIP] = ARCHIVE_FILTER_GZIP,
	[ARCHIVE_COMP_BZIP2] = ARCHIVE_FILTER_BZIP2,
	[ARCHIVE_COMP_LZMA] = ARCHIVE_FILTER_LZMA,
	[ARCHIVE_COMP_XZ] = ARCHIVE_FILTER_XZ,
	[ARCHIVE_COMP_ZSTD] = ARCHIVE_FILTER_ZSTD,
	[ARCHIVE_COMP_LZ4] = ARCHIVE_FILTER_LZ4,
	[ARCHIVE_COMP_LZOP] = 0,
};

/* The next bytes of the image into buf; 0 at the end, -1 with errno. */
static ssize_t read_image(struct stream *s, void *buf, size_t n)
{
	size_t want = (size_t)p2v_min_u64(n, s->end_at - s->at);
	ssize_t k = pread(s->fd, buf, want, (off_t)s->at);

	if (k > 0)
		s->at += (uint64_t)k;
	return k;
}

static la_ssize_t feed(struct archive *a, void *opaque, const void **ret)
{
	struct stream *s = opaque;
	ssize_t n = read_image(s, s->in, sizeof(s->in));

	if (n < 0)
		archive_set_error(a, errno, "read: %s", strerror(errno));
	*ret = s->in;
	return n;
}

static int filter_error(struct stream *s, struct p2v_err *err)
{
	const char *text = archive_error_string(s->filter);

	return p2v_err_set(err, P2V_EFORMAT, "unpacking: %s", text ? text : "not in its format");
}

static int open_filter(struct stream *s, enum archive_compression compression, struct p2v_err *err)
{
	struct archive_entry *entry;
	int rc;

	s->filter = archive_read_new();
	if (!s->filter)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (archive_read_support_format_raw(s->filter) != ARCHIVE_OK ||
		archive_read_append_filter(s->filter, filter_codes[compression]) != ARCHIVE_OK ||
		archive_read_open(s->filter, s, NULL, feed, NULL) != ARCHIVE_OK)
		return filter_error(s, err);
	rc = archive_read_next_header(s->filter, &entry);
	return rc == ARCHIVE_OK || rc == ARCHIVE_EOF ? 0 : filter_error(s, err);
}

int stream_open(int fd, uint64_t offset, uint64_t end, enum archive_compression compression,
	uint64_t *budget, struct stream **ret, struct p2v_err *err)
{
	struct stream *s;
	int rc = 0;

	if (compression == ARCHIVE_COMP_LZOP)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "lzop cannot be unpacked here");
	s = malloc(sizeof(*s));
	if (!s)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	s->fd = fd;
	s->at = offset;
	s->end_at = end;
	s->filter = NULL;
	s->pos = s->end = 0;
	s->taken = 0;
	s->budget = budget;
	if (compression != ARCHIVE_COMP_NONE)
		rc = open_filter(s, compression, err);
	if (rc < 0) {
		stream_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->filter)
		archive_read_free(s->filter);
	free(s);
}

static int refill(struct stream *s, struct p2v_err *err)
{
	ssize_t n;

	if (s->end > STREAM_BLOCK) {
		memmove(s->data, s->data + s->end - STREAM_BLOCK, STREAM_BLOCK);
		s->pos = s->end = STREAM_BLOCK;
	}
	if (s->filter)
		n = archive_read_data(s->filter, s->data + s->end, STREAM_BLOCK);
	else
		n = read_image(s, s->data + s->end, STREAM_BLOCK);
	if (n < 0)
		return s->filter ? filter_error(s, err) : p2v_err_errno(err, errno, "read");
	if ((uint64_t)n > *s->budget)
		return p2v_err_set(err, P2V_EFORMAT, "unpacks to too many bytes");
	*s->budget -= (uint64_t)n;
	s->end += (size_t)n;
	return 0;
}

int stream_peek(struct stream *s, const uint8_t **ret_bytes, size_t *ret_n, struct p2v_err *err)
{
	int rc = s->pos == s->end ? refill(s, err) : 0;

	if (rc < 0)
		return rc;
	*ret_bytes = s->data + s->pos;
	*ret_n = s->end - s->pos;
	return 0;
}

void stream_take(struct stream *s, size_t n)
{
	s->pos += n;
	s->taken += n;
}

int stream_back_to(struct stream *s, uint64_t taken, struct p2v_err *err)
{
	if (taken > s->taken || s->taken - taken > s->pos)
		return p2v_err_set(err, P2V_EFORMAT, "an archive ends where it cannot");
	s->pos -= (size_t)(s->taken - taken);
	s->taken = taken;
	return 0;
}

uint64_t stream_image_position(const struct stream *s)
{
	return s->filter ? (uint64_t)archive_filter_bytes(s->filter, -1) : s->taken;
}
