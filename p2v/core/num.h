/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_NUM_H
#define P2V_CORE_NUM_H

/*
 * Checked arithmetic and numbers that people write. Every size or offset that comes from outside
 * goes through these before it is used; ranges are half-open, [offset, offset + length).
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/err.h"

#define P2V_KIB UINT64_C(1024)
#define P2V_MIB (1024 * P2V_KIB)
#define P2V_GIB (1024 * P2V_MIB)

static inline bool p2v_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool p2v_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

/* True where [offset, offset + length) lies within [0, size). */
static inline bool p2v_range_within(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

static inline uint64_t p2v_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t p2v_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* align: a power of two. */
static inline uint64_t p2v_align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

/* Wraps only where v is within align of UINT64_MAX; disk offsets are not. */
static inline uint64_t p2v_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint64_t p2v_div_up(uint64_t v, uint64_t by)
{
	return v / by + (v % by != 0);
}

/* "123" -> 123; anything else, or beyond [min, max], is P2V_EINVAL with `what` in the sentence. */
int p2v_num_parse(const char *text, const char *what, uint64_t min, uint64_t max,
	uint64_t *ret_value, struct p2v_err *err);

/* "10M", "1.5G", "64KiB", "100" -> bytes. Powers of 1024 with or without "iB" or "B". */
int p2v_num_parse_bytes(
	const char *text, const char *what, uint64_t *ret_bytes, struct p2v_err *err);

/* 1536 -> "1.5 KiB". Returns buf. */
#define P2V_NUM_TEXT 32
const char *p2v_num_bytes_text(uint64_t bytes, char buf[P2V_NUM_TEXT]);

/* 75000 ms -> "1 min 15 s". Returns buf. */
const char *p2v_num_ms_text(uint64_t ms, char buf[P2V_NUM_TEXT]);

#endif
