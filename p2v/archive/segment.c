/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/archive/segment.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/archive/stream.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

#define CPIO_HEADER 110
#define WINDOW	    ((size_t)1 << 20)
#define LONGEST	    8 /* of the magics */
/* Three bytes of gzip's magic stand in every 16 MiB of noise once. */
#define MAX_TRIALS 1000

/* lib/decompress.c of Linux, and init/initramfs.c for the archive itself. */
static const struct magic {
	const char *bytes;
	size_t n;
	enum archive_compression compression;
	bool ends_itself;
} magics[] = {
	{"070701", 6, ARCHIVE_COMP_NONE, true},
	{"070702", 6, ARCHIVE_COMP_NONE, true},
	{"\x1f\x8b\x08", 3, ARCHIVE_COMP_GZIP, true},
	{"BZh", 3, ARCHIVE_COMP_BZIP2, true},
	{"\x5d\x00\x00", 3, ARCHIVE_COMP_LZMA, true},
	{"\xfd\x37zXZ\x00", 6, ARCHIVE_COMP_XZ, false},
	{"\x28\xb5\x2f\xfd", 4, ARCHIVE_COMP_ZSTD, false},
	{"\x02\x21\x4c\x18", 4, ARCHIVE_COMP_LZ4, false},
	{"\x89LZO\x00", 5, ARCHIVE_COMP_LZOP, false},
};

static const struct magic *detect(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < P2V_N(magics); i++)
		if (n >= magics[i].n && memcmp(p, magics[i].bytes, magics[i].n) == 0)
			return &magics[i];
	return NULL;
}

bool segment_detect(int fd, uint64_t offset, enum archive_compression *ret)
{
	uint8_t head[LONGEST];
	ssize_t n = pread(fd, head, sizeof(head), (off_t)offset);
	const struct magic *m = n > 0 ? detect(head, (size_t)n) : NULL;

	if (m)
		*ret = m->compression;
	return m != NULL;
}

bool segment_ends_itself(enum archive_compression c)
{
	for (size_t i = 0; i < P2V_N(magics); i++)
		if (magics[i].compression == c)
			return magics[i].ends_itself;
	return false;
}

int segment_skip_zeros(
	int fd, uint64_t offset, uint64_t end, uint64_t *ret_offset, struct p2v_err *err)
{
	uint8_t buf[4096];

	while (offset < end) {
		ssize_t n = pread(
			fd, buf, (size_t)p2v_min_u64(sizeof(buf), end - offset), (off_t)offset);

		if (n < 0)
			return p2v_err_errno(err, errno, "read");
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != 0) {
				*ret_offset = offset + (uint64_t)i;
				return 0;
			}
		offset += (uint64_t)n;
	}
	*ret_offset = end;
	return 0;
}

int segment_count_zeros_before(
	int fd, uint64_t end, uint64_t max, uint64_t *ret_count, struct p2v_err *err)
{
	uint64_t count = 0;
	uint8_t buf[4096];

	while (count < max) {
		size_t want = (size_t)p2v_min_u64(sizeof(buf), max - count);
		ssize_t n = pread(fd, buf, want, (off_t)(end - count - want));
		size_t i = want;

		if (n != (ssize_t)want)
			return p2v_err_errno(err, n < 0 ? errno : EIO, "read");
		while (i > 0 && buf[i - 1] == 0)
			i--;
		count += want - i;
		if (i > 0)
			break;
	}
	*ret_count = count;
	return 0;
}

/* A raw archive: every digit of its header is one, and it stands where the kernel wants it. */
static bool is_cpio_header(int fd, uint64_t offset)
{
	char h[CPIO_HEADER];

	if (offset % 4 != 0 || pread(fd, h, sizeof(h), (off_t)offset) != sizeof(h))
		return false;
	for (size_t i = 0; i < sizeof(h); i++)
		if (!isxdigit((unsigned char)h[i]))
			return false;
	return true;
}

static bool unpacks_to_cpio(
	int fd, uint64_t offset, uint64_t end, enum archive_compression compression)
{
	uint64_t budget = 4 * STREAM_BLOCK;
	struct stream *s = NULL;
	const uint8_t *p = NULL;
	size_t n = 0;
	bool is;

	if (stream_open(fd, offset, end, compression, &budget, &s, NULL) < 0)
		return false;
	is = stream_peek(s, &p, &n, NULL) == 0 && n >= 6 && memcmp(p, "07070", 5) == 0;
	stream_free(s);
	return is;
}

struct search {
	int fd;
	uint64_t end;
	unsigned trials;
};

static bool begins(struct search *s, const struct magic *m, uint64_t offset)
{
	if (m->compression == ARCHIVE_COMP_NONE)
		return is_cpio_header(s->fd, offset);
	/* Nobody appends these two, and three bytes of magic are a poor proof. */
	if (m->compression == ARCHIVE_COMP_LZMA || m->compression == ARCHIVE_COMP_LZOP)
		return false;
	s->trials++;
	return unpacks_to_cpio(s->fd, offset, s->end, m->compression);
}

/* Looks through one window; true where found. */
static bool search_window(
	struct search *s, const uint8_t *p, size_t n, size_t last, uint64_t at, uint64_t *ret)
{
	for (size_t i = 0; i < last && s->trials < MAX_TRIALS; i++) {
		const struct magic *m = detect(p + i, n - i);

		if (m && begins(s, m, at + i)) {
			*ret = at + i;
			return true;
		}
	}
	return false;
}

int segment_find_next(
	int fd, uint64_t offset, uint64_t end, uint64_t *ret_offset, struct p2v_err *err)
{
	p2v_autofree uint8_t *window = malloc(WINDOW);
	struct search s = {.fd = fd, .end = end};
	uint64_t at = offset + 1;

	if (!window)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	while (at < end) {
		size_t want = (size_t)p2v_min_u64(WINDOW, end - at);
		ssize_t n = pread(fd, window, want, (off_t)at);
		size_t last;

		if (n != (ssize_t)want)
			return p2v_err_errno(err, n < 0 ? errno : EIO, "read");
		/* A magic that the window cuts is found by the next one. */
		last = at + want == end ? want : want - LONGEST;
		if (search_window(&s, window, want, last, at, ret_offset))
			return 0;
		if (s.trials >= MAX_TRIALS)
			return p2v_err_set(
				err, P2V_EFORMAT, "holds too many beginnings of compressed data");
		at += last;
	}
	*ret_offset = end;
	return 0;
}
