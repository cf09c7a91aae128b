/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What this room itself parses of a hive: its header, and the texts in its values. */

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/guest/hive.h"

#define BASE_BLOCK     4096
#define CHECKSUM_AT    508
#define REPLACEMENT    0xfffd
#define LAST_CODEPOINT 0x10ffff

static void add_utf8(struct p2v_buf *out, uint32_t c)
{
	if (c < 0x80) {
		p2v_buf_add_u8(out, (uint8_t)c);
	} else if (c < 0x800) {
		p2v_buf_add_u8(out, (uint8_t)(0xc0 | c >> 6));
		p2v_buf_add_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		p2v_buf_add_u8(out, (uint8_t)(0xe0 | c >> 12));
		p2v_buf_add_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		p2v_buf_add_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		p2v_buf_add_u8(out, (uint8_t)(0xf0 | c >> 18));
		p2v_buf_add_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		p2v_buf_add_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		p2v_buf_add_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

static bool is_high(uint32_t c)
{
	return c >= 0xd800 && c < 0xdc00;
}

static bool is_low(uint32_t c)
{
	return c >= 0xdc00 && c < 0xe000;
}

/* An odd byte at the end is no character. */
void guest_utf16_to_utf8(const void *bytes, size_t n, struct p2v_buf *out)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n);
	uint32_t c;

	while (rd.left >= 2 && (c = p2v_rd_le16(&rd)) != 0) {
		uint32_t next = rd.left >= 2 ? (uint32_t)(rd.p[0] | rd.p[1] << 8) : 0;

		if (is_high(c) && is_low(next)) {
			c = 0x10000 + ((c - 0xd800) << 10) + (next - 0xdc00);
			p2v_rd_le16(&rd);
		} else if (is_high(c) || is_low(c)) {
			c = REPLACEMENT;
		}
		add_utf8(out, c);
	}
}

/* One character of NUL-terminated text; the NUL ends each sequence that is cut off. */
static uint32_t next_utf8(const unsigned char **p)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint32_t c = *(*p)++;
	int more = c < 0x80 ? 0 : (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : 3;

	if (c < 0x80)
		return c;
	if (c < 0xc0 || c > 0xf4)
		return REPLACEMENT;
	c &= 0x3fu >> more;
	for (int i = 0; i < more; i++) {
		if ((**p & 0xc0) != 0x80)
			return REPLACEMENT;
		c = c << 6 | (*(*p)++ & 0x3f);
	}
	return c < least[more] || c > LAST_CODEPOINT || is_high(c) || is_low(c) ? REPLACEMENT : c;
}

static void add_le16(struct p2v_buf *out, uint32_t c)
{
	p2v_buf_add_u8(out, (uint8_t)(c & 0xff));
	p2v_buf_add_u8(out, (uint8_t)(c >> 8));
}

void guest_utf8_to_utf16(const char *text, struct p2v_buf *out)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		uint32_t c = next_utf8(&p);

		if (c >= 0x10000) {
			add_le16(out, 0xd800 + ((c - 0x10000) >> 10));
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		add_le16(out, c);
	}
}

/* Bytes of the text at p without its NUL. */
static size_t text_bytes(const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at + 1 < n && (p[at] || p[at + 1]))
		at += 2;
	return at;
}

int guest_multi_sz_read(
	const void *bytes, size_t n, struct guest_hive_names *ret, struct p2v_err *err)
{
	struct guest_hive_names list = {0};
	const uint8_t *p = bytes;
	size_t at = 0, length;
	int r = 0;

	while (r == 0 && at < n && (length = text_bytes(p + at, n - at)) > 0) {
		p2v_autobuf struct p2v_buf text = {0};

		guest_utf16_to_utf8(p + at, length, &text);
		p2v_buf_add(&text, "", 1);
		r = p2v_buf_check(&text, err);
		if (r == 0 && list.n_items == GUEST_HIVE_MAX_NAMES)
			r = p2v_err_set(err, P2V_EFORMAT, "holds more than %zu texts",
				GUEST_HIVE_MAX_NAMES);
		if (r == 0)
			r = p2v_json_add_str(&list.items, &list.n_items, (char *)text.data, err);
		at += length + 2;
	}
	if (r < 0) {
		guest_hive_names_finish(&list);
		return r;
	}
	*ret = list;
	return 0;
}

void guest_hive_names_finish(struct guest_hive_names *names)
{
	for (size_t i = 0; i < names->n_items; i++)
		free(names->items[i]);
	free(names->items);
	memset(names, 0, sizeof(*names));
}

/* The XOR of the words before it; the two values that mean something else are moved aside. */
static uint32_t checksum(const uint8_t *p)
{
	struct p2v_rd rd = p2v_rd_init(p, CHECKSUM_AT);
	uint32_t sum = 0;

	while (rd.left)
		sum ^= p2v_rd_le32(&rd);
	return sum == 0 ? 1 : sum == UINT32_MAX ? UINT32_MAX - 1 : sum;
}

int guest_hive_header(const void *bytes, size_t n, bool *ret_dirty, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n), sum;
	const uint8_t *magic = p2v_rd_bytes(&rd, 4);
	uint32_t seq1 = p2v_rd_le32(&rd), seq2 = p2v_rd_le32(&rd);

	if (n < BASE_BLOCK || !magic || memcmp(magic, "regf", 4) != 0)
		return p2v_err_set(err, P2V_EFORMAT, "is no registry hive");
	sum = p2v_rd_init((const uint8_t *)bytes + CHECKSUM_AT, 4);
	*ret_dirty = seq1 != seq2 || p2v_rd_le32(&sum) != checksum(bytes);
	return 0;
}
