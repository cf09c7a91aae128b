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
/* How many zero bytes stand right before `end`, at most `max`. */
int segment_count_zeros_before(
	int fd, uint64_t end, uint64_t max, uint64_t *ret_count, struct p2v_err *err);

/* The first offset in (offset, end) where a segment begins that unpacks to a cpio header; or end.
 */
int segment_find_next(
	int fd, uint64_t offset, uint64_t end, uint64_t *ret_offset, struct p2v_err *err);

#endif
