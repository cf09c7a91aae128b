/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/runs.h"

int map_runs_end(struct map_runs *runs, struct p2v_err *err)
{
	uint64_t n = runs->n;

	runs->n = 0;
	return n ? map_view_free(runs->view, runs->out,
			   runs->base_bytes + runs->first * runs->unit_bytes, n * runs->unit_bytes,
			   err)
		 : 0;
}

int map_runs_put(struct map_runs *runs, uint64_t unit, bool is_free, struct p2v_err *err)
{
	if (!is_free)
		return map_runs_end(runs, err);
	if (runs->n++ == 0)
		runs->first = unit;
	return 0;
}

int map_runs_bits(
	struct map_runs *runs, const uint8_t *bits, uint64_t first, uint64_t n, struct p2v_err *err)
{
	int r = 0;

	for (uint64_t i = 0; i < n && r == 0; i++)
		r = map_runs_put(runs, first + i, !(bits[i / 8] >> (i % 8) & 1), err);
	return r;
}
