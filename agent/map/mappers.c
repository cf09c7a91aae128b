/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/mappers.h"

#include "p2v/core/cleanup.h"

const struct mapper mappers[] = {
	{"swap", map_swap},
	{"swsuspend", map_swap},
};
const size_t n_mappers = P2V_N(mappers);
