/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A thin pool's metadata, each block given the checksum and number that it should have, as none
 * would be looked at otherwise. Promised: what is free lies within the pool's data, and it ends. */

#include <stdlib.h>
#include <string.h>

#include "agent/map/crc.h"
#include "agent/map/lvm.h"
#include "p2v/core/num.h"
#include "tests/fuzz/fuzz.h"

#define BLOCK	    4096u
#define META_BYTES  (16 * BLOCK)
#define CHUNK_BYTES (64 * P2V_KIB)
#define DATA_AT	    (16 * P2V_MIB)
#define DATA_BYTES  (40000 * CHUNK_BYTES)
#define DISK_BYTES  (DATA_AT + DATA_BYTES + P2V_GIB)

static void put_le(uint8_t *p, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void sign(uint8_t *meta)
{
	for (unsigned i = 0; i < META_BYTES / BLOCK; i++) {
		uint8_t *p = meta + (size_t)i * BLOCK;
		uint32_t mix = i == 0 ? 160774 : p[4] == 1 || p[4] == 2 ? 121107 : 240779;

		put_le(p + 8, 8, i);
		put_le(p, 4, ~map_crc32c(p + 4, BLOCK - 4) ^ mix);
	}
}

static void check(const struct extent_list *list)
{
	for (size_t i = 0; i < list->n_items; i++) {
		const struct extent *e = &list->items[i];

		if (e->kind == EXTENT_FREE &&
			(e->offset_bytes < DATA_AT ||
				e->offset_bytes + e->length_bytes > DATA_AT + DATA_BYTES))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct extent_list list = {0};
	struct map_out out = {.extents = &list};
	struct map_view view = {.offset_bytes = DATA_AT, .length_bytes = DATA_BYTES};
	struct block_io *meta;

	if (block_io_memory_new("meta", META_BYTES, &meta, NULL) < 0 ||
		block_extents_init(&list, DISK_BYTES, NULL) < 0)
		abort();
	view.io = meta;
	memcpy(block_io_memory_bytes(meta), data, n < META_BYTES ? n : META_BYTES);
	sign(block_io_memory_bytes(meta));
	map_lvm_thin(meta, CHUNK_BYTES, &view, &out, NULL);
	check(&list);
	block_extents_finish(&list);
	block_io_free(meta);
	return 0;
}
