/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A frame (u16 type, u16 flags, payload) to a message; what decodes must encode again to a frame
 * that decodes, to the same bytes where the message has no tail that may grow.
 */

#include <stdlib.h>
#include <string.h>

#include "p2v/wire/msg.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct wire_frame frame;
	struct wire_msg msg;
	struct p2v_err err;

	if (n < 4 || n - 4 > WIRE_FRAME_MAX)
		return 0;
	frame = (struct wire_frame){
		p2v_get_be16(data), p2v_get_be16(data + 2), (uint32_t)(n - 4), data + 4};
	if (wire_msg_decode(&frame, &msg, &err) != 1)
		return 0;
	if (wire_msg_encode(&msg, WIRE_FRAME_MAX, &out, &err) < 0)
		abort();
	if (out.len - WIRE_FRAME_HEAD_BYTES > frame.length ||
		memcmp(out.data + WIRE_FRAME_HEAD_BYTES, frame.payload,
			out.len - WIRE_FRAME_HEAD_BYTES) != 0)
		abort();
	if (out.len - WIRE_FRAME_HEAD_BYTES < frame.length && msg.type > WIRE_REFUSE)
		abort();
	return 0;
}
