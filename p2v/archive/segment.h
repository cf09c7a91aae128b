/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_ARCHIVE_SEGMENT_H
#define P2V_ARCHIVE_SEGMENT_H

/* Inside the room: where the segments of an initramfs image begin and end. */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/archive/initramfs.h"

/* What the bytes at an offset begin, told by their magic; false: nothing known. */
bool segment_detect(int fd, uint64_t offset, enum archive_compression *ret);

/* Whether a compression's reader stops by itself where the data ends, and says where. */
bool segment_ends_itself(enum archive_compression c);

/* The offset of the next byte that is not zero, at most end. */
int segment_skip_zeros(
	int fd, uint64_t offset, uint64_t end, uint64_t *ret_offset, struct p2v_err *err);

/*
 * Where the data of a compression end whose reader does not say so (RFC 8878; xz-file-format.txt;
 * the blocks of `lz4 -l`): at most end, and end where they are damaged, which their reader then
 * says. Found from their own structure, and never by looking for what may follow: files that are
 * compressed themselves stand in the data as they are, and the headers of archives between them.
 */
int segment_end(int fd, uint64_t offset, uint64_t end, enum archive_compression c,
	uint64_t *ret_end, struct p2v_err *err);

#endif
