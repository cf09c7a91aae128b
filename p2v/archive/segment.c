/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/archive/segment.h"

#include <endian.h>
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

#define LONGEST 8 /* of the magics */
/* More than the largest dictionary that xz makes (-9: 64 MiB). */
#define XZ_MEMORY_BYTES (UINT64_C(256) << 20)
#define XZ_BLOCK	((size_t)64 * 1024)
#define LZ4_MAGIC_BYTES 4
/* LZ4_compressBound of the format's 8 MiB. */
#define LZ4_MAX_BLOCK ((8 << 20) + (8 << 20) / 255 + 16)

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

/* zstd's own frame; 0: it is none, or is cut off. */
static size_t zstd_length(const uint8_t *p, size_t n)
{
	size_t length = ZSTD_findFrameCompressedSize(p, n);

	return ZSTD_isError(length) ? 0 : length;
}

/* xz says only at the end of the data where that is. What is unpacked is thrown away. */
static size_t xz_length(const uint8_t *p, size_t n)
{
	lzma_stream xz = LZMA_STREAM_INIT;
	p2v_autofree uint8_t *out = malloc(XZ_BLOCK);
	lzma_ret r = out ? lzma_stream_decoder(&xz, XZ_MEMORY_BYTES, 0) : LZMA_MEM_ERROR;

	xz.next_in = p;
	xz.avail_in = n;
	while (r == LZMA_OK && xz.total_out < ARCHIVE_INITRAMFS_MAX_BYTES) {
		xz.next_out = out;
		xz.avail_out = XZ_BLOCK;
		r = lzma_code(&xz, LZMA_FINISH);
	}
	lzma_end(&xz);
	return r == LZMA_STREAM_END ? xz.total_in : 0;
}

/* Behind the magic blocks, each behind its size. They end with the bytes, or where a size cannot be
 * one: zero, or the magic of the next segment (lib/decompress_unlz4.c of Linux). */
static size_t lz4_length(const uint8_t *p, size_t n)
{
	size_t at = LZ4_MAGIC_BYTES;
	uint32_t size;

	while (n >= at + sizeof(size)) {
		memcpy(&size, p + at, sizeof(size));
		size = le32toh(size);
		if (size == 0 || size > LZ4_MAX_BLOCK || size > n - at - sizeof(size))
			break;
		at += sizeof(size) + size;
	}
	return at > n ? 0 : at;
}

int segment_end(int fd, uint64_t offset, uint64_t end, enum archive_compression c,
	uint64_t *ret_end, struct p2v_err *err)
{
	uint8_t *p = mmap(NULL, end, PROT_READ, MAP_PRIVATE, fd, 0);
	size_t n = end - offset, length;

	if (p == MAP_FAILED)
		return p2v_err_errno(err, errno, "map");
	length = c == ARCHIVE_COMP_ZSTD ? zstd_length(p + offset, n)
		 : c == ARCHIVE_COMP_XZ ? xz_length(p + offset, n)
					: lz4_length(p + offset, n);
	munmap(p, end);
	*ret_end = length ? offset + length : end;
	return 0;
}
