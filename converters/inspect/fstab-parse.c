/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "converters/inspect/fstab.h"

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* \040 -> ' '. */
static char *unescape(struct p2v_span s)
{
	char *text = p2v_span_dup(s), *to = text;

	if (!text)
		return NULL;
	for (const char *p = text; *p; to++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && is_octal(p[2]) &&
			is_octal(p[3]) && (p[1] != '0' || p[2] != '0' || p[3] != '0')) {
			*to = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
	return text;
}

static int add(
	struct facts_os *os, const struct p2v_span field[4], uint32_t line, struct p2v_err *err)
{
	struct facts_mount *m;

	if (os->n_mounts == FSTAB_MAX_LINES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu lines", FSTAB_MAX_LINES);
	m = p2v_json_grow((void **)&os->mounts, &os->n_mounts, sizeof(*m));
	if (!m)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	m->line = line;
	m->spec = unescape(field[0]);
	m->mountpoint = unescape(field[1]);
	m->kind = unescape(field[2]);
	m->options = unescape(field[3]);
	if (!m->spec || !m->mountpoint || !m->kind || !m->options)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return 0;
}

int fstab_parse(struct p2v_span text, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span line;
	int r = 0;

	for (uint32_t number = 1; r == 0 && p2v_line_next(&text, &line); number++) {
		struct p2v_span field[4] = {{0}};
		size_t n = 0;

		while (n < 4 && p2v_word_next(&line, &field[n]))
			n++;
		if (n >= 2 && field[0].p[0] != '#')
			r = add(os, field, number, err);
	}
	return r;
}
