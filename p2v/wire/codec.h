/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_WIRE_CODEC_H
#define P2V_WIRE_CODEC_H

/*
 * Chunks: the bytes of a disk to the frame of a CHUNK, and back (PROTOCOL.md, "CHUNK").
 *
 * A codec holds the compressor's memory: make one for each thread and use it over and over.
 */

#include <stddef.h>
#include <stdint.h>

#include "p2v/block/digest.h"
#include "p2v/block/repeats.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/err.h"
#include "p2v/wire/msg.h"

struct wire_codec;

/* The least level: send raw, compress nothing. */
#define WIRE_LEVEL_RAW (-1000)

/* grain: BLOCK_GRAIN_BYTES. level: WIRE_LEVEL_RAW, or a level of zstd (negative ones are faster);
 * only packing uses it. */
int wire_codec_new(uint32_t grain, int level, struct wire_codec **ret, struct p2v_err *err);
/* Another level, from the next chunk on. P2V_EINVAL. */
int wire_codec_level(struct wire_codec *codec, int level, struct p2v_err *err);
void wire_codec_free(struct wire_codec *codec); /* NULL is fine */
P2V_DEFINE_CLEANUP(struct wire_codec *, wire_codec_free);

/*
 * Bytes to the frame of one CHUNK, appended to out: ZERO where all are zero, else DATA, as zstd
 * where that is shorter. offset: a multiple of the grain; n: 1..WIRE_CHUNK_MAX, a multiple of the
 * grain unless it ends the disk. ret_leaves: room for wire_grains(n, grain) leaves, or NULL.
 * ret_kind: enum wire_chunk_kind. repeats: what of it need not go, as block_repeats_find says;
 * NULL: nothing.
 */
struct wire_repeats {
	const struct block_repeat *items;
	size_t n; /* at most WIRE_REPEATS_MAX */
};
int wire_chunk_pack(struct wire_codec *codec, uint16_t disk, uint64_t offset, const void *bytes,
	size_t n, const struct wire_repeats *repeats, uint32_t max_frame, struct p2v_buf *out,
	struct digest *ret_leaves, uint8_t *ret_kind, struct p2v_err *err);

/* Grains in n bytes that begin at a grain. */
static inline size_t wire_grains(size_t n, uint32_t grain)
{
	return (n + grain - 1) / grain;
}

/* Checks a chunk against its disk: offset, length and their alignment, what each kind must not
 * carry, the size of the body. P2V_EFORMAT. */
int wire_chunk_check(const struct wire_chunk *chunk, uint64_t disk_size_bytes, uint32_t grain,
	struct p2v_err *err);

/* The runs that a chunk which passed wire_chunk_check says to be elsewhere on the disk, too; 0:
 * none.
 */
size_t wire_chunk_repeats(
	const struct wire_chunk *chunk, uint32_t grain, struct block_repeat ret[WIRE_REPEATS_MAX]);

struct wire_unpacked {
	const uint8_t *bytes; /* n bytes: within the chunk's body, or scratch */
	size_t n;
	const uint8_t *leaves; /* n_leaves digests, proved to be those of bytes: wire_leaf_at */
	size_t n_leaves;
};

/*
 * A DATA chunk that passed wire_chunk_check to its bytes. scratch: room for chunk->length bytes,
 * where the runs of wire_chunk_repeats lie already, read from their other place. Never writes more
 * than the chunk's length, whatever the data says. P2V_EIO: it does not decompress to its length,
 * or not to its digests: ask for it again.
 */
int wire_chunk_unpack(struct wire_codec *codec, const struct wire_chunk *chunk, void *scratch,
	struct wire_unpacked *ret, struct p2v_err *err);

#endif
