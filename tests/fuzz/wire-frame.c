/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Takes a stream apart twice, once in one piece and once byte by byte: both must see the same
 * frames. The input lacks the preface, so that mutations reach the frames.
 */

#include <stdlib.h>
#include <string.h>

#include "p2v/core/num.h"
#include "p2v/wire/frame.h"
#include "tests/fuzz/fuzz.h"

/* What was seen: the heads and payloads, then how it ended. */
static void feed_all(const uint8_t *data, size_t n, size_t step, struct p2v_buf *ret)
{
	struct wire_feed feed;
	struct wire_frame frame;
	size_t room;
	uint8_t *to;
	int r;

	if (wire_feed_init(&feed, NULL) < 0)
		abort();
	to = wire_feed_space(&feed, &room);
	memcpy(to, wire_preface, WIRE_PREFACE_BYTES);
	wire_feed_added(&feed, WIRE_PREFACE_BYTES);
	for (;;) {
		while ((r = wire_feed_next(&feed, &frame, NULL)) == 1) {
			p2v_buf_add_be16(ret, frame.type);
			p2v_buf_add(ret, frame.payload, frame.length);
		}
		if (r < 0 || n == 0)
			break;
		to = wire_feed_space(&feed, &room);
		if (room == 0)
			abort();
		room = p2v_min_u64(p2v_min_u64(room, step), n);
		memcpy(to, data, room);
		wire_feed_added(&feed, room);
		data += room;
		n -= room;
	}
	p2v_buf_add_u8(ret, (uint8_t)(r < 0 ? -r : -wire_feed_end(&feed, NULL)));
	wire_feed_finish(&feed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_autobuf struct p2v_buf whole = {0}, bytewise = {0};

	feed_all(data, n, n + 1, &whole);
	feed_all(data, n, 1, &bytewise);
	if (whole.len != bytewise.len || memcmp(whole.data, bytewise.data, whole.len) != 0)
		abort();
	return 0;
}
