/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/wire/samples.h"

#define BYTES(s) (const uint8_t *)(s)

static const char rows[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTU";

static const struct wire_msg samples[] = {
	{WIRE_HELLO, .hello = {1, 3, UINT64_C(0x8000000000000003), 2097152, 1,
			     {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
			     {"p2v-agent 0.1", 13}}},
	{WIRE_WELCOME, .welcome = {1, 3, 2097152, 1 << 24, 10000, {"p2v-recv", 8}}},
	{WIRE_REFUSE, .refuse = {WIRE_REFUSE_RULE, {"no", 2}}},
	{WIRE_INVENTORY, .inventory = {BYTES("{}"), 2}},
	{WIRE_WAIT, .wait = {3, 5000, {"two before you", 14}}},
	{WIRE_ADMIT, .admit = {{"web01", 5}, {{9}}, WIRE_HOW_CONTINUED, 2, BYTES("\0\0\1\0\1\0")}},
	{WIRE_OPEN, .open = {7, UINT64_C(1) << 40, 512, 65536, 1, WIRE_PASS_COPY, 12345}},
	{WIRE_READY, .ready = {7, UINT64_C(0x123456789a)}},
	{WIRE_HAVE_ASK, .have_ask = {7, 99, 4096}},
	{WIRE_HAVE, .have = {7, 99, 2, BYTES("\0\1"), BYTES(rows)}},
	{WIRE_CHUNK,
		.chunk = {7, WIRE_CHUNK_DATA, WIRE_ENCODING_ZSTD, 65536, 65536, BYTES(rows), 40}},
	{WIRE_TAKEN, .taken = {42}},
	{WIRE_CHECKPOINT, {{0}}},
	{WIRE_DURABLE, .durable = {UINT64_MAX}},
	{WIRE_RESEND, .resend = {7, 65536, 131072, {"digest", 6}}},
	{WIRE_PULL, .pull = {7, 65536, 131072}},
	{WIRE_DONE, .done = {7, {{5, 6}}, 1, 2, 3, 4, {2, BYTES(rows)}}},
	{WIRE_VERIFIED, .verified = {7, {{7}}}},
	{WIRE_MISMATCH, .mismatch = {7, {1, BYTES(rows)}}},
	{WIRE_FINISH, {{0}}},
	{WIRE_FINISHED, .finished = {BYTES("{\"a\":1}"), 7}},
	{WIRE_STATUS, .status = {{"convert", 7}, 1000, {"initramfs", 9}}},
	{WIRE_PROGRESS, .progress = {7, 1, 2}},
	{WIRE_LIMIT, .limit = {1000000}},
	{WIRE_PING, .ping = {77}},
	{WIRE_PONG, .pong = {77}},
	{WIRE_CANCEL, .cancel = {{"stopped by hand", 15}}},
	{WIRE_ERROR, .error = {WIRE_ERROR_NO_SPACE, {"/srv: full", 10}}},
	{WIRE_LOG, .log = {2, {"hello", 5}}},
};

struct wire_msg sample_of(enum wire_type type)
{
	return samples[type - WIRE_HELLO];
}
