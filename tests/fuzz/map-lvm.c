/* SPDX-License-Identifier: GPL-3.0-or-later */

/* LVM metadata: a UUID, then the text. Promised: the segments of a linear volume follow each other
 * without a gap, and lie within the physical volume. */

#include <stdlib.h>

#include "agent/map/lvm.h"
#include "p2v/core/num.h"
#include "tests/fuzz/fuzz.h"

static void volume_check(const struct lvm_group *g, const struct lvm_volume *lv)
{
	uint64_t at = 0;

	for (size_t i = 0; i < lv->n_segments && lv->linear; i++) {
		const struct lvm_segment *s = &lv->segments[i];

		if (s->start != at || s->count == 0 ||
			!p2v_range_within(s->physical, s->count, g->taken.n_bits))
			abort();
		at += s->count;
	}
	if ((lv->linear && at != lv->extents) || (lv->plain && !lv->linear))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	map_lvm_auto_group struct lvm_group g = {0};
	const char *why = NULL;

	if (n < LVM_UUID_BYTES)
		return 0;
	if (map_lvm_parse((const char *)data + LVM_UUID_BYTES, n - LVM_UUID_BYTES, data, &g, &why,
		    NULL) < 0)
		return 0;
	if (!why && g.extent_bytes == 0)
		abort();
	for (size_t i = 0; i < g.n_volumes; i++)
		volume_check(&g, &g.volumes[i]);
	return 0;
}
