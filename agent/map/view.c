/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "agent/map/names.h"
#include "p2v/block/digest.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"

#define MAGIC_MAX 16u

int map_odd(struct p2v_err *err, const char *what)
{
	return p2v_err_set(err, P2V_EFORMAT, "%s", what);
}

int map_out_used(struct map_out *out, const char *why)
{
	out->why_used = why;
	out->why_free = NULL;
	return 0;
}

int map_view_read(
	const struct map_view *v, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	if (!p2v_range_within(offset, n, v->length_bytes))
		return map_odd(err, "it points beyond its end");
	return block_read(v->io, v->offset_bytes + offset, buf, n, err);
}

int map_view_free(const struct map_view *v, struct map_out *out, uint64_t offset, uint64_t length,
	struct p2v_err *err)
{
	if (!p2v_range_within(offset, length, v->length_bytes))
		return map_odd(err, "what it calls free lies beyond its end");
	if (length < BLOCK_GRAIN_BYTES)
		return 0;
	return block_extents_set(out->extents, v->offset_bytes + offset, length, EXTENT_FREE, err);
}

static const struct mapper *mapper_of(const char *type)
{
	for (size_t i = 0; i < n_mappers; i++)
		if (strcmp(mappers[i].type, type) == 0)
			return &mappers[i];
	return NULL;
}

static bool magic_matches(const struct map_view *v, const struct mapper *m)
{
	uint8_t found[MAGIC_MAX];
	size_t n = m->magic ? strlen(m->magic) : 0;

	return n && n <= sizeof(found) && map_view_read(v, m->magic_at, found, n, NULL) == 0 &&
	       memcmp(found, m->magic, n) == 0;
}

/* Two kinds at once are none: a stale signature may lie below a newer file system. */
static const struct mapper *mapper_find(const struct map_view *v)
{
	const struct mapper *found = NULL;

	for (size_t i = 0; i < n_mappers; i++) {
		if (!magic_matches(v, &mappers[i]))
			continue;
		if (found)
			return NULL;
		found = &mappers[i];
	}
	return found;
}

static int view_reset(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	return block_extents_set(out->extents, v->offset_bytes, v->length_bytes, EXTENT_USED, err);
}

int map_view_map(const struct map_view *v, const char *type, bool busy, struct map_out *out,
	const char **ret_type, struct p2v_err *err)
{
	const struct mapper *mapper = type ? mapper_of(type) : mapper_find(v);
	int r = 0;

	*ret_type = type ? type : mapper ? mapper->type : NULL;
	map_out_used(out, "nothing here knows which of its blocks are free");
	if (!mapper)
		return 0;
	if (busy && !mapper->busy)
		return map_out_used(
			out, "in use on this machine now: what is free may not stay so");
	if (!mapper->map)
		return map_out_used(out, mapper->why_used);
	r = mapper->map(v, out, err);
	if (r == P2V_EREFUSED || r == P2V_ENOMEM)
		return r;
	if (r < 0)
		map_out_used(out, r == P2V_EFORMAT
					  ? "its structures are not as they should be: all copied"
					  : "it could not be read to look: all copied");
	p2v_err_clear(err);
	return out->why_free ? 0 : view_reset(v, out, err);
}

/* What cannot be told is no failure: the copy is complete without it. */
int map_bad_name(
	const struct map_view *v, const char *type, struct map_bad *bad, struct p2v_err *err)
{
	const struct mapper *mapper = type ? mapper_of(type) : mapper_find(v);
	p2v_autofree char *text = NULL;
	size_t before = *bad->n_lines;
	int r = P2V_EUNSUPPORTED;

	if (!type && mapper)
		type = mapper->type;
	if (mapper && mapper->names)
		r = mapper->names(v, bad, err);
	if (r == P2V_ENOMEM || *bad->n_lines > before)
		return r == P2V_ENOMEM ? r : 0;
	p2v_err_clear(err);
	if (!type)
		return map_bad_say(bad, "in content that nothing here knows", err);
	text = p2v_strf("which files these are is not known for %s", type);
	return text ? map_bad_say(bad, text, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}
