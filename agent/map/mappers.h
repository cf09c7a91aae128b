/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_MAPPERS_H
#define AGENT_MAP_MAPPERS_H

#include "agent/map/map.h"

struct mapper {
	const char *type; /* what libblkid must have called it */
	/*
	 * Marks in list what is free within the part. ret_used, ret_free: constant texts on why the
	 * one is copied and the other is not.
	 * P2V_EREFUSED ends the mapping of the disk; any other error leaves the part used.
	 */
	int (*map)(struct block_io *io, const struct map_part *part, struct extent_list *list,
		const char **ret_used, const char **ret_free, struct p2v_err *err);
};

/* In any order: a type has one mapper, or two that look at different things. */
extern const struct mapper mappers[];
extern const size_t n_mappers;

int map_swap(struct block_io *io, const struct map_part *part, struct extent_list *list,
	const char **ret_used, const char **ret_free, struct p2v_err *err);

#endif
