/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/lvm-tree.h"
#include "agent/map/lvm.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"

#define SECTOR	    512u
#define EXTENTS_MAX (UINT64_C(1) << 28)
#define SECTORS_MAX (UINT64_C(1) << 50)
#define EXTENT_MAX  (UINT64_C(1) << 25) /* sectors; 16 GiB */

#define VOLUMES_MAX 1024u /* each is looked for in all others */

struct reader {
	const struct lvm_tree *tree;
	uint32_t volumes;		  /* the section logical_volumes, or 0 */
	struct p2v_span pvs[LVM_PVS_MAX]; /* their names */
	const char *why;		  /* why it is of no use */
	struct p2v_err *err;
};

static const struct lvm_node *node_at(const struct reader *rd, uint32_t at)
{
	return &rd->tree->nodes[at];
}

static int odd(struct reader *rd, const char *what)
{
	return p2v_err_set(rd->err, P2V_EFORMAT, "LVM metadata: %s", what);
}

/* A UUID is 32 characters; in the text dashes stand among them. */
static bool uuid_read(struct p2v_span text, uint8_t ret[LVM_UUID_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '-')
			continue;
		if (n == LVM_UUID_BYTES)
			return false;
		ret[n++] = (uint8_t)text.p[i];
	}
	return n == LVM_UUID_BYTES;
}

/* Whether a value anywhere below the node is this string. */
static bool mentions(const struct reader *rd, uint32_t at, struct p2v_span name)
{
	for (uint32_t i = node_at(rd, at)->first; i; i = node_at(rd, i)->next) {
		const struct lvm_node *n = node_at(rd, i);

		if (n->kind == LVM_STRING ? p2v_span_same(n->text, name) : mentions(rd, i, name))
			return true;
	}
	return false;
}

static void name_copy(struct p2v_span name, char out[LVM_NAME_MAX])
{
	size_t n = p2v_min_u64(name.n, LVM_NAME_MAX - 1);

	memcpy(out, name.p, n);
	out[n] = '\0';
}

/* LVM_PVS_MAX: no physical volume, so another logical one. */
static size_t pv_of(const struct reader *rd, const struct lvm_group *g, struct p2v_span name)
{
	for (size_t i = 0; i < g->n_pvs; i++)
		if (p2v_span_same(rd->pvs[i], name))
			return i;
	return LVM_PVS_MAX;
}

static int stripe_take(struct reader *rd, struct lvm_stripe s, uint64_t each, struct lvm_group *g,
	struct lvm_volume *lv)
{
	struct lvm_stripe *to;
	uint64_t before = g->taken.n_set;

	if (!p2v_range_within(s.physical, each, g->pvs[s.pv].extents))
		return odd(rd, "a segment beyond its physical volume");
	if (s.pv == g->own) {
		block_bitmap_set_range(&g->taken, s.physical, each);
		if (g->taken.n_set - before != each)
			return odd(rd, "two volumes in one place");
	}
	to = p2v_json_grow((void **)&lv->stripes, &lv->n_stripes, sizeof(*lv->stripes));
	if (!to)
		return p2v_err_set(rd->err, P2V_ENOMEM, "out of memory");
	*to = s;
	return 0;
}

/* One stripe is the whole segment; several have a size that divides an extent. */
static int stripe_bytes_read(
	struct reader *rd, uint32_t segment, const struct lvm_group *g, struct lvm_segment *s)
{
	uint64_t sectors;
	int r;

	if (s->n == 1) {
		s->stripe_bytes = s->count * g->extent_bytes;
		return 0;
	}
	r = map_lvm_number(rd->tree, segment, "stripe_size", SECTORS_MAX, &sectors, rd->err);
	s->stripe_bytes = r == 0 ? sectors * SECTOR : 0;
	return r == 0 && (sectors == 0 || g->extent_bytes % s->stripe_bytes)
		       ? odd(rd, "stripes of an odd size")
		       : r;
}

/* stripes = ["pv0", 12, ...] of one segment. Linear: one stripe. */
static int stripes_take(struct reader *rd, uint32_t segment, struct lvm_segment s,
	struct lvm_group *g, struct lvm_volume *lv)
{
	uint32_t list = map_lvm_child(rd->tree, segment, "stripes");
	uint32_t at = list ? node_at(rd, list)->first : 0;
	struct lvm_segment *to;
	int r = map_lvm_number(rd->tree, segment, "stripe_count", EXTENTS_MAX, &s.n, rd->err);

	if (r < 0)
		return r;
	if (s.n == 0 || s.count % s.n)
		return odd(rd, "stripes that do not add up");
	s.first = lv->n_stripes;
	for (uint64_t i = 0; i < s.n && r == 0; i++) {
		const struct lvm_node *pv = node_at(rd, at), *pe = node_at(rd, pv->next);
		struct lvm_stripe stripe;

		if (!at || !pv->next || pv->kind != LVM_STRING || pe->kind != LVM_NUMBER)
			return odd(rd, "stripes that are missing");
		at = pe->next;
		stripe = (struct lvm_stripe){pv_of(rd, g, pv->text), pe->number};
		/* A stripe may be another volume; that one has its own segments. */
		if (stripe.pv == LVM_PVS_MAX)
			lv->placed = false;
		else
			r = stripe_take(rd, stripe, s.count / s.n, g, lv);
	}
	if (r < 0 || !lv->placed)
		return r;
	r = stripe_bytes_read(rd, segment, g, &s);
	if (r < 0)
		return r;
	to = p2v_json_grow((void **)&lv->segments, &lv->n_segments, sizeof(*lv->segments));
	if (!to)
		return p2v_err_set(rd->err, P2V_ENOMEM, "out of memory");
	*to = s;
	return 0;
}

static int pool_take(struct reader *rd, uint32_t at, struct lvm_volume *lv)
{
	uint64_t sectors;
	int r = map_lvm_number(rd->tree, at, "chunk_size", SECTORS_MAX, &sectors, rd->err);

	if (r < 0)
		return r;
	lv->chunk_bytes = sectors * SECTOR;
	name_copy(map_lvm_string(rd->tree, at, "pool"), lv->pool_data);
	name_copy(map_lvm_string(rd->tree, at, "metadata"), lv->pool_meta);
	return 0;
}

static int segment_take(struct reader *rd, uint32_t at, struct lvm_group *g, struct lvm_volume *lv)
{
	struct lvm_segment s = {0};
	int r = map_lvm_number(rd->tree, at, "start_extent", EXTENTS_MAX, &s.start, rd->err);

	if (r == 0)
		r = map_lvm_number(rd->tree, at, "extent_count", EXTENTS_MAX, &s.count, rd->err);
	if (r < 0)
		return r;
	if (s.start != lv->extents || s.count == 0)
		return odd(rd, "segments with a gap");
	lv->extents += s.count;
	if (p2v_span_eq(map_lvm_string(rd->tree, at, "type"), "striped"))
		return stripes_take(rd, at, s, g, lv);
	lv->placed = false;
	if (p2v_span_eq(map_lvm_string(rd->tree, at, "type"), "thin-pool"))
		return pool_take(rd, at, lv);
	if (mentions(rd, at, rd->pvs[g->own]))
		rd->why = "LVM: it has segments that nothing here knows: all copied";
	return 0;
}

/* Whether another volume is made of this one. */
static bool is_part(const struct reader *rd, uint32_t volume)
{
	for (uint32_t at = node_at(rd, rd->volumes)->first; at; at = node_at(rd, at)->next)
		if (at != volume && mentions(rd, at, node_at(rd, volume)->name))
			return true;
	return false;
}

static int volume_take(struct reader *rd, uint32_t at, struct lvm_group *g)
{
	struct lvm_volume *lv =
		p2v_json_grow((void **)&g->volumes, &g->n_volumes, sizeof(*g->volumes));
	int r = lv ? 0 : p2v_err_set(rd->err, P2V_ENOMEM, "out of memory");

	if (r == 0 && g->n_volumes > VOLUMES_MAX)
		r = odd(rd, "too many volumes");
	if (r == 0) {
		name_copy(node_at(rd, at)->name, lv->name);
		lv->placed = true;
	}
	for (uint32_t i = node_at(rd, at)->first; i && r == 0; i = node_at(rd, i)->next)
		if (p2v_span_starts(node_at(rd, i)->name, "segment") &&
			node_at(rd, i)->kind == LVM_SECTION)
			r = segment_take(rd, i, g, lv);
	if (r == 0 && lv->extents > EXTENTS_MAX)
		r = odd(rd, "a volume that is too large");
	if (r == 0)
		lv->plain = lv->placed && !is_part(rd, at);
	return r;
}

/* The group's own section: the one that has physical volumes. */
static uint32_t group_find(const struct lvm_tree *tree)
{
	uint32_t at = tree->nodes[0].first;

	while (at && !map_lvm_child(tree, at, "physical_volumes"))
		at = tree->nodes[at].next;
	return at;
}

static int pv_read(struct reader *rd, uint32_t at, struct lvm_group *g)
{
	struct lvm_pv *pv = &g->pvs[g->n_pvs];
	uint64_t first = 0;
	int r = map_lvm_number(rd->tree, at, "pe_start", SECTORS_MAX, &first, rd->err);

	if (r == 0)
		r = map_lvm_number(rd->tree, at, "pe_count", EXTENTS_MAX, &pv->extents, rd->err);
	if (r == 0 && !uuid_read(map_lvm_string(rd->tree, at, "id"), pv->uuid))
		r = odd(rd, "a physical volume without a UUID");
	if (r < 0)
		return r;
	pv->first_bytes = first * SECTOR;
	rd->pvs[g->n_pvs++] = node_at(rd, at)->name;
	return 0;
}

/* own: the UUID of the one that is looked at. */
static int pvs_read(struct reader *rd, uint32_t group, const uint8_t *own, struct lvm_group *g)
{
	uint32_t at = node_at(rd, map_lvm_child(rd->tree, group, "physical_volumes"))->first;
	int r = 0;

	for (; at && r == 0; at = node_at(rd, at)->next)
		r = g->n_pvs == LVM_PVS_MAX ? odd(rd, "too many physical volumes")
					    : pv_read(rd, at, g);
	g->own = 0;
	while (r == 0 && g->own < g->n_pvs && memcmp(g->pvs[g->own].uuid, own, LVM_UUID_BYTES) != 0)
		g->own++;
	return r == 0 && g->own == g->n_pvs ? odd(rd, "it is another volume's") : r;
}

static int group_read(struct reader *rd, uint32_t at, const uint8_t *uuid, struct lvm_group *g)
{
	uint64_t sectors = 0;
	int r = map_lvm_number(rd->tree, at, "extent_size", EXTENT_MAX, &sectors, rd->err);

	name_copy(node_at(rd, at)->name, g->name);
	if (r == 0)
		r = map_lvm_number(rd->tree, at, "seqno", UINT32_MAX, &g->seqno, rd->err);
	if (r == 0 && !uuid_read(map_lvm_string(rd->tree, at, "id"), g->uuid))
		r = odd(rd, "a group without a UUID");
	if (r == 0 && sectors == 0)
		r = odd(rd, "extents without a size");
	if (r == 0)
		r = pvs_read(rd, at, uuid, g);
	if (r < 0)
		return r;
	g->extent_bytes = sectors * SECTOR;
	rd->volumes = map_lvm_child(rd->tree, at, "logical_volumes");
	r = block_bitmap_init(&g->taken, g->pvs[g->own].extents, rd->err);
	for (uint32_t i = rd->volumes ? node_at(rd, rd->volumes)->first : 0; i && r == 0;
		i = node_at(rd, i)->next)
		r = volume_take(rd, i, g);
	return r;
}

int map_lvm_parse(const char *text, size_t n, const uint8_t uuid[LVM_UUID_BYTES],
	struct lvm_group *ret_group, const char **ret_why, struct p2v_err *err)
{
	struct lvm_tree tree = {0};
	map_lvm_auto_group struct lvm_group g = {0};
	struct reader rd = {.tree = &tree, .err = err};
	int r = map_lvm_tree_parse(text, n, &tree, err);

	if (r < 0)
		return r;
	rd.why = group_find(&tree) ? NULL : "LVM: it belongs to no volume group: all copied";
	if (!rd.why)
		r = group_read(&rd, group_find(&tree), uuid, &g);
	map_lvm_tree_finish(&tree);
	if (r < 0)
		return r;
	*ret_why = rd.why;
	if (!rd.why) {
		*ret_group = g;
		g = (struct lvm_group){0};
	}
	return 0;
}

void map_lvm_group_finish(struct lvm_group *group)
{
	for (size_t i = 0; i < group->n_volumes; i++) {
		free(group->volumes[i].segments);
		free(group->volumes[i].stripes);
	}
	free(group->volumes);
	block_bitmap_finish(&group->taken);
	*group = (struct lvm_group){0};
}
