/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/* Unicode table 3-7: what the first byte allows as the second; later ones are 80..BF. */
static const struct utf8_row {
	uint8_t first_lo, first_hi, second_lo, second_hi;
	size_t len;
} utf8_rows[] = {
	{0x00, 0x7f, 0, 0, 1},
	{0xc2, 0xdf, 0x80, 0xbf, 2},
	{0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3},
	{0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4},
	{0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t p2v_text_utf8_len(const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;
	const struct utf8_row *row = utf8_rows;

	while (row < utf8_rows + P2V_N(utf8_rows) && (*p < row->first_lo || *p > row->first_hi))
		row++;
	if (row == utf8_rows + P2V_N(utf8_rows) || row->len > n)
		return 0;
	if (row->len > 1 && (p[1] < row->second_lo || p[1] > row->second_hi))
		return 0;
	for (size_t i = 2; i < row->len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return row->len;
}

void p2v_text_add_utf8(struct p2v_buf *out, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t len = p2v_text_utf8_len(text, left);

		if (len)
			p2v_buf_add(out, text, len);
		else
			p2v_buf_add(out, "\xef\xbf\xbd", 3);
		text += len ? len : 1;
		left -= len ? len : 1;
	}
}

/* text: well-formed UTF-8. C1 controls are C2 80..C2 9F. */
static size_t control_len(const uint8_t *text)
{
	if (text[0] < 0x20 || text[0] == 0x7f)
		return 1;
	return text[0] == 0xc2 && text[1] < 0xa0 ? 2 : 0;
}

void p2v_text_add_printable(struct p2v_buf *out, const char *text)
{
	p2v_autobuf struct p2v_buf clean = {0};

	p2v_text_add_utf8(&clean, text);
	if (clean.failed)
		out->failed = true;
	for (size_t i = 0; i < clean.len;) {
		size_t control = control_len(clean.data + i);

		p2v_buf_add(out, control ? "?" : (const char *)clean.data + i, 1);
		i += control ? control : 1;
	}
}

size_t p2v_text_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((uint8_t)*text & 0xc0) != 0x80;
	return n;
}

size_t p2v_text_columns(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = {0};
	uint64_t n = 0;

	if (columns && p2v_num_parse(columns, "COLUMNS", 1, 10000, &n, NULL) < 0)
		n = 0;
	if (!n && ioctl(fd, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	return n ? p2v_max_u64(n, 20) : 80;
}
