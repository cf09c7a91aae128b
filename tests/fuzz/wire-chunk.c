/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The payload of a CHUNK, against a disk of 10 MiB and 512 bytes: what passes the check unpacks
 * into no more than its length, and has the leaves that it says.
 */

#include <stdlib.h>

#include "p2v/wire/codec.h"
#include "tests/fuzz/fuzz.h"

#define DISK_BYTES (UINT64_C(10) * 1024 * 1024 + 512)

static void unpack(struct wire_codec *codec, const struct wire_chunk *chunk)
{
	size_t n = (size_t)chunk->length;
	uint8_t *scratch = malloc(n); /* exactly: a sanitizer sees one byte more */
	struct wire_unpacked got;
	struct digest leaf, said;

	if (!scratch)
		abort();
	if (wire_chunk_unpack(codec, chunk, scratch, &got, NULL) == 0) {
		if (got.n != n || got.n_leaves != wire_grains(n, BLOCK_GRAIN_BYTES))
			abort();
		block_digest_leaf(got.bytes, n < BLOCK_GRAIN_BYTES ? n : BLOCK_GRAIN_BYTES, &leaf);
		wire_leaf_at(got.leaves, 0, &said);
		if (!block_digest_equal(&leaf, &said))
			abort();
	}
	free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct wire_codec *codec;
	struct wire_frame frame = {WIRE_CHUNK, 0, (uint32_t)n, data};
	struct wire_msg msg;

	if (!codec && wire_codec_new(BLOCK_GRAIN_BYTES, 1, &codec, NULL) < 0)
		abort();
	if (n > WIRE_FRAME_MAX || wire_msg_decode(&frame, &msg, NULL) != 1)
		return 0;
	if (wire_chunk_check(&msg.chunk, DISK_BYTES, BLOCK_GRAIN_BYTES, NULL) < 0)
		return 0;
	if (msg.chunk.kind == WIRE_CHUNK_DATA)
		unpack(codec, &msg.chunk);
	return 0;
}
