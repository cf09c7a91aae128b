/* SPDX-License-Identifier: GPL-3.0-or-later */

/* LVM metadata: a UUID, then the text. Promised: the segments of a placed volume follow each other
 * without a gap, and each byte of it has one place within a physical volume. */

#include <stdlib.h>

#include "agent/map/lvm.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "tests/fuzz/fuzz.h"

static void volume_check(const struct lvm_group *g, const struct lvm_volume *lv)
{
	uint64_t at = 0;

	for (size_t i = 0; i < lv->n_segments && lv->placed; i++) {
		const struct lvm_segment *s = &lv->segments[i];
		uint64_t bytes[] = {
			s->start * g->extent_bytes, (s->start + s->count) * g->extent_bytes - 1};

		if (s->start != at || s->count == 0)
			abort();
		at += s->count;
		for (size_t k = 0; k < P2V_N(bytes); k++) {
			uint64_t where, left;
			const struct lvm_pv *pv =
				&g->pvs[map_lvm_locate(g, lv, bytes[k], &where, &left)];

			if (left == 0 || where < pv->first_bytes ||
				(where - pv->first_bytes) / g->extent_bytes >= pv->extents)
				abort();
		}
	}
	if ((lv->placed && at != lv->extents) || (lv->plain && !lv->placed))
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
