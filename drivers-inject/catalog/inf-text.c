/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/catalog/inf.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/text.h"
#include "p2v/core/utf16.h"

static bool is_utf8(const char *text, size_t n)
{
	while (n > 0) {
		size_t len = p2v_text_utf8_len(text, n);

		if (len == 0)
			return false;
		text += len;
		n -= len;
	}
	return true;
}

int inf_decode(const void *bytes, size_t n, struct p2v_buf *ret, struct p2v_err *err)
{
	const uint8_t *p = bytes;
	struct p2v_rd rd = p2v_rd_init(bytes, n);

	if (n >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0)) {
		p2v_rd_bytes(&rd, 2);
		p2v_utf16_to_utf8(rd.p, rd.left, p[0] == 0xfe, ret);
		return p2v_buf_check(ret, err);
	}
	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p2v_rd_bytes(&rd, 3);
	if (rd.left == 0)
		return 0;
	if (is_utf8((const char *)rd.p, rd.left))
		p2v_buf_add(ret, rd.p, rd.left);
	else
		while (rd.left > 0)
			p2v_utf8_add(ret, p2v_rd_u8(&rd));
	return p2v_buf_check(ret, err);
}

/* What is left of the bounds while strings are replaced. */
struct budget {
	size_t text, lookups;
};

static const char *find_string(const struct inf_section *strings, struct p2v_span name)
{
	for (size_t i = 0; strings && i < strings->n_lines; i++) {
		const char *key = strings->lines[i].key;

		if (key && strlen(key) == name.n && strncasecmp(key, name.p, name.n) == 0)
			return inf_field(&strings->lines[i], 0);
	}
	return NULL;
}

/* One "%name%" at the front of rest, or a percent sign alone. */
static void expand_percent(
	const struct inf_section *strings, struct p2v_span *rest, struct p2v_buf *out)
{
	struct p2v_span after, name = p2v_span_skip(*rest, 1);
	const char *value;

	if (!p2v_span_has(name, '%')) {
		p2v_buf_add(out, rest->p, 1);
		*rest = name;
		return;
	}
	name = p2v_span_until(name, '%', &after);
	value = name.n > 0 ? find_string(strings, name) : "%";
	if (value)
		p2v_buf_add_str(out, value);
	else
		p2v_buf_add(out, name.p - 1, name.n + 2);
	*rest = after;
}

static int expand_text(
	const struct inf_section *strings, struct budget *left, char **text, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_span rest = p2v_span_str(*text);
	char *done;

	if (!p2v_span_has(rest, '%'))
		return 0;
	while (rest.n > 0) {
		const char *percent = memchr(rest.p, '%', rest.n);
		size_t plain = percent ? (size_t)(percent - rest.p) : rest.n;

		p2v_buf_add(&out, rest.p, plain);
		rest = p2v_span_skip(rest, plain);
		if (rest.n == 0)
			break;
		if (left->lookups-- == 0 || out.len > left->text)
			return p2v_err_set(err, P2V_EFORMAT, "too many strings in it");
		expand_percent(strings, &rest, &out);
	}
	if (out.len > left->text)
		return p2v_err_set(err, P2V_EFORMAT, "too much text in it");
	left->text -= out.len;
	done = p2v_buf_take_str(&out);
	if (!done)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	free(*text);
	*text = done;
	return 0;
}

static int expand_line(const struct inf_section *strings, struct budget *left,
	struct inf_line *line, struct p2v_err *err)
{
	int rc = line->key ? expand_text(strings, left, &line->key, err) : 0;

	for (size_t i = 0; rc == 0 && i < line->n_fields; i++)
		rc = expand_text(strings, left, &line->fields[i], err);
	return rc;
}

int inf_expand(struct inf *inf, struct p2v_err *err)
{
	const struct inf_section *strings = inf_section_find(inf, "Strings");
	struct budget left = {.text = INF_MAX_TEXT, .lookups = INF_MAX_LOOKUPS};
	int rc = 0;

	for (size_t i = 0; i < inf->n_sections; i++) {
		struct inf_section *s = &inf->sections[i];

		/* Strings do not name each other, and [Strings.0407] is not asked. */
		if (strncasecmp(s->name, "Strings", 7) == 0)
			continue;
		for (size_t k = 0; rc == 0 && k < s->n_lines; k++)
			rc = expand_line(strings, &left, &s->lines[k], err);
	}
	return rc;
}
