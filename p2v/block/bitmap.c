/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/block/bitmap.h"

#include <inttypes.h>
#include <stdlib.h>

#include "p2v/core/num.h"

int block_bitmap_init(struct bitmap *bm, uint64_t n_bits, struct p2v_err *err)
{
	uint64_t n_words = p2v_div_up(n_bits, 64);
	uint64_t *words;

	if (n_bits > BLOCK_BITMAP_MAX_BITS)
		return p2v_err_set(
			err, P2V_EUNSUPPORTED, "a bitmap of %" PRIu64 " bits is too large", n_bits);
	words = calloc(n_words ? n_words : 1, sizeof(*words));
	if (!words)
		return p2v_err_set(
			err, P2V_ENOMEM, "no memory for a bitmap of %" PRIu64 " bits", n_bits);
	*bm = (struct bitmap){.n_bits = n_bits, .words = words};
	return 0;
}

void block_bitmap_finish(struct bitmap *bm)
{
	free(bm->words);
	*bm = (struct bitmap){0};
}

/* The bits [from, to) of one word, 0 <= from < to <= 64. */
static uint64_t word_mask(unsigned from, unsigned to)
{
	return (UINT64_MAX << from) & (UINT64_MAX >> (64 - to));
}

static void range_put(struct bitmap *bm, uint64_t first, uint64_t n, bool value)
{
	uint64_t end = p2v_range_within(first, n, bm->n_bits) ? first + n : first;

	while (first < end) {
		uint64_t *word = &bm->words[first / 64];
		unsigned from = first % 64;
		unsigned to = p2v_min_u64(64, from + (end - first));
		uint64_t mask = word_mask(from, to);
		unsigned before = __builtin_popcountll(*word & mask);

		*word = value ? *word | mask : *word & ~mask;
		bm->n_set = bm->n_set - before + (value ? to - from : 0);
		first += to - from;
	}
}

bool block_bitmap_test(const struct bitmap *bm, uint64_t bit)
{
	return bit < bm->n_bits && bm->words[bit / 64] >> (bit % 64) & 1;
}

void block_bitmap_set(struct bitmap *bm, uint64_t bit)
{
	range_put(bm, bit, 1, true);
}

void block_bitmap_clear(struct bitmap *bm, uint64_t bit)
{
	range_put(bm, bit, 1, false);
}

void block_bitmap_set_range(struct bitmap *bm, uint64_t first, uint64_t n)
{
	range_put(bm, first, n, true);
}

void block_bitmap_clear_range(struct bitmap *bm, uint64_t first, uint64_t n)
{
	range_put(bm, first, n, false);
}

/* The first bit of this value at or after from; n_bits where there is none. */
static uint64_t bit_find(const struct bitmap *bm, uint64_t from, bool value)
{
	while (from < bm->n_bits) {
		uint64_t word = bm->words[from / 64];
		uint64_t hits = (value ? word : ~word) & (UINT64_MAX << (from % 64));

		if (hits)
			return p2v_min_u64(
				from / 64 * 64 + (unsigned)__builtin_ctzll(hits), bm->n_bits);
		from = (from / 64 + 1) * 64;
	}
	return bm->n_bits;
}

bool block_bitmap_run(
	const struct bitmap *bm, uint64_t from, bool value, uint64_t *ret_first, uint64_t *ret_n)
{
	uint64_t first;

	first = bit_find(bm, from, value);
	if (first == bm->n_bits)
		return false;
	*ret_first = first;
	*ret_n = bit_find(bm, first, !value) - first;
	return true;
}
