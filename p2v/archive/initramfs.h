/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_ARCHIVE_INITRAMFS_H
#define P2V_ARCHIVE_INITRAMFS_H

/*
 * Reads an initramfs image as the kernel unpacks it (init/initramfs.c of Linux, and the early
 * userspace buffer format in its documentation): segment after segment,
 *
 *	+------------+-------+-----------------------+-------+-----------------+
 *	| cpio, raw  | zeros | compressed:           | zeros | compressed:     |
 *	| (microcode)|       |   cpio, zeros, cpio.. |       |   cpio (ours)   |
 *	+------------+-------+-----------------------+-------+-----------------+
 *	 raw: at a multiple of 4         gzip bzip2 lzma xz lz4-legacy zstd by magic; lzop is named,
 *but not read (P2V_EUNSUPPORTED)
 *
 * The image is a guest's: every size is bounded (ARCHIVE_INITRAMFS_* below), bodies that nobody
 * wants are not kept. Later entries override earlier ones of the same path, as in the kernel; the
 * list has each entry as it stands in the image.
 *
 * Where a compressed segment ends is not written anywhere. gzip, bzip2 and lzma say it themselves;
 * for xz, zstd and lz4 the next segment is searched by its magic and by whether it unpacks to a
 *cpio header.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

#define ARCHIVE_INITRAMFS_MAX_BYTES    (UINT64_C(2) << 30) /* unpacked, in total */
#define ARCHIVE_INITRAMFS_MAX_ENTRIES  ((size_t)200000)
#define ARCHIVE_INITRAMFS_MAX_SEGMENTS ((size_t)64)
#define ARCHIVE_INITRAMFS_MAX_PATH     ((size_t)4096)
#define ARCHIVE_INITRAMFS_MAX_BODY     ((size_t)64 << 20) /* one body that is wanted */

enum archive_compression {
	ARCHIVE_COMP_NONE,
	ARCHIVE_COMP_GZIP,
	ARCHIVE_COMP_BZIP2,
	ARCHIVE_COMP_LZMA,
	ARCHIVE_COMP_XZ,
	ARCHIVE_COMP_ZSTD,
	ARCHIVE_COMP_LZ4,
	ARCHIVE_COMP_LZOP,
};

struct archive_segment {
	uint64_t offset, length; /* in the image; a run of gzip members is one segment */
	enum archive_compression compression;
	size_t first_entry, n_entries;
};

struct archive_member {
	char *path;    /* without leading "/" or "./" */
	uint32_t mode; /* type and permissions */
	uint64_t size_bytes;
	char *target;	/* of a symbolic link, else NULL */
	size_t segment; /* index */
};

struct archive_initramfs {
	struct archive_segment *segments;
	size_t n_segments;
	struct archive_member *members; /* in the image's order */
	size_t n_members;
	uint64_t unpacked_bytes;
	uint64_t image_bytes; /* of the file, trailing zeros included */
};

/* What to do with bodies while the image is read; either may be NULL. */
struct archive_wanted {
	void *opaque;
	bool (*want)(void *opaque, const struct archive_member *m);
	/* The whole body; a failure here ends the reading with it. Where the end of a segment was
	 * mistaken, the same members come again. */
	int (*take)(void *opaque, const struct archive_member *m, const void *bytes, size_t n,
		struct p2v_err *err);
};

/* fd: a regular file; its offset is not used. The error sentence does not name the image. */
int archive_initramfs_read(int fd, const struct archive_wanted *wanted,
	struct archive_initramfs *ret, struct p2v_err *err);
void archive_initramfs_finish(struct archive_initramfs *a);

/* The last member of that path, followed through the image's own links in every component (lib ->
 * usr/lib); NULL: not there. */
const struct archive_member *archive_initramfs_find(
	const struct archive_initramfs *a, const char *path);

const char *archive_compression_word(enum archive_compression c); /* "none", "gzip", ... */

#endif
