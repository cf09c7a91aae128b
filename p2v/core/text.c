/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/span.h"

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

/* Controls beyond ASCII: C1, and what turns the direction of text or ends its line, so that a
 * reader sees something else than what stands there. */
static const struct {
	uint8_t n, first[2], last_lo, last_hi;
} controls[] = {
	{2, {0xc2}, 0x80, 0x9f}, {3, {0xe2, 0x80}, 0x8e, 0x8f}, /* marks */
	{3, {0xe2, 0x80}, 0xa8, 0xae}, /* separators of lines; embeddings, overrides */
	{3, {0xe2, 0x81}, 0xa6, 0xa9}, /* isolates */
};

size_t p2v_text_control_len(const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;

	if (p[0] < 0x20 || p[0] == 0x7f)
		return 1;
	for (size_t i = 0; i < P2V_N(controls); i++) {
		size_t last = controls[i].n - 1u;

		if (controls[i].n <= n && memcmp(p, controls[i].first, last) == 0 &&
			p[last] >= controls[i].last_lo && p[last] <= controls[i].last_hi)
			return controls[i].n;
	}
	return 0;
}

void p2v_text_add_printable(struct p2v_buf *out, const char *text)
{
	p2v_autobuf struct p2v_buf clean = {0};

	p2v_text_add_utf8(&clean, text);
	if (clean.failed)
		out->failed = true;
	for (size_t i = 0; i < clean.len;) {
		size_t control = p2v_text_control_len((const char *)clean.data + i, clean.len - i);

		p2v_buf_add(out, control ? "?" : (const char *)clean.data + i, 1);
		i += control ? control : 1;
	}
}

/* Code points: bytes that are not the later ones of one. */
static size_t width_of(struct p2v_span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return n;
}

size_t p2v_text_width(const char *text)
{
	return width_of(p2v_span_str(text));
}

void p2v_text_add_escaped(struct p2v_buf *out, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t good = p2v_text_utf8_len(text, left);
		size_t control = p2v_text_control_len(text, left);
		size_t len = control ? control : good ? good : 1;

		for (size_t i = 0; i < len; i++)
			if (good && !control)
				p2v_buf_add(out, text + i, 1);
			else
				p2v_buf_addf(out, "\\x%02x", (uint8_t)text[i]);
		text += len;
		left -= len;
	}
}

void p2v_text_add_wrapped(
	struct p2v_buf *out, const char *first, size_t indent, size_t columns, const char *text)
{
	p2v_autobuf struct p2v_buf clean = {0};
	struct p2v_span rest, word;
	size_t at = p2v_text_width(first);
	bool blank = false;

	p2v_text_add_printable(&clean, text);
	out->failed |= clean.failed;
	rest = p2v_span_of(clean.data, clean.len);
	p2v_buf_add_str(out, first);
	while (p2v_word_next(&rest, &word)) {
		if (blank && at + 1 + width_of(word) > columns) {
			p2v_buf_addf(out, "\n%*s", (int)indent, "");
			at = indent;
			blank = false;
		}
		p2v_buf_addf(out, "%s%.*s", blank ? " " : "", (int)word.n, word.p);
		at += width_of(word) + blank;
		blank = true;
	}
	p2v_buf_add_str(out, "\n");
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
