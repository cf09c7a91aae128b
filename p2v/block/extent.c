/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/block/extent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

static uint64_t extent_end(const struct extent *e)
{
	return e->offset_bytes + e->length_bytes;
}

const char *block_extent_kind_word(enum extent_kind kind)
{
	static const char *const words[] = {"used", "zero", "free"};

	return (size_t)kind < P2V_N(words) ? words[kind] : "unknown";
}

static int extents_reserve(struct extent_list *list, size_t n, struct p2v_err *err)
{
	size_t cap = list->cap ? list->cap : 16;
	struct extent *items;

	if (n <= list->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	items = reallocarray(list->items, cap, sizeof(*items));
	if (!items)
		return p2v_err_set(err, P2V_ENOMEM, "no memory for %zu extents", cap);
	list->items = items;
	list->cap = cap;
	return 0;
}

int block_extents_init(struct extent_list *list, uint64_t size_bytes, struct p2v_err *err)
{
	struct extent_list l = {.size_bytes = size_bytes};
	int r;

	if (size_bytes) {
		r = extents_reserve(&l, 1, err);
		if (r < 0)
			return r;
		l.items[l.n_items++] = (struct extent){0, size_bytes, EXTENT_USED};
	}
	*list = l;
	return 0;
}

void block_extents_finish(struct extent_list *list)
{
	free(list->items);
	*list = (struct extent_list){0};
}

size_t block_extents_index(const struct extent_list *list, uint64_t offset_bytes)
{
	size_t low = 0, high = list->n_items - 1;

	if (list->items[high].offset_bytes <= offset_bytes)
		return high;
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (list->items[mid].offset_bytes <= offset_bytes)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* Puts n new extents where [first, last] were. Room was reserved. */
static void extents_replace(
	struct extent_list *list, size_t first, size_t last, const struct extent *with, size_t n)
{
	size_t tail = list->n_items - (last + 1);

	memmove(&list->items[first + n], &list->items[last + 1], tail * sizeof(*with));
	memcpy(&list->items[first], with, n * sizeof(*with));
	list->n_items = first + n + tail;
}

int block_extents_set(struct extent_list *list, uint64_t offset_bytes, uint64_t length_bytes,
	enum extent_kind kind, struct p2v_err *err)
{
	uint64_t start = offset_bytes, end = offset_bytes + length_bytes;
	struct extent with[3], *items;
	size_t i, j, n = 0;
	int r;

	if (!p2v_range_within(offset_bytes, length_bytes, list->size_bytes))
		return p2v_err_set(err, P2V_EINVAL,
			"extent at %" PRIu64 " of %" PRIu64 " bytes lies beyond the size %" PRIu64,
			offset_bytes, length_bytes, list->size_bytes);
	if (length_bytes == 0)
		return 0;
	r = extents_reserve(list, list->n_items + 2, err);
	if (r < 0)
		return r;
	items = list->items;
	i = block_extents_index(list, start);
	j = block_extents_index(list, end - 1);

	/* Grow over neighbours of the same kind, so that no two of a kind ever touch. */
	if (i > 0 && items[i].offset_bytes == start && items[i - 1].kind == kind)
		i--;
	if (items[i].kind == kind)
		start = items[i].offset_bytes;
	if (j + 1 < list->n_items && extent_end(&items[j]) == end && items[j + 1].kind == kind)
		j++;
	if (items[j].kind == kind)
		end = extent_end(&items[j]);

	if (items[i].offset_bytes < start)
		with[n++] = (struct extent){
			items[i].offset_bytes, start - items[i].offset_bytes, items[i].kind};
	with[n++] = (struct extent){start, end - start, kind};
	if (extent_end(&items[j]) > end)
		with[n++] = (struct extent){end, extent_end(&items[j]) - end, items[j].kind};
	extents_replace(list, i, j, with, n);
	return 0;
}

struct extent block_extents_at(
	const struct extent_list *list, uint64_t offset_bytes, uint64_t length_bytes)
{
	struct extent e = {offset_bytes, 0, EXTENT_USED};
	const struct extent *in;

	if (offset_bytes >= list->size_bytes || length_bytes == 0)
		return e;
	in = &list->items[block_extents_index(list, offset_bytes)];
	e.length_bytes = p2v_min_u64(length_bytes, extent_end(in) - offset_bytes);
	e.kind = in->kind;
	return e;
}

struct extent block_extents_next(
	const struct extent_list *list, struct extent e, uint64_t end_bytes)
{
	uint64_t from = extent_end(&e);

	return block_extents_at(list, from, end_bytes > from ? end_bytes - from : 0);
}

uint64_t block_extents_sum(const struct extent_list *list, enum extent_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < list->n_items; i++)
		if (list->items[i].kind == kind)
			sum += list->items[i].length_bytes;
	return sum;
}
