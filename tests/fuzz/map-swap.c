/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A swap header, from offset 1024 of its page on, in the middle of a disk: whatever it says,
 * nothing outside of its partition and nothing of the header itself counts as free. */

#include <stdlib.h>
#include <string.h>

#include "agent/map/map.h"
#include "p2v/core/num.h"
#include "tests/fuzz/fuzz.h"

#define PART_AT	   (64 * P2V_KIB)
#define PART_BYTES (256 * P2V_KIB)
#define DISK_BYTES (512 * P2V_KIB)
#define INFO_AT	   1024
#define PAGE_BYTES 4096

static void check(const struct extent_list *list)
{
	for (size_t i = 0; i < list->n_items; i++) {
		const struct extent *e = &list->items[i];

		if (e->kind == EXTENT_FREE &&
			(e->offset_bytes < PART_AT + PAGE_BYTES ||
				e->offset_bytes + e->length_bytes > PART_AT + PART_BYTES))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct map_part part = {1, PART_AT, PART_BYTES, "swap"};
	struct block_io *io;
	struct map map;

	if (n > PAGE_BYTES - INFO_AT)
		n = PAGE_BYTES - INFO_AT;
	if (block_io_memory_new("disk", DISK_BYTES, &io, NULL) < 0)
		abort();
	memcpy((uint8_t *)block_io_memory_bytes(io) + PART_AT + INFO_AT, data, n);
	if (map_disk(io, &part, 1, NULL, &map, NULL) == 0) {
		check(&map.extents);
		map_finish(&map);
	}
	block_io_free(io);
	return 0;
}
