/* SPDX-License-Identifier: GPL-3.0-or-later */

/* One NTFS file record: whatever it says, nothing outside of the volume counts as used by it, and
 * nothing becomes free. */

#include <stdlib.h>
#include <string.h>

#include "agent/map/ntfs-record.h"
#include "p2v/core/num.h"
#include "tests/fuzz/fuzz.h"

#define PART_AT	   P2V_MIB
#define PART_BYTES (64 * P2V_MIB)
#define DISK_BYTES (128 * P2V_MIB)
#define CLUSTER	   4096u
#define RECORD	   1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct map_view view = {.offset_bytes = PART_AT, .length_bytes = PART_BYTES};
	struct extent_list list = {0};
	struct map_out out = {.extents = &list};
	const struct map_ntfs_clusters c = {&view, &out, PART_BYTES / CLUSTER, CLUSTER};
	uint8_t record[RECORD] = {0};

	memcpy(record, data, n < RECORD ? n : RECORD);
	if (block_extents_init(&list, DISK_BYTES, NULL) < 0 ||
		block_extents_set(&list, 0, DISK_BYTES, EXTENT_FREE, NULL) < 0)
		abort();
	if (map_ntfs_record(&c, record, RECORD, NULL) < 0)
		abort();
	for (size_t i = 0; i < list.n_items; i++)
		if (list.items[i].kind == EXTENT_USED &&
			(list.items[i].offset_bytes < PART_AT ||
				list.items[i].offset_bytes + list.items[i].length_bytes >
					PART_AT + PART_BYTES))
			abort();
	block_extents_finish(&list);
	return 0;
}
