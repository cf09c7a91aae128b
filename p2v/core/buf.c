/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void p2v_buf_finish(struct p2v_buf *b)
{
	free(b->data);
	*b = (struct p2v_buf){0};
}

void p2v_buf_reset(struct p2v_buf *b)
{
	b->len = 0;
	b->failed = false;
}

uint8_t *p2v_buf_reserve(struct p2v_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 64;
	uint8_t *data;

	if (b->failed || n > P2V_BUF_MAX - b->len - 1) {
		b->failed = true;
		return NULL;
	}
	if (b->data && n + 1 <= b->cap - b->len)
		return b->data + b->len;
	while (cap - b->len < n + 1)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return NULL;
	}
	b->data = data;
	b->cap = cap;
	return b->data + b->len;
}

void p2v_buf_add(struct p2v_buf *b, const void *bytes, size_t n)
{
	uint8_t *to = p2v_buf_reserve(b, n);

	if (!to)
		return;
	if (n)
		memcpy(to, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void p2v_buf_add_str(struct p2v_buf *b, const char *text)
{
	p2v_buf_add(b, text, strlen(text));
}

void p2v_buf_add_zeros(struct p2v_buf *b, size_t n)
{
	uint8_t *to = p2v_buf_reserve(b, n);

	if (!to)
		return;
	memset(to, 0, n + 1);
	b->len += n;
}

void p2v_buf_addf(struct p2v_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->failed = true;
	else if (p2v_buf_reserve(b, (size_t)n)) {
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void p2v_buf_add_u8(struct p2v_buf *b, uint8_t v)
{
	p2v_buf_add(b, &v, 1);
}

void p2v_buf_add_be16(struct p2v_buf *b, uint16_t v)
{
	uint8_t raw[2];

	p2v_put_be16(raw, v);
	p2v_buf_add(b, raw, sizeof(raw));
}

void p2v_buf_add_be32(struct p2v_buf *b, uint32_t v)
{
	uint8_t raw[4];

	p2v_put_be32(raw, v);
	p2v_buf_add(b, raw, sizeof(raw));
}

void p2v_buf_add_be64(struct p2v_buf *b, uint64_t v)
{
	uint8_t raw[8];

	p2v_put_be64(raw, v);
	p2v_buf_add(b, raw, sizeof(raw));
}

void p2v_buf_add_le16(struct p2v_buf *b, uint16_t v)
{
	p2v_buf_add_u8(b, (uint8_t)v);
	p2v_buf_add_u8(b, (uint8_t)(v >> 8));
}

void p2v_buf_add_le32(struct p2v_buf *b, uint32_t v)
{
	p2v_buf_add_le16(b, (uint16_t)v);
	p2v_buf_add_le16(b, (uint16_t)(v >> 16));
}

int p2v_buf_check(const struct p2v_buf *b, struct p2v_err *err)
{
	return b->failed ? p2v_err_set(err, P2V_ENOMEM, "out of memory") : 0;
}

char *p2v_buf_take_str(struct p2v_buf *b)
{
	char *text;

	p2v_buf_add(b, "", 0);
	if (b->failed) {
		p2v_buf_finish(b);
		return NULL;
	}
	text = (char *)b->data;
	*b = (struct p2v_buf){0};
	return text;
}

const uint8_t *p2v_rd_bytes(struct p2v_rd *rd, size_t n)
{
	const uint8_t *at = rd->p;

	if (rd->failed || n > rd->left) {
		rd->failed = true;
		return NULL;
	}
	rd->p += n;
	rd->left -= n;
	return at;
}

/* The next n <= 8 bytes as one number. */
static uint64_t rd_number(struct p2v_rd *rd, size_t n, bool little)
{
	const uint8_t *at = p2v_rd_bytes(rd, n);
	uint64_t v = 0;

	for (size_t i = 0; at && i < n; i++)
		v = v << 8 | at[little ? n - 1 - i : i];
	return v;
}

uint8_t p2v_rd_u8(struct p2v_rd *rd)
{
	return (uint8_t)rd_number(rd, 1, false);
}

uint16_t p2v_rd_be16(struct p2v_rd *rd)
{
	return (uint16_t)rd_number(rd, 2, false);
}

uint32_t p2v_rd_be32(struct p2v_rd *rd)
{
	return (uint32_t)rd_number(rd, 4, false);
}

uint64_t p2v_rd_be64(struct p2v_rd *rd)
{
	return rd_number(rd, 8, false);
}

uint16_t p2v_rd_le16(struct p2v_rd *rd)
{
	return (uint16_t)rd_number(rd, 2, true);
}

uint32_t p2v_rd_le32(struct p2v_rd *rd)
{
	return (uint32_t)rd_number(rd, 4, true);
}

uint64_t p2v_rd_le64(struct p2v_rd *rd)
{
	return rd_number(rd, 8, true);
}

bool p2v_rd_bad(const struct p2v_rd *rd)
{
	return rd->failed || rd->left > 0;
}

void p2v_put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void p2v_put_be32(uint8_t *p, uint32_t v)
{
	p2v_put_be16(p, (uint16_t)(v >> 16));
	p2v_put_be16(p + 2, (uint16_t)v);
}

void p2v_put_be64(uint8_t *p, uint64_t v)
{
	p2v_put_be32(p, (uint32_t)(v >> 32));
	p2v_put_be32(p + 4, (uint32_t)v);
}

uint16_t p2v_get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t p2v_get_be32(const uint8_t *p)
{
	return (uint32_t)p2v_get_be16(p) << 16 | p2v_get_be16(p + 2);
}

uint64_t p2v_get_be64(const uint8_t *p)
{
	return (uint64_t)p2v_get_be32(p) << 32 | p2v_get_be32(p + 4);
}

bool p2v_is_zero(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t head = n < 16 ? n : 16;

	for (size_t i = 0; i < head; i++)
		if (p[i])
			return false;
	/* The first 16 bytes are zero: the rest is zero where it equals itself shifted by 16. */
	return n <= 16 || memcmp(p, p + 16, n - 16) == 0;
}

void p2v_hex(const void *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int p2v_unhex(const char *text, void *out, size_t n, struct p2v_err *err)
{
	uint8_t *p = out;

	if (strlen(text) != 2 * n)
		return p2v_err_set(err, P2V_EFORMAT, "'%.40s' is not %zu hex digits", text, 2 * n);
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_digit(text[i]) < 0)
			return p2v_err_set(err, P2V_EFORMAT, "'%.40s' is not hex", text);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return 0;
}
