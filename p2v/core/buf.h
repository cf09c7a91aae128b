/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_BUF_H
#define P2V_CORE_BUF_H

/*
 * A growable byte buffer, and a bounded reader over somebody else's bytes.
 *
 * p2v_buf: owns `data`; zero-initialised is empty; a NUL always stands behind the last byte once
 * anything was written, so that text can be used as a C string. Appending fails only for want of
 * memory, or past P2V_BUF_MAX; the buffer then remembers (`failed`) and later appends do nothing,
 * so that an encoder writes field after field and asks once.
 *
 * p2v_rd: reads field by field and never past the end. A read that does not fit sets `failed`,
 * yields zero and stays failed, so that a decoder reads all fields and asks once. Nothing is
 * copied: p2v_rd_bytes points into the foreign bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"

#define P2V_BUF_MAX ((size_t)1 << 30)

struct p2v_buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};

void p2v_buf_finish(struct p2v_buf *b); /* frees; b is empty again */
void p2v_buf_reset(struct p2v_buf *b);	/* length 0, memory kept */
/* Makes room for n further bytes and returns where they go, or NULL (failed). len is unchanged. */
uint8_t *p2v_buf_reserve(struct p2v_buf *b, size_t n);
void p2v_buf_add(struct p2v_buf *b, const void *bytes, size_t n);
void p2v_buf_add_str(struct p2v_buf *b, const char *text);
void p2v_buf_add_zeros(struct p2v_buf *b, size_t n);
void p2v_buf_addf(struct p2v_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void p2v_buf_add_u8(struct p2v_buf *b, uint8_t v);
void p2v_buf_add_be16(struct p2v_buf *b, uint16_t v);
void p2v_buf_add_be32(struct p2v_buf *b, uint32_t v);
void p2v_buf_add_be64(struct p2v_buf *b, uint64_t v);
void p2v_buf_add_le16(struct p2v_buf *b, uint16_t v);
void p2v_buf_add_le32(struct p2v_buf *b, uint32_t v);
/* 0, or P2V_ENOMEM where an append failed. */
int p2v_buf_check(const struct p2v_buf *b, struct p2v_err *err);
/* Takes the text out (NUL-terminated, malloc'd); "" for an empty buffer, NULL where failed. */
char *p2v_buf_take_str(struct p2v_buf *b);

#define p2v_autobuf __attribute__((cleanup(p2v_buf_finish)))

struct p2v_rd {
	const uint8_t *p;
	size_t left;
	bool failed;
};

static inline struct p2v_rd p2v_rd_init(const void *bytes, size_t n)
{
	return (struct p2v_rd){.p = bytes, .left = n};
}

uint8_t p2v_rd_u8(struct p2v_rd *rd);
uint16_t p2v_rd_be16(struct p2v_rd *rd);
uint32_t p2v_rd_be32(struct p2v_rd *rd);
uint64_t p2v_rd_be64(struct p2v_rd *rd);
uint16_t p2v_rd_le16(struct p2v_rd *rd);
uint32_t p2v_rd_le32(struct p2v_rd *rd);
uint64_t p2v_rd_le64(struct p2v_rd *rd);
/* The next n bytes in place, or NULL (failed). */
const uint8_t *p2v_rd_bytes(struct p2v_rd *rd, size_t n);
/* Failed, or bytes are left over: both mean that the message is not what it says. */
bool p2v_rd_bad(const struct p2v_rd *rd);

/* Stores into fixed buffers. */
void p2v_put_be16(uint8_t *p, uint16_t v);
void p2v_put_be32(uint8_t *p, uint32_t v);
void p2v_put_be64(uint8_t *p, uint64_t v);
uint16_t p2v_get_be16(const uint8_t *p);
uint32_t p2v_get_be32(const uint8_t *p);
uint64_t p2v_get_be64(const uint8_t *p);

/* True where all n bytes are zero; fast (used on every block that is read). */
bool p2v_is_zero(const void *bytes, size_t n);

/* Lower-case hex of n bytes; out holds 2 * n + 1. And back: exactly n bytes, or P2V_EFORMAT. */
void p2v_hex(const void *bytes, size_t n, char *out);
int p2v_unhex(const char *text, void *out, size_t n, struct p2v_err *err);

#endif
