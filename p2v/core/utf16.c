/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/utf16.h"

#include <string.h>

#include "p2v/core/text.h"

#define REPLACEMENT	0xfffd
#define LAST_CODE_POINT 0x10ffff
#define FIRST_PAIR	0x10000 /* from here on a code point takes two units */

static bool is_high(uint32_t c)
{
	return c >= 0xd800 && c < 0xdc00;
}

static bool is_low(uint32_t c)
{
	return c >= 0xdc00 && c < 0xe000;
}

void p2v_utf8_add(struct p2v_buf *out, uint32_t c)
{
	int more;

	if (c > LAST_CODE_POINT || is_high(c) || is_low(c))
		c = REPLACEMENT;
	more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < FIRST_PAIR ? 2 : 3;
	p2v_buf_add_u8(out, (uint8_t)(more ? (0xf00 >> (more + 1) & 0xff) | c >> 6 * more : c));
	while (more-- > 0)
		p2v_buf_add_u8(out, (uint8_t)(0x80 | (c >> 6 * more & 0x3f)));
}

static uint32_t next_unit(struct p2v_rd *rd, bool big_endian)
{
	return big_endian ? p2v_rd_be16(rd) : p2v_rd_le16(rd);
}

void p2v_utf16_to_utf8(const void *bytes, size_t n, bool big_endian, struct p2v_buf *out)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n);
	uint32_t c;

	while (rd.left >= 2 && (c = next_unit(&rd, big_endian)) != 0) {
		struct p2v_rd ahead = rd;
		uint32_t low = is_high(c) && rd.left >= 2 ? next_unit(&ahead, big_endian) : 0;

		if (is_low(low)) {
			c = FIRST_PAIR + ((c - 0xd800) << 10) + (low - 0xdc00);
			rd = ahead;
		}
		p2v_utf8_add(out, c);
	}
}

static uint32_t code_point(const uint8_t *p, size_t len)
{
	uint32_t c = p[0] & (len == 1 ? 0x7f : 0x7f >> len);

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

void p2v_utf8_to_utf16le(const char *text, struct p2v_buf *out)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t len = p2v_text_utf8_len(text, left), used = len ? len : 1;
		uint32_t c = len ? code_point((const uint8_t *)text, len) : REPLACEMENT;

		if (c >= FIRST_PAIR) {
			p2v_buf_add_le16(out, (uint16_t)(0xd800 + ((c - FIRST_PAIR) >> 10)));
			c = 0xdc00 + ((c - FIRST_PAIR) & 0x3ff);
		}
		p2v_buf_add_le16(out, (uint16_t)c);
		text += used;
		left -= used;
	}
}
