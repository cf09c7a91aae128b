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
	uint64_t offset, end;
	char what[64];
	const char *why_used, *why_free;
};

static int region_add(
	struct map *map, const struct stretch *s, struct extent e, struct p2v_err *err)
{
	struct map_region *r =
		p2v_json_grow((void **)&map->regions, &map->n_regions, sizeof(*map->regions));

	if (!r)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r->offset_bytes = e.offset_bytes;
	r->length_bytes = e.length_bytes;
	r->kind = e.kind;
	memcpy(r->what, s->what, sizeof(r->what));
	r->why = e.kind == EXTENT_USED	 ? s->why_used
		 : e.kind == EXTENT_FREE ? s->why_free
					 : "a hole in the file: reads as zero";
	return 0;
}

static int stretch_describe(struct map *map, const struct stretch *s, struct p2v_err *err)
{
	const struct extent_list *list = &map->extents;
	int r = 0;

	for (struct extent e = block_extents_at(list, s->offset, s->end - s->offset);
		e.length_bytes && r == 0; e = block_extents_next(list, e, s->end))
		r = region_add(map, s, e, err);
	return r;
}

/* The gaps hold boot loaders (GRUB's core image) and both copies of a GPT. */
static int gap_describe(struct map *map, uint64_t from, uint64_t to, struct p2v_err *err)
{
	struct stretch s = {.offset = from,
		.end = to,
		.what = "outside of partitions",
		.why_used = "tables and boot loaders may be there"};

	return from < to ? stretch_describe(map, &s, err) : 0;
}

static const struct mapper *mapper_of(const char *type)
{
	for (size_t i = 0; type && i < n_mappers; i++)
		if (strcmp(type, mappers[i].type) == 0)
			return &mappers[i];
	return NULL;
}

static void part_name(const struct map_part *part, struct stretch *s)
{
	const char *type = part->type ? part->type : "unknown content";

	if (part->number)
		snprintf(
			s->what, sizeof(s->what), "partition %" PRIu32 " (%s)", part->number, type);
	else
		snprintf(s->what, sizeof(s->what), "whole disk (%s)", type);
}

static int part_map(struct block_io *io, const struct map_part *part, struct map *map,
	struct stretch *s, struct p2v_err *err)
{
	const struct mapper *mapper = mapper_of(part->type);
	int r;

	*s = (struct stretch){.offset = part->offset_bytes,
		.end = part->offset_bytes + part->length_bytes,
		.why_used = "nothing here knows which of its blocks are free"};
	part_name(part, s);
	if (!mapper)
		return 0;
	r = mapper->map(io, part, &map->extents, &s->why_used, &s->why_free, err);
	if (r == P2V_EREFUSED || r == P2V_ENOMEM)
		return r;
	p2v_err_clear(err);
	if (r < 0)
		s->why_used = "it could not be read to look";
	return 0;
}

static int part_order(const void *a, const void *b)
{
	const struct map_part *x = a, *y = b;

	return x->offset_bytes < y->offset_bytes ? -1 : x->offset_bytes > y->offset_bytes;
}

/* Parts in order, cut to the disk; one that overlaps its neighbour, as a damaged table may say,
 * belongs to nobody, and so is used. */
static size_t parts_sane(
	const struct map_part *parts, size_t n, uint64_t size_bytes, struct map_part *out)
{
	uint64_t end = 0;
	size_t kept = 0;

	memcpy(out, parts, n * sizeof(*parts));
	qsort(out, n, sizeof(*out), part_order);
	for (size_t i = 0; i < n; i++) {
		if (out[i].length_bytes == 0 || out[i].offset_bytes < end ||
			!p2v_range_within(out[i].offset_bytes, out[i].length_bytes, size_bytes))
			continue;
		end = out[i].offset_bytes + out[i].length_bytes;
		out[kept++] = out[i];
	}
	return kept;
}

static int parts_map(struct block_io *io, const struct map_part *parts, size_t n, struct map *map,
	struct p2v_err *err)
{
	struct stretch *stretches = calloc(n + 1, sizeof(*stretches));
	uint64_t at = 0;
	int r = stretches ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; i < n && r == 0; i++)
		r = part_map(io, &parts[i], map, &stretches[i], err);
	if (r == 0)
		r = block_extents_from_io(io, &map->extents, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = gap_describe(map, at, stretches[i].offset, err);
		if (r == 0)
			r = stretch_describe(map, &stretches[i], err);
		at = stretches[i].end;
	}
	if (r == 0)
		r = gap_describe(map, at, io->size_bytes, err);
	free(stretches);
	return r;
}

int map_disk(struct block_io *io, const struct map_part *parts, size_t n_parts, struct map *ret,
	struct p2v_err *err)
{
	struct map_part *sane = calloc(n_parts + 1, sizeof(*sane));
	struct map map = {0};
	int r = sane ? block_extents_init(&map.extents, io->size_bytes, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0) {
		size_t n = n_parts ? parts_sane(parts, n_parts, io->size_bytes, sane) : 0;

		r = parts_map(io, sane, n, &map, err);
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
