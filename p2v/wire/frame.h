/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_WIRE_FRAME_H
#define P2V_WIRE_FRAME_H

/*
 * The preface and the frames of the wire (PROTOCOL.md, "Frame"): bytes in, frames out, and back.
 * No I/O: wire_feed is handed the bytes as they come.
 *
 *	for (;;) {
 *		while ((r = wire_feed_next(&feed, &frame, err)) == 1)
 *			...decode and use frame...
 *		if (r < 0)
 *			return r;
 *		space = wire_feed_space(&feed, &n);
 *		r = link_read(link, space, n, &got, err);
 *		...got 0: return wire_feed_end(&feed, err)
 *		wire_feed_added(&feed, got);
 *	}
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

#define WIRE_PREFACE_BYTES    12
#define WIRE_FRAME_HEAD_BYTES 8
#define WIRE_FRAME_MAX_FIRST  65536u			/* longest payload before WELCOME */
#define WIRE_FRAME_MAX	      (2u * 1024 * 1024)	/* longest payload ever */
#define WIRE_FRAME_MAX_LOWEST (WIRE_FRAME_MAX - 65536u) /* the least a peer may offer */

extern const uint8_t wire_preface[WIRE_PREFACE_BYTES];

enum wire_frame_flags {
	WIRE_FRAME_OPTIONAL = 1, /* skip it where the type is unknown */
};

struct wire_frame {
	uint16_t type, flags;
	uint32_t length;
	const uint8_t *payload; /* length bytes, owned by whoever holds the stream */
};

/*
 * Appends a frame: begin leaves room for the head, the caller appends the payload, end fills the
 * head in. P2V_EINVAL where the payload is longer than max_frame; out is then as before begin.
 */
size_t wire_frame_begin(struct p2v_buf *out);
int wire_frame_end(struct p2v_buf *out, size_t begin, uint16_t type, uint16_t flags,
	uint32_t max_frame, struct p2v_err *err);

/* Takes the stream of one direction apart. Memory: one frame and what was read beyond it. */
struct wire_feed {
	uint8_t *bytes; /* cap bytes; [at, len) is not consumed yet */
	size_t cap, at, len;
	uint32_t max_frame; /* may be raised after WELCOME */
	bool opened;	    /* the preface was seen */
};

/* P2V_ENOMEM only. max_frame is WIRE_FRAME_MAX_FIRST. */
int wire_feed_init(struct wire_feed *feed, struct p2v_err *err);
void wire_feed_finish(struct wire_feed *feed);
/* Where the next bytes go and how many (at least one); the last frame's payload is lost. */
uint8_t *wire_feed_space(struct wire_feed *feed, size_t *ret_n);
void wire_feed_added(struct wire_feed *feed, size_t n);
/*
 * 1: ret is the next frame; its payload is valid until wire_feed_space. 0: more bytes are needed.
 * P2V_EFORMAT: no preface, a set reserved flag, or a length beyond max_frame; the sentence quotes
 * what came in place of the preface.
 */
int wire_feed_next(struct wire_feed *feed, struct wire_frame *ret, struct p2v_err *err);
/* The stream has ended: 0 at a frame's border, else P2V_ELINK ("ends in the middle of ..."). */
int wire_feed_end(const struct wire_feed *feed, struct p2v_err *err);

#endif
