/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/map/mappers.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"

/* A stretch of the disk that is one thing, and what its mapper said. */
struct stretch {
	struct map_region region;
	struct map_region *inner;
	size_t n_inner;
};

static struct map_region *region_add(struct map *map)
{
	return p2v_json_grow((void **)&map->regions, &map->n_regions, sizeof(*map->regions));
}

static void region_sum(const struct extent_list *list, struct map_region *r)
{
	uint64_t end = r->offset_bytes + r->length_bytes;
	uint64_t *sums[] = {&r->used_bytes, &r->zero_bytes, &r->free_bytes};

	for (struct extent e = block_extents_at(list, r->offset_bytes, r->length_bytes);
		e.length_bytes; e = block_extents_next(list, e, end))
		*sums[e.kind] += e.length_bytes;
}

static int stretch_describe(struct map *map, const struct stretch *s, struct p2v_err *err)
{
	struct map_region *r = region_add(map);

	for (size_t i = 0; r && i < s->n_inner; i++) {
		struct map_region *in = region_add(map);

		if (in)
			*in = s->inner[i];
		r = in;
	}
	if (!r)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r -= s->n_inner;
	*r = s->region;
	region_sum(&map->extents, r);
	if (r->free_bytes == 0)
		r->why_free = NULL;
	return 0;
}

/* The gaps hold boot loaders (GRUB's core image) and both copies of a GPT. */
static int gap_describe(struct map *map, uint64_t from, uint64_t to, struct p2v_err *err)
{
	struct stretch s = {.region = {.offset_bytes = from,
				    .length_bytes = to - from,
				    .what = "outside of partitions",
				    .why_used = "tables and boot loaders may be there"}};

	return from < to ? stretch_describe(map, &s, err) : 0;
}

static void part_name(const struct map_part *part, const char *type, struct map_region *r)
{
	if (!type)
		type = "unknown content";
	if (part->number)
		snprintf(
			r->what, sizeof(r->what), "partition %" PRIu32 " (%s)", part->number, type);
	else
		snprintf(r->what, sizeof(r->what), "whole disk (%s)", type);
}

static int part_map(struct block_io *io, const struct map_part *part, const struct map_peers *peers,
	struct map *map, struct stretch *s, struct p2v_err *err)
{
	const struct map_view v = {
		io, part->offset_bytes, part->length_bytes, part->number, 0, peers};
	struct map_out out = {.extents = &map->extents};
	const char *type;
	int r = 0;

	out.why_used = "nothing here knows what it is";
	if (part->type)
		r = map_view_map(&v, part->type, part->busy, &out, &type, err);
	s->region = (struct map_region){.offset_bytes = part->offset_bytes,
		.length_bytes = part->length_bytes,
		.why_used = out.why_used,
		.why_free = out.why_free};
	part_name(part, part->type, &s->region);
	s->inner = out.inner;
	s->n_inner = out.n_inner;
	return r;
}

static int part_order(const void *a, const void *b)
{
	const struct map_part *x = a, *y = b;

	return x->offset_bytes < y->offset_bytes ? -1 : x->offset_bytes > y->offset_bytes;
}

/* Of two that overlap, the first one in order, and all that either covers. */
static struct map_part part_join(const struct map_part *first, const struct map_part *second)
{
	uint64_t end = p2v_max_u64(first->offset_bytes + first->length_bytes,
		second->offset_bytes + second->length_bytes);

	return (struct map_part){first->number, first->offset_bytes, end - first->offset_bytes,
		MAP_OVERLAPPING, false};
}

/* Parts in order, cut to the disk. Where some overlap, as a damaged table may say, what one calls
 * free may be the other's: together they are one that is copied. */
static size_t parts_sane(
	const struct map_part *parts, size_t n, uint64_t size_bytes, struct map_part *out)
{
	uint64_t end = 0;
	size_t kept = 0;

	memcpy(out, parts, n * sizeof(*parts));
	qsort(out, n, sizeof(*out), part_order);
	for (size_t i = 0; i < n; i++) {
		struct map_part part = out[i];

		if (part.length_bytes == 0 || part.offset_bytes >= size_bytes)
			continue;
		if (!p2v_range_within(part.offset_bytes, part.length_bytes, size_bytes)) {
			part.length_bytes = size_bytes - part.offset_bytes;
			part.type = MAP_CUT_OFF;
			part.busy = false;
		}
		if (part.offset_bytes < end)
			part = part_join(&out[--kept], &part);
		end = part.offset_bytes + part.length_bytes;
		out[kept++] = part;
	}
	return kept;
}

static int parts_map(struct block_io *io, const struct map_part *parts, size_t n,
	const struct map_peers *peers, struct map *map, struct p2v_err *err)
{
	struct stretch *stretches = calloc(n + 1, sizeof(*stretches));
	uint64_t at = 0;
	int r = stretches ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; i < n && r == 0; i++)
		r = part_map(io, &parts[i], peers, map, &stretches[i], err);
	if (r == 0)
		r = block_extents_from_io(io, &map->extents, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct map_region *g = &stretches[i].region;

		r = gap_describe(map, at, g->offset_bytes, err);
		at = g->offset_bytes + g->length_bytes;
		if (r == 0)
			r = stretch_describe(map, &stretches[i], err);
	}
	if (r == 0)
		r = gap_describe(map, at, io->size_bytes, err);
	for (size_t i = 0; stretches && i < n; i++)
		free(stretches[i].inner);
	free(stretches);
	return r;
}

int map_peers_add(struct map_peers *peers, struct block_io *io, const struct map_part *parts,
	size_t n_parts, struct p2v_err *err)
{
	for (size_t i = 0; i < n_parts; i++) {
		struct map_peer *to;

		if (!parts[i].type || parts[i].busy || strcmp(parts[i].type, "LVM2_member") != 0)
			continue;
		to = p2v_json_grow((void **)&peers->items, &peers->n, sizeof(*peers->items));
		if (!to)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		*to = (struct map_peer){io, parts[i].offset_bytes, parts[i].length_bytes};
	}
	return 0;
}

void map_peers_finish(struct map_peers *peers)
{
	free(peers->items);
	*peers = (struct map_peers){0};
}

int map_disk(struct block_io *io, const struct map_part *parts, size_t n_parts,
	const struct map_peers *peers, struct map *ret, struct p2v_err *err)
{
	struct map_part *sane = calloc(n_parts + 1, sizeof(*sane));
	struct map map = {0};
	int r = sane ? block_extents_init(&map.extents, io->size_bytes, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0) {
		size_t n = n_parts ? parts_sane(parts, n_parts, io->size_bytes, sane) : 0;

		r = parts_map(io, sane, n, peers, &map, err);
	}
	free(sane);
	if (r < 0) {
		map_finish(&map);
		return r;
	}
	*ret = map;
	return 0;
}

void map_finish(struct map *map)
{
	block_extents_finish(&map->extents);
	free(map->regions);
	memset(map, 0, sizeof(*map));
}
