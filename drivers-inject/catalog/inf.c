/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/catalog/inf.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

/* While it is read. */
struct parser {
	struct inf inf;
	size_t section; /* index of the one that lines go to; n_sections: none yet */
	size_t n_lines, n_fields;
};

static int no_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "no memory");
}

/* Up to a comment, without blanks at its ends. */
static struct p2v_span without_comment(struct p2v_span line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == '"')
			quoted = !quoted;
		if (line.p[i] == ';' && !quoted)
			line.n = i;
	}
	return p2v_span_trim(line);
}

/* A line with those that continue it; false: there is none any more. */
static bool next_logical(struct p2v_span *rest, struct p2v_buf *out)
{
	struct p2v_span line;
	bool any = false, more = true;

	p2v_buf_reset(out);
	while (more && p2v_line_next(rest, &line)) {
		any = true;
		line = without_comment(line);
		more = p2v_span_ends(line, "\\");
		p2v_buf_add(out, line.p, line.n - more);
	}
	return any;
}

/* The length of the part before `end`, quotes heeded; all of it where that does not come. */
static size_t part_length(struct p2v_span s, char end)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			quoted = !quoted;
		if (s.p[i] == end && !quoted)
			return i;
	}
	return s.n;
}

/* Without the quotes; two within quotes are one. */
static char *unquoted(struct p2v_span s)
{
	p2v_autobuf struct p2v_buf out = {0};
	bool quoted = false;

	s = p2v_span_trim(s);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '"') {
			p2v_buf_add(&out, s.p + i, s.p[i] != '\0');
		} else if (quoted && i + 1 < s.n && s.p[i + 1] == '"') {
			p2v_buf_add(&out, "\"", 1);
			i++;
		} else {
			quoted = !quoted;
		}
	}
	return p2v_buf_take_str(&out);
}

static int add_field(
	struct parser *p, struct inf_line *line, struct p2v_span text, struct p2v_err *err)
{
	char **field;

	if (++p->n_fields > INF_MAX_FIELDS)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu fields", INF_MAX_FIELDS);
	field = p2v_json_grow((void **)&line->fields, &line->n_fields, sizeof(*line->fields));
	if (field)
		*field = unquoted(text);
	return field && *field ? 0 : no_memory(err);
}

static int add_line(struct parser *p, struct p2v_span text, struct p2v_err *err)
{
	struct inf_section *s = &p->inf.sections[p->section];
	struct inf_line *line;
	size_t key = part_length(text, '=');
	int rc = 0;

	if (++p->n_lines > INF_MAX_LINES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu lines", INF_MAX_LINES);
	line = p2v_json_grow((void **)&s->lines, &s->n_lines, sizeof(*line));
	if (!line)
		return no_memory(err);
	if (key < text.n) {
		line->key = unquoted(p2v_span_of(text.p, key));
		if (!line->key)
			return no_memory(err);
		text = p2v_span_skip(text, key + 1);
	}
	for (bool more = true; rc == 0 && more;) {
		size_t n = part_length(text, ',');

		more = n < text.n;
		rc = add_field(p, line, p2v_span_of(text.p, n), err);
		text = p2v_span_skip(text, n + more);
	}
	return rc;
}

static int open_section(struct parser *p, struct p2v_span text, struct p2v_err *err)
{
	p2v_autofree char *name = NULL;
	struct inf_section *s;

	name = unquoted(p2v_span_until(p2v_span_skip(text, 1), ']', &text));
	if (!name)
		return no_memory(err);
	for (p->section = 0; p->section < p->inf.n_sections; p->section++)
		if (strcasecmp(p->inf.sections[p->section].name, name) == 0)
			return 0;
	if (++p->n_lines > INF_MAX_LINES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu lines", INF_MAX_LINES);
	s = p2v_json_grow((void **)&p->inf.sections, &p->inf.n_sections, sizeof(*s));
	if (!s)
		return no_memory(err);
	s->name = p2v_steal(name);
	return 0;
}

static int parse_text(struct parser *p, struct p2v_span rest, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf logical = {0};
	int rc = 0;

	while (rc == 0 && next_logical(&rest, &logical)) {
		struct p2v_span line = p2v_span_trim(p2v_span_of(logical.data, logical.len));

		rc = p2v_buf_check(&logical, err);
		if (rc < 0 || line.n == 0)
			continue;
		if (line.p[0] == '[')
			rc = open_section(p, line, err);
		else if (p->section < p->inf.n_sections)
			rc = add_line(p, line, err);
	}
	return rc;
}

int inf_parse(const void *bytes, size_t n, struct inf *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct parser p = {0};
	int rc = inf_decode(bytes, n, &text, err);

	if (rc == 0)
		rc = parse_text(&p, p2v_span_of(text.data, text.len), err);
	if (rc == 0)
		rc = inf_expand(&p.inf, err);
	if (rc < 0) {
		inf_finish(&p.inf);
		return rc;
	}
	*ret = p.inf;
	return 0;
}

static void line_finish(struct inf_line *line)
{
	free(line->key);
	for (size_t i = 0; i < line->n_fields; i++)
		free(line->fields[i]);
	free(line->fields);
}

void inf_finish(struct inf *inf)
{
	for (size_t i = 0; i < inf->n_sections; i++) {
		struct inf_section *s = &inf->sections[i];

		for (size_t k = 0; k < s->n_lines; k++)
			line_finish(&s->lines[k]);
		free(s->lines);
		free(s->name);
	}
	free(inf->sections);
	*inf = (struct inf){0};
}

const struct inf_section *inf_section_find(const struct inf *inf, const char *name)
{
	for (size_t i = 0; i < inf->n_sections; i++)
		if (strcasecmp(inf->sections[i].name, name) == 0)
			return &inf->sections[i];
	return NULL;
}

const char *inf_field(const struct inf_line *line, size_t i)
{
	return i < line->n_fields ? line->fields[i] : "";
}

const char *inf_value(const struct inf_section *s, const char *key, size_t i)
{
	for (size_t k = 0; s && k < s->n_lines; k++)
		if (s->lines[k].key && strcasecmp(s->lines[k].key, key) == 0)
			return i < s->lines[k].n_fields ? s->lines[k].fields[i] : NULL;
	return NULL;
}

uint32_t inf_number(const char *text)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;
	unsigned long v = strtoul(text, &end, hex ? 16 : 10);

	return *end || v > UINT32_MAX ? 0 : (uint32_t)v;
}
