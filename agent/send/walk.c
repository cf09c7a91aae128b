/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/walk.h"

#include <inttypes.h>

#include "p2v/core/num.h"

int send_ranges_add(struct send_ranges *ranges, uint64_t offset, uint64_t length,
	uint64_t size_bytes, struct p2v_err *err)
{
	uint64_t from, to;

	if (length == 0 || !p2v_range_within(offset, length, size_bytes))
		return p2v_err_set(err, P2V_EFORMAT,
			"range %" PRIu64 "+%" PRIu64 " is beyond the disk", offset, length);
	if (ranges->n == SEND_RANGES_MAX)
		return p2v_err_set(err, P2V_EFORMAT,
			"more than %u ranges came back: memory, cable or disk is at fault",
			SEND_RANGES_MAX);
	from = p2v_align_down(offset, BLOCK_GRAIN_BYTES);
	to = p2v_min_u64(p2v_align_up(offset + length, BLOCK_GRAIN_BYTES), size_bytes);
	ranges->items[ranges->n++] = (struct wire_range){from, to - from};
	return 0;
}

bool send_ranges_touch(const struct send_ranges *ranges, uint64_t offset, uint64_t length)
{
	for (size_t i = 0; i < ranges->n; i++) {
		const struct wire_range *r = &ranges->items[i];

		if (r->offset < offset + length && offset < r->offset + r->length)
			return true;
	}
	return false;
}

/* What decides about one grain after the other. */
struct keeper {
	const struct send_span *span;
	const struct send_ranges *must;
	bool zeros; /* keep zeros only */
};

/* KEEP only what came back right. */
static bool is_kept(const struct keeper *k, uint64_t grain)
{
	uint64_t i;

	if (!k->span || !k->span->durable[grain - k->span->first])
		return false;
	i = grain - k->span->first;
	if (k->zeros && !block_digest_is_zero(&k->span->leaves[i]))
		return false;
	return !k->must || !k->must->n ||
	       !send_ranges_touch(k->must, grain * BLOCK_GRAIN_BYTES, BLOCK_GRAIN_BYTES);
}

static const struct {
	enum send_piece_kind kind;
	uint64_t max_bytes;
} by_extent[] = {
	[EXTENT_USED] = {SEND_READ, SEND_CHUNK_BYTES},
	[EXTENT_ZERO] = {SEND_ZERO, SEND_RUN_BYTES},
	[EXTENT_FREE] = {SEND_FREE, SEND_RUN_BYTES},
};

/* The end of the run of grains from offset on that are kept, or are not, like the first. */
static uint64_t run_end(const struct keeper *k, uint64_t offset, uint64_t end, bool kept)
{
	uint64_t at = offset;

	while (at < end && is_kept(k, at / BLOCK_GRAIN_BYTES) == kept)
		at += BLOCK_GRAIN_BYTES;
	return p2v_min_u64(at, end);
}

/* Where the last grain ends that lies wholly in e. */
static uint64_t whole_end(const struct extent_list *extents, struct extent e)
{
	uint64_t end = e.offset_bytes + e.length_bytes;

	return end == extents->size_bytes ? end : p2v_align_down(end, BLOCK_GRAIN_BYTES);
}

/* The run of grains from offset on that are of one kind; one that is not wholly so is used. A used
 * run is cut to a chunk, so that the search for its end is short. */
static struct extent grains_at(const struct extent_list *extents, uint64_t offset, uint64_t end)
{
	struct extent e = block_extents_at(extents, offset, end - offset);
	uint64_t at = p2v_min_u64(offset + BLOCK_GRAIN_BYTES, end), to;

	if (e.kind != EXTENT_USED && whole_end(extents, e) > offset)
		return (struct extent){offset, whole_end(extents, e) - offset, e.kind};
	end = p2v_min_u64(end, offset + SEND_CHUNK_BYTES);
	for (e = block_extents_at(extents, at, end - at); e.length_bytes;
		e = block_extents_next(extents, e, end)) {
		at = p2v_align_up(e.offset_bytes, BLOCK_GRAIN_BYTES);
		to = whole_end(extents, e);
		if (e.kind != EXTENT_USED && at < to)
			return (struct extent){offset, at - offset, EXTENT_USED};
	}
	return (struct extent){offset, end - offset, EXTENT_USED};
}

struct send_piece send_walk_next(const struct extent_list *extents, const struct send_span *span,
	const struct send_ranges *must, enum send_mode mode, uint64_t offset)
{
	const struct keeper keeper = {span, must, mode == SEND_REFRESH};
	struct send_piece piece = {.offset = offset};
	uint64_t end = extents->size_bytes;
	struct extent e;

	if (offset >= end)
		return piece;
	if (span)
		end = p2v_min_u64(end, (span->first + span->count) * BLOCK_GRAIN_BYTES);
	e = grains_at(extents, offset, end);
	if (mode == SEND_REFRESH)
		end = offset + e.length_bytes;
	if (mode == SEND_REFRESH && e.kind == EXTENT_USED) {
		piece.kind = SEND_READ;
		piece.length = p2v_min_u64(end - offset, SEND_CHUNK_BYTES);
		return piece;
	}
	if (is_kept(&keeper, offset / BLOCK_GRAIN_BYTES)) {
		end = p2v_min_u64(end, offset + SEND_KEEP_GRAINS * BLOCK_GRAIN_BYTES);
		piece.kind = SEND_KEEP;
		piece.length = run_end(&keeper, offset, end, true) - offset;
		return piece;
	}
	piece.kind = by_extent[e.kind].kind;
	end = offset + p2v_min_u64(e.length_bytes, by_extent[e.kind].max_bytes);
	piece.length = (span ? run_end(&keeper, offset, end, false) : end) - offset;
	return piece;
}
