/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/wire/frame.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/num.h"

/* Room for one longest frame and as much again, so that a burst of frames is moved seldom. */
#define FEED_SPARE 65536u

const uint8_t wire_preface[WIRE_PREFACE_BYTES] = {
	'P', '2', 'V', 'W', 'I', 'R', 'E', '\r', '\n', 0x1a, '\n', 0};

size_t wire_frame_begin(struct p2v_buf *out)
{
	size_t begin = out->len;

	p2v_buf_add_zeros(out, WIRE_FRAME_HEAD_BYTES);
	return begin;
}

int wire_frame_end(struct p2v_buf *out, size_t begin, uint16_t type, uint16_t flags,
	uint32_t max_frame, struct p2v_err *err)
{
	size_t length;
	int r = p2v_buf_check(out, err);

	if (r < 0)
		return r;
	length = out->len - begin - WIRE_FRAME_HEAD_BYTES;
	if (length > max_frame) {
		out->len = begin;
		return p2v_err_set(err, P2V_EINVAL,
			"a frame of %zu bytes is longer than the agreed %u", length, max_frame);
	}
	p2v_put_be16(out->data + begin, type);
	p2v_put_be16(out->data + begin + 2, flags);
	p2v_put_be32(out->data + begin + 4, (uint32_t)length);
	return 0;
}

int wire_feed_init(struct wire_feed *feed, struct p2v_err *err)
{
	uint8_t *bytes = malloc(FEED_SPARE);

	if (!bytes)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	*feed = (struct wire_feed){
		.bytes = bytes, .cap = FEED_SPARE, .max_frame = WIRE_FRAME_MAX_FIRST};
	return 0;
}

void wire_feed_finish(struct wire_feed *feed)
{
	free(feed->bytes);
	*feed = (struct wire_feed){0};
}

uint8_t *wire_feed_space(struct wire_feed *feed, size_t *ret_n)
{
	feed->len -= feed->at;
	memmove(feed->bytes, feed->bytes + feed->at, feed->len);
	feed->at = 0;
	*ret_n = feed->cap - feed->len;
	return feed->bytes + feed->len;
}

void wire_feed_added(struct wire_feed *feed, size_t n)
{
	feed->len += n;
}

static int feed_preface(struct wire_feed *feed, struct p2v_err *err)
{
	size_t n = p2v_min_u64(feed->len, WIRE_PREFACE_BYTES);
	char shown[65];
	size_t shown_n = p2v_min_u64(feed->len, sizeof(shown) - 1);

	if (memcmp(feed->bytes, wire_preface, n) != 0) {
		for (size_t i = 0; i < shown_n; i++) {
			uint8_t c = feed->bytes[i];

			shown[i] = c >= 0x20 && c < 0x7f ? (char)c : '.';
		}
		shown[shown_n] = '\0';
		return p2v_err_set(err, P2V_EFORMAT,
			"the far end does not speak the p2v protocol; it said: \"%s\"", shown);
	}
	if (n < WIRE_PREFACE_BYTES)
		return 0;
	feed->at = WIRE_PREFACE_BYTES;
	feed->opened = true;
	return 1;
}

/* Makes room for the whole frame, so that a later wire_feed_space can ask for the rest of it. */
static int feed_grow(struct wire_feed *feed, size_t frame_bytes, struct p2v_err *err)
{
	uint8_t *bytes;

	if (feed->cap >= frame_bytes + FEED_SPARE)
		return 0;
	bytes = realloc(feed->bytes, frame_bytes + FEED_SPARE);
	if (!bytes)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	feed->bytes = bytes;
	feed->cap = frame_bytes + FEED_SPARE;
	return 0;
}

int wire_feed_next(struct wire_feed *feed, struct wire_frame *ret, struct p2v_err *err)
{
	struct wire_frame frame;
	struct p2v_rd rd;
	int r;

	if (!feed->opened) {
		r = feed_preface(feed, err);
		if (r <= 0)
			return r;
	}
	if (feed->len - feed->at < WIRE_FRAME_HEAD_BYTES)
		return 0;
	rd = p2v_rd_init(feed->bytes + feed->at, WIRE_FRAME_HEAD_BYTES);
	frame.type = p2v_rd_be16(&rd);
	frame.flags = p2v_rd_be16(&rd);
	frame.length = p2v_rd_be32(&rd);
	if (frame.flags & ~WIRE_FRAME_OPTIONAL)
		return p2v_err_set(err, P2V_EFORMAT, "frame of type %u: unknown flags 0x%x",
			frame.type, frame.flags);
	if (frame.length > feed->max_frame)
		return p2v_err_set(err, P2V_EFORMAT,
			"frame of type %u: %u bytes are more than the agreed %u", frame.type,
			frame.length, feed->max_frame);
	if (feed->len - feed->at - WIRE_FRAME_HEAD_BYTES < frame.length)
		return feed_grow(feed, WIRE_FRAME_HEAD_BYTES + (size_t)frame.length, err);
	frame.payload = feed->bytes + feed->at + WIRE_FRAME_HEAD_BYTES;
	feed->at += WIRE_FRAME_HEAD_BYTES + frame.length;
	*ret = frame;
	return 1;
}

int wire_feed_end(const struct wire_feed *feed, struct p2v_err *err)
{
	if (!feed->opened)
		return p2v_err_set(err, P2V_ELINK, "the stream ends before the p2v preface");
	if (feed->at < feed->len)
		return p2v_err_set(err, P2V_ELINK, "the stream ends in the middle of a message");
	return 0;
}
