/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The YAML becomes JSON text, checked against the table on the way, and p2v_json_decode does the
 * rest: one decoder, one set of limits.
 */
#include "p2v/core/yaml-doc.h"

#include <string.h>
#include <yaml.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define DOCUMENT_MAX ((size_t)1 << 20)
#define LEVELS_MAX   32

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the present one */
	bool has_event;
	struct p2v_buf json;
};

static void reader_finish(struct reader *rd)
{
	if (rd->has_event)
		yaml_event_delete(&rd->event);
	yaml_parser_delete(&rd->parser);
	p2v_buf_finish(&rd->json);
}

static unsigned line_of(const struct reader *rd)
{
	return (unsigned)rd->event.start_mark.line + 1;
}

static int advance(struct reader *rd, struct p2v_err *err)
{
	if (rd->has_event)
		yaml_event_delete(&rd->event);
	rd->has_event = yaml_parser_parse(&rd->parser, &rd->event);
	if (rd->has_event)
		return 0;
	return p2v_err_set(err, P2V_EFORMAT, "line %zu: %s", rd->parser.problem_mark.line + 1,
		rd->parser.problem ? rd->parser.problem : "not YAML");
}

static struct p2v_span scalar_of(const struct reader *rd)
{
	return p2v_span_of(rd->event.data.scalar.value, rd->event.data.scalar.length);
}

static bool is_number(struct p2v_span text)
{
	uint64_t number;

	return p2v_span_u64(text, INT64_MAX, &number);
}

/* Digits only, without leading zeros, as JSON has them. */
static void number_add(struct p2v_buf *json, struct p2v_span text)
{
	uint64_t number = 0;

	p2v_span_u64(text, INT64_MAX, &number);
	p2v_buf_addf(json, "%llu", (unsigned long long)number);
}

static int scalar_read(struct reader *rd, const struct p2v_json_field *f, struct p2v_err *err)
{
	struct p2v_span text = scalar_of(rd);
	bool number = f->kind == P2V_JSON_KIND_U64 || f->kind == P2V_JSON_KIND_U32;
	p2v_autofree char *copy = NULL;

	if (memchr(text.p, 0, text.n))
		return p2v_err_set(err, P2V_EFORMAT, "line %u: a NUL character", line_of(rd));
	if (number && !is_number(text))
		return p2v_err_set(err, P2V_EFORMAT, "line %u: %s: '%.*s' is not a whole number",
			line_of(rd), f->key, (int)(text.n < 80 ? text.n : 80), text.p);
	if (f->kind == P2V_JSON_KIND_BOOL && !p2v_span_eq(text, "true") &&
		!p2v_span_eq(text, "false"))
		return p2v_err_set(err, P2V_EFORMAT, "line %u: %s: neither true nor false",
			line_of(rd), f->key);
	copy = p2v_span_dup(text);
	if (!copy)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (number)
		number_add(&rd->json, text);
	else if (f->kind == P2V_JSON_KIND_BOOL)
		p2v_buf_add_str(&rd->json, copy);
	else
		p2v_json_quote(copy, &rd->json);
	return 0;
}

static int mapping_read(
	struct reader *rd, const struct p2v_json_type *type, int levels, struct p2v_err *err);

/* One item: of a list, or a value that is none. */
static int item_read(
	struct reader *rd, const struct p2v_json_field *f, int levels, struct p2v_err *err)
{
	bool object = f->kind == P2V_JSON_KIND_OBJ || f->kind == P2V_JSON_KIND_OBJS;

	if (object && rd->event.type == YAML_MAPPING_START_EVENT)
		return mapping_read(rd, f->type, levels, err);
	if (!object && rd->event.type == YAML_SCALAR_EVENT)
		return scalar_read(rd, f, err);
	return p2v_err_set(err, P2V_EFORMAT, "line %u: %s: %s is expected here", line_of(rd),
		f->key, object ? "'name: value' lines" : "a single value");
}

static int list_read(
	struct reader *rd, const struct p2v_json_field *f, int levels, struct p2v_err *err)
{
	bool several = rd->event.type == YAML_SEQUENCE_START_EVENT;
	int r = several ? advance(rd, err) : 0;

	p2v_buf_add_str(&rd->json, "[");
	for (size_t n = 0; r == 0 && rd->event.type != YAML_SEQUENCE_END_EVENT; n++) {
		p2v_buf_add_str(&rd->json, n ? "," : "");
		r = item_read(rd, f, levels, err);
		if (r < 0 || !several)
			break;
		r = advance(rd, err);
	}
	p2v_buf_add_str(&rd->json, "]");
	return r;
}

/* "key:" and nothing behind it. */
static bool is_nothing(const struct reader *rd)
{
	return rd->event.type == YAML_SCALAR_EVENT && rd->event.data.scalar.length == 0 &&
	       rd->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static int value_read(
	struct reader *rd, const struct p2v_json_field *f, int levels, struct p2v_err *err)
{
	if (is_nothing(rd)) {
		p2v_buf_add_str(&rd->json, "null");
		return 0;
	}
	if (f->kind == P2V_JSON_KIND_STRS || f->kind == P2V_JSON_KIND_OBJS)
		return list_read(rd, f, levels, err);
	return item_read(rd, f, levels, err);
}

static const struct p2v_json_field *field_find(
	const struct p2v_json_type *type, struct p2v_span key)
{
	for (const struct p2v_json_field *f = type->fields; f->key; f++)
		if (p2v_span_eq(key, f->key))
			return f;
	return NULL;
}

/* had: a bit for each field that was there before; one behind the 64th is the JSON's to find. */
static int key_read(struct reader *rd, const struct p2v_json_type *type, uint64_t *had,
	const struct p2v_json_field **ret, struct p2v_err *err)
{
	struct p2v_span key;
	uint64_t bit;

	if (rd->event.type != YAML_SCALAR_EVENT)
		return p2v_err_set(err, P2V_EFORMAT, "line %u: not a name", line_of(rd));
	key = scalar_of(rd);
	*ret = field_find(type, key);
	if (!*ret)
		return p2v_err_set(err, P2V_EFORMAT, "line %u: '%.*s' is nothing that a %s has",
			line_of(rd), (int)(key.n < 80 ? key.n : 80), key.p, type->name);
	bit = *ret - type->fields < 64 ? UINT64_C(1) << (*ret - type->fields) : 0;
	if (*had & bit)
		return p2v_err_set(err, P2V_EFORMAT, "line %u: '%s' is there already", line_of(rd),
			(*ret)->key);
	*had |= bit;
	p2v_json_quote((*ret)->key, &rd->json);
	p2v_buf_add_str(&rd->json, ":");
	return advance(rd, err);
}

static int mapping_read(
	struct reader *rd, const struct p2v_json_type *type, int levels, struct p2v_err *err)
{
	uint64_t had = 0;
	int r;

	if (levels == 0)
		return p2v_err_set(err, P2V_EFORMAT, "line %u: nested deeper than %d", line_of(rd),
			LEVELS_MAX);
	r = advance(rd, err);
	p2v_buf_add_str(&rd->json, "{");
	for (size_t n = 0; r == 0 && rd->event.type != YAML_MAPPING_END_EVENT; n++) {
		const struct p2v_json_field *f = NULL;

		p2v_buf_add_str(&rd->json, n ? "," : "");
		r = key_read(rd, type, &had, &f, err);
		if (r == 0)
			r = value_read(rd, f, levels - 1, err);
		if (r == 0)
			r = advance(rd, err);
	}
	p2v_buf_add_str(&rd->json, "}");
	return r;
}

static int document_read(struct reader *rd, const struct p2v_json_type *type, struct p2v_err *err)
{
	int r = advance(rd, err); /* the stream */

	if (r == 0)
		r = advance(rd, err); /* the document, or the end */
	if (r == 0 && rd->event.type == YAML_STREAM_END_EVENT) {
		p2v_buf_add_str(&rd->json, "{}");
		return 0;
	}
	if (r == 0)
		r = advance(rd, err);
	if (r == 0 && is_nothing(rd))
		p2v_buf_add_str(&rd->json, "{}");
	else if (r == 0 && rd->event.type != YAML_MAPPING_START_EVENT)
		r = p2v_err_set(err, P2V_EFORMAT, "line %u: 'name: value' lines are expected here",
			line_of(rd));
	else if (r == 0)
		r = mapping_read(rd, type, LEVELS_MAX, err);
	if (r == 0)
		r = advance(rd, err); /* the document's end */
	if (r == 0)
		r = advance(rd, err);
	if (r == 0 && rd->event.type != YAML_STREAM_END_EVENT)
		r = p2v_err_set(err, P2V_EFORMAT, "line %u: a second document", line_of(rd));
	return r;
}

int p2v_yaml_decode(const struct p2v_json_type *type, const void *text, size_t n, void *obj,
	struct p2v_err *err)
{
	struct reader rd = {0};
	int r;

	if (n > DOCUMENT_MAX)
		return p2v_err_set(err, P2V_EFORMAT, "%s: larger than 1 MiB", type->name);
	if (!yaml_parser_initialize(&rd.parser))
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	yaml_parser_set_input_string(&rd.parser, n ? text : (const unsigned char *)"", n);
	r = document_read(&rd, type, err);
	if (r == 0)
		r = p2v_buf_check(&rd.json, err);
	if (r == 0)
		r = p2v_json_decode(type, rd.json.data, rd.json.len, obj, err);
	reader_finish(&rd);
	return r;
}

int p2v_yaml_load(
	const struct p2v_json_type *type, const char *path, void *obj, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = p2v_file_read(path, DOCUMENT_MAX, &text, err);

	if (r < 0)
		return r;
	r = p2v_yaml_decode(type, text.data, text.len, obj, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", path) : 0;
}
