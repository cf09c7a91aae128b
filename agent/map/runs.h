/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_RUNS_H
#define AGENT_MAP_RUNS_H

/*
 * Free runs of a part out of a table that says for one unit (a cluster) after the other whether it
 * is free. Unit i lies at base + i * unit_bytes of the part. Units come in order, without a gap.
 */

#include "agent/map/mappers.h"

struct map_runs {
	const struct map_view *view;
	struct map_out *out;
	uint64_t base_bytes, unit_bytes;
	uint64_t first, n; /* the run that is open; zero at first */
};

int map_runs_put(struct map_runs *runs, uint64_t unit, bool is_free, struct p2v_err *err);
/* Units [first, first + n), a bit each, the lowest first; clear: free. */
int map_runs_bits(struct map_runs *runs, const uint8_t *bits, uint64_t first, uint64_t n,
	struct p2v_err *err);
int map_runs_end(struct map_runs *runs, struct p2v_err *err);

#endif
