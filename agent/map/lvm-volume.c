/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/map/lvm.h"
#include "agent/map/names.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"

/* A logical volume as a disk of its own, read through its segments. */
struct volume_io {
	struct block_io io;
	const struct lvm_group *group;
	const struct lvm_volume *volume;
};

size_t map_lvm_locate(const struct lvm_group *g, const struct lvm_volume *lv, uint64_t offset,
	uint64_t *ret_at, uint64_t *ret_left)
{
	uint64_t extent = offset / g->extent_bytes, in, row;
	const struct lvm_segment *s;
	const struct lvm_stripe *stripe;
	size_t low = 0, high = lv->n_segments;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (lv->segments[mid].start <= extent)
			low = mid;
		else
			high = mid;
	}
	s = &lv->segments[low];
	offset -= s->start * g->extent_bytes;
	row = offset / s->stripe_bytes;
	in = offset % s->stripe_bytes;
	stripe = &lv->stripes[s->first + row % s->n];
	*ret_left = s->stripe_bytes - in;
	*ret_at = g->pvs[stripe->pv].first_bytes + stripe->physical * g->extent_bytes +
		  row / s->n * s->stripe_bytes + in;
	return stripe->pv;
}

static int volume_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	const struct volume_io *v = (const struct volume_io *)io;

	for (size_t done = 0; done < n;) {
		uint64_t left, at;
		size_t pv = map_lvm_locate(v->group, v->volume, offset + done, &at, &left);
		size_t part = (size_t)p2v_min_u64(left, n - done);
		int r = v->group->pvs[pv].here
				? map_view_read(&v->group->pvs[pv].view, at, (uint8_t *)buf + done,
					  part, err)
				: p2v_err_set(err, P2V_EIO, "it lies on another disk, too");

		if (r < 0)
			return r;
		done += part;
	}
	return 0;
}

static void volume_close(struct block_io *io)
{
	free(io);
}

static const struct block_io_ops volume_ops = {.pread = volume_pread, .close = volume_close};

static int volume_open(const struct map_view *pv, const struct lvm_group *g,
	const struct lvm_volume *lv, struct block_io **ret, struct p2v_err *err)
{
	struct volume_io *v = calloc(1, sizeof(*v));
	int r = v ? block_io_setup(&v->io, &volume_ops, pv->io->name, lv->extents * g->extent_bytes,
			    pv->io->logical_sector_bytes, false, err)
		  : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0) {
		free(v);
		return r;
	}
	v->group = g;
	v->volume = lv;
	*ret = &v->io;
	return 0;
}

/* What is free in the volume is free where its segments lie on our physical volume. Rows of stripes
 * follow each other there. */
static int free_translate(const struct map_view *pv, const struct lvm_group *g,
	const struct lvm_volume *lv, const struct extent_list *list, struct map_out *out,
	struct p2v_err *err)
{
	uint64_t first = 0, length = 0;
	int r = 0;

	for (size_t i = 0; i < list->n_items; i++) {
		uint64_t at = list->items[i].offset_bytes, end = at + list->items[i].length_bytes;

		while (list->items[i].kind == EXTENT_FREE && at < end && r == 0) {
			uint64_t left, where;
			size_t on = map_lvm_locate(g, lv, at, &where, &left);
			uint64_t n = p2v_min_u64(left, end - at);

			at += n;
			if (on != g->own)
				continue;
			if (where != first + length) {
				r = map_view_free(pv, out, first, length, err);
				first = where;
				length = 0;
			}
			length += n;
		}
	}
	return r == 0 ? map_view_free(pv, out, first, length, err) : r;
}

static struct map_region *region_add(const struct map_view *pv, const struct lvm_group *g,
	const struct lvm_volume *lv, const char *type, struct map_out *out)
{
	struct map_region *to =
		p2v_json_grow((void **)&out->inner, &out->n_inner, sizeof(*out->inner));

	if (!to)
		return NULL;
	*to = (struct map_region){.depth = 1,
		.offset_bytes = pv->offset_bytes + g->pvs[g->own].first_bytes,
		.length_bytes = lv->extents * g->extent_bytes,
		.used_bytes = lv->extents * g->extent_bytes,
		.why_used = "not a plain linear or striped volume: all copied"};
	for (size_t i = lv->n_stripes; i-- > 0;)
		if (lv->stripes[i].pv == g->own)
			to->offset_bytes = pv->offset_bytes + g->pvs[g->own].first_bytes +
					   lv->stripes[i].physical * g->extent_bytes;
	snprintf(to->what, sizeof(to->what), "volume %.40s/%.40s%s%.9s%s", g->name, lv->name,
		type ? " (" : "", type ? type : "", type ? ")" : "");
	return to;
}

/* The thin pool that this volume is the data of, or NULL. */
static const struct lvm_volume *pool_of(const struct lvm_group *g, const struct lvm_volume *lv)
{
	for (size_t i = 0; i < g->n_volumes; i++)
		if (g->volumes[i].chunk_bytes && strcmp(g->volumes[i].pool_data, lv->name) == 0)
			return &g->volumes[i];
	return NULL;
}

static const struct lvm_volume *volume_named(const struct lvm_group *g, const char *name)
{
	for (size_t i = 0; i < g->n_volumes; i++)
		if (strcmp(g->volumes[i].name, name) == 0)
			return &g->volumes[i];
	return NULL;
}

/* Whatever is wrong with the pool leaves it used, as with any other content. */
static int pool_map(const struct map_view *pv, const struct lvm_group *g,
	const struct lvm_volume *pool, const struct map_view *data, struct map_out *out,
	struct p2v_err *err)
{
	const struct lvm_volume *lv = volume_named(g, pool->pool_meta);
	p2v_auto(block_io_free) struct block_io *meta = NULL;
	int r = lv && lv->placed && lv->n_segments
			? volume_open(pv, g, lv, &meta, err)
			: map_odd(err, "a thin pool's metadata is not plain");

	if (r == 0)
		r = map_lvm_thin(meta, pool->chunk_bytes, data, out, err);
	if (r == P2V_ENOMEM)
		return r;
	if (r < 0)
		map_out_used(out, "LVM: a thin pool that nothing here can read: all copied");
	p2v_err_clear(err);
	return out->why_free
		       ? 0
		       : block_extents_set(out->extents, 0, data->length_bytes, EXTENT_USED, err);
}

static int linear_map(const struct map_view *pv, const struct lvm_group *g,
	const struct lvm_volume *lv, struct extent_list *list, struct map_out *out,
	struct p2v_err *err)
{
	p2v_auto(block_io_free) struct block_io *io = NULL;
	const struct lvm_volume *pool = lv->plain ? NULL : pool_of(g, lv);
	struct map_out inner = {.extents = list};
	struct map_region *region;
	const char *type = NULL;
	int r = volume_open(pv, g, lv, &io, err);

	if (r == 0) {
		const struct map_view v = {io, 0, io->size_bytes, pv->number, pv->depth + 1, NULL};

		r = pool ? pool_map(pv, g, pool, &v, &inner, err)
			 : map_view_map(&v, NULL, false, &inner, &type, err);
	}
	if (r == 0)
		r = free_translate(pv, g, lv, list, out, err);
	free(inner.inner);
	if (r < 0)
		return r;
	region = region_add(pv, g, lv, type, out);
	if (!region)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	region->why_used = inner.why_used;
	region->why_free = inner.why_free;
	region->free_bytes = block_extents_sum(list, EXTENT_FREE);
	region->used_bytes -= region->free_bytes;
	return 0;
}

static bool is_elsewhere(const struct lvm_group *g, const struct lvm_volume *lv)
{
	for (size_t i = 0; i < lv->n_stripes; i++)
		if (lv->stripes[i].pv == g->own)
			return false;
	return lv->placed;
}

int map_lvm_volume(const struct map_view *v, const struct lvm_group *g, const struct lvm_volume *lv,
	struct map_out *out, struct p2v_err *err)
{
	struct extent_list list = {0};
	int r;

	if (is_elsewhere(g, lv))
		return 0;

	if (!lv->placed || !lv->n_segments || (!lv->plain && !pool_of(g, lv)))
		return region_add(v, g, lv, NULL, out)
			       ? 0
			       : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = block_extents_init(&list, lv->extents * g->extent_bytes, err);
	if (r == 0)
		r = linear_map(v, g, lv, &list, out, err);
	block_extents_finish(&list);
	return r;
}

int map_lvm_volume_names(const struct map_view *v, const struct lvm_group *g,
	const struct lvm_volume *lv, struct map_bad *bad, struct p2v_err *err)
{
	p2v_auto(block_io_free) struct block_io *io = NULL;
	map_auto_bad struct map_bad within = {0};
	int r = 0;

	for (uint64_t at = 0, end = lv->extents * g->extent_bytes, left;
		lv->placed && at < end && r == 0; at += left) {
		uint64_t where;

		if (map_lvm_locate(g, lv, at, &where, &left) == g->own)
			r = map_bad_move(bad, where, left, at, &within, err);
	}
	if (r < 0 || within.n_spans == 0)
		return r;
	within.where = p2v_strf("%svolume %s/%s: ", bad->where, g->name, lv->name);
	r = within.where ? volume_open(v, g, lv, &io, err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0) {
		const struct map_view in = {io, 0, io->size_bytes, v->number, v->depth + 1, NULL};

		r = map_bad_name(&in, NULL, &within, err);
	}
	return r;
}
