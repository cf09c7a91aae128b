/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_ARCHIVE_CPIO_H
#define P2V_ARCHIVE_CPIO_H

/*
 * Makes one segment of an initramfs: a newc cpio archive (magic 070701), in memory. The same
 * entries give the same bytes: owner 0:0, time 0, inode numbers counted from 1, one link each.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

struct archive_file {
	const char *
		path; /* without a leading "/"; parents are not made: list a directory to have it */
	uint32_t mode; /* type and permissions: S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777 */
	const void *bytes; /* a file's content, a link's target; NULL for a directory */
	size_t n;
};

enum archive_packing { ARCHIVE_PLAIN, ARCHIVE_GZIP, ARCHIVE_LZ4_LEGACY };

/* Appends the segment to ret: entries in the order given, TRAILER!!!, zeros to a multiple of 512;
 * with a packing, that compressed (no name and no time in a gzip header).
 * LZ4 comes from the program lz4: P2V_EUNSUPPORTED where that is not installed. */
int archive_cpio_pack(const struct archive_file *files, size_t n_files,
	enum archive_packing packing, struct p2v_buf *ret, struct p2v_err *err);

#endif
