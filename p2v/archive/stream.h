/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_ARCHIVE_STREAM_H
#define P2V_ARCHIVE_STREAM_H

/*
 * Inside the room: bytes one after the other, out of a range of the image or out of a filter over
 * one, with a short way back. libarchive's cpio reader takes blocks and stops somewhere in one;
 *what follows the archive in the same stream then begins where it stopped.
 *
 *	         kept                     not yet taken
 *	+-----------------------+---------------------------+
 *	^ data            pos - ^                     end - ^
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/archive/initramfs.h"

#define STREAM_BLOCK ((size_t)64 * 1024)

struct archive;

struct stream {
	int fd;
	uint64_t at, end_at;	  /* the part of the image not read yet */
	struct archive *filter;	  /* NULL: the image's own bytes */
	uint8_t in[STREAM_BLOCK]; /* what the filter reads from */
	uint8_t data[2 * STREAM_BLOCK];
	size_t pos, end;  /* in data */
	uint64_t taken;	  /* bytes taken since the start: the position of pos */
	uint64_t *budget; /* unpacked bytes that may still come */
};

/* Over [offset, end) of fd. The stream is large: on the heap. */
int stream_open(int fd, uint64_t offset, uint64_t end, enum archive_compression compression,
	uint64_t *budget, struct stream **ret, struct p2v_err *err);
void stream_free(struct stream *s);

/* The bytes at hand, at least one; 0: the end. They stay until the next call. */
int stream_peek(struct stream *s, const uint8_t **ret_bytes, size_t *ret_n, struct p2v_err *err);
/* Takes n of the bytes at hand. */
void stream_take(struct stream *s, size_t n);
/* Back to a position taken before, at most one block ago. */
int stream_back_to(struct stream *s, uint64_t taken, struct p2v_err *err);
/* How far a filter that knows its own end has come in the image. */
uint64_t stream_image_position(const struct stream *s);

#endif
