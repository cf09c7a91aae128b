/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_BITMAP_H
#define P2V_BLOCK_BITMAP_H

/*
 * One bit a grain. Bits beyond n_bits do not exist: they read as clear, and a range that is not
 * within [0, n_bits) changes nothing. Memory: one byte per 8 grains, so 20 MiB
 * for a disk of 10 TiB at 64 KiB. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"

struct bitmap {
	uint64_t n_bits;
	uint64_t n_set; /* how many are set: always up to date */
	uint64_t *words;
};

/* All clear. More than BLOCK_BITMAP_MAX_BITS (512 TiB at 64 KiB) is P2V_EUNSUPPORTED. */
#define BLOCK_BITMAP_MAX_BITS (UINT64_C(1) << 33)
int block_bitmap_init(struct bitmap *bm, uint64_t n_bits, struct p2v_err *err);
void block_bitmap_finish(struct bitmap *bm);

bool block_bitmap_test(const struct bitmap *bm, uint64_t bit);
void block_bitmap_set(struct bitmap *bm, uint64_t bit);
void block_bitmap_clear(struct bitmap *bm, uint64_t bit);
void block_bitmap_set_range(struct bitmap *bm, uint64_t first, uint64_t n);
void block_bitmap_clear_range(struct bitmap *bm, uint64_t first, uint64_t n);

/* The first run of bits of this value at or after `from` (0..n_bits): false where there is none.
 * The outputs are untouched then. */
bool block_bitmap_run(
	const struct bitmap *bm, uint64_t from, bool value, uint64_t *ret_first, uint64_t *ret_n);

#endif
