/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The OpenAPI document. The routes and the tables of the nouns are all that it says, so it cannot
 * say anything else than what the API does.
 */
#include <ctype.h>
#include <string.h>

#include "p2v/control/api-route.h"
#include "p2v/core/opt.h"

static void schema_ref(struct p2v_buf *out, const struct p2v_json_type *type)
{
	p2v_buf_addf(out, "{\"$ref\":\"#/components/schemas/%s\"}", type->name);
}

static void words_add(struct p2v_buf *out, const char *const *words)
{
	p2v_buf_add_str(out, "{\"type\":\"string\",\"enum\":[");
	for (size_t i = 0; words[i]; i++) {
		p2v_buf_add_str(out, i ? "," : "");
		p2v_json_quote(words[i], out);
	}
	p2v_buf_add_str(out, "]}");
}

static void field_add(struct p2v_buf *out, const struct p2v_json_field *f)
{
	static const char *const plain[] = {
		[P2V_JSON_KIND_STR] = "{\"type\":\"string\"}",
		[P2V_JSON_KIND_BOOL] = "{\"type\":\"boolean\"}",
		[P2V_JSON_KIND_U64] = "{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":0}",
		[P2V_JSON_KIND_U32] = "{\"type\":\"integer\",\"minimum\":0,\"maximum\":4294967295}",
		[P2V_JSON_KIND_STRS] = "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
		[P2V_JSON_KIND_ENUM] = NULL,
	};

	if (f->kind == P2V_JSON_KIND_OBJ) {
		schema_ref(out, f->type);
	} else if (f->kind == P2V_JSON_KIND_OBJS) {
		p2v_buf_add_str(out, "{\"type\":\"array\",\"items\":");
		schema_ref(out, f->type);
		p2v_buf_add_str(out, "}");
	} else if (f->kind == P2V_JSON_KIND_ENUM) {
		words_add(out, f->words);
	} else {
		p2v_buf_add_str(out, plain[f->kind]);
	}
}

/* ---- schemas ---- */

#define TYPES_MAX 32

struct types {
	const struct p2v_json_type *list[TYPES_MAX];
	size_t n;
};

/* The type and all that it is made of, each once. */
static void types_add(struct types *types, const struct p2v_json_type *type)
{
	if (!type)
		return;
	for (size_t i = 0; i < types->n; i++)
		if (types->list[i] == type)
			return;
	if (types->n == TYPES_MAX)
		return;
	types->list[types->n++] = type;
	for (const struct p2v_json_field *f = type->fields; f->key; f++)
		types_add(types, f->type);
}

static void schema_add(struct p2v_buf *out, const struct p2v_json_type *type)
{
	const char *comma = "";

	p2v_json_quote(type->name, out);
	p2v_buf_add_str(out, ":{\"type\":\"object\",\"properties\":{");
	for (const struct p2v_json_field *f = type->fields; f->key; f++) {
		p2v_buf_add_str(out, comma);
		p2v_json_quote(f->key, out);
		p2v_buf_add_str(out, ":");
		field_add(out, f);
		comma = ",";
	}
	p2v_buf_add_str(out, "},\"required\":[");
	comma = "";
	for (const struct p2v_json_field *f = type->fields; f->key; f++)
		if (f->flags & P2V_JSON_REQUIRED) {
			p2v_buf_add_str(out, comma);
			p2v_json_quote(f->key, out);
			comma = ",";
		}
	p2v_buf_add_str(out, "]}");
}

static void schemas_add(struct p2v_buf *out)
{
	struct types types = {0};

	types_add(&types, &control_error_type);
	for (const struct api_route *route = control_routes; route->path; route++) {
		types_add(&types, route->takes);
		types_add(&types, route->gives);
	}
	for (size_t i = 0; i < types.n; i++) {
		p2v_buf_add_str(out, i ? "," : "");
		schema_add(out, types.list[i]);
	}
}

/* ---- paths ---- */

static void parameters_add(struct p2v_buf *out, const struct api_route *route)
{
	static const struct {
		const char *brace, *name;
	} rows[] = {{"{job}", "job"}, {"{file}", "file"}};
	const char *comma = "";

	p2v_buf_add_str(out, "\"parameters\":[");
	for (size_t i = 0; i < P2V_N(rows); i++)
		if (strstr(route->path, rows[i].brace)) {
			p2v_buf_addf(out,
				"%s{\"name\":\"%s\",\"in\":\"path\",\"required\":true,"
				"\"schema\":{\"type\":\"string\"}}",
				comma, rows[i].name);
			comma = ",";
		}
	if (route->after)
		p2v_buf_addf(out,
			"%s{\"name\":\"after\",\"in\":\"query\",\"description\":\"Only events with "
			"a higher number\",\"schema\":{\"type\":\"integer\",\"minimum\":0}}",
			comma);
	p2v_buf_add_str(out, "],");
}

static void content_add(struct p2v_buf *out, const char *mime, const struct p2v_json_type *type)
{
	p2v_buf_add_str(out, "\"content\":{");
	p2v_json_quote(mime, out);
	p2v_buf_add_str(out, ":{\"schema\":");
	if (type)
		schema_ref(out, type);
	else
		p2v_buf_add_str(out, "{}");
	p2v_buf_add_str(out, "}}");
}

static void operation_add(struct p2v_buf *out, const struct api_route *route)
{
	static const char *const roles[] = {"viewer", "operator", "admin"};

	for (const char *c = route->method; *c; c++)
		p2v_buf_addf(
			out, "%s%c", c == route->method ? "\"" : "", tolower((unsigned char)*c));
	p2v_buf_add_str(out, "\":{\"summary\":");
	p2v_json_quote(route->summary, out);
	p2v_buf_addf(out, ",\"x-role\":\"%s\",", roles[route->role]);
	parameters_add(out, route);
	if (route->takes) {
		p2v_buf_add_str(out, "\"requestBody\":{\"required\":true,");
		content_add(out, "application/json", route->takes);
		p2v_buf_add_str(out, "},");
	}
	p2v_buf_add_str(out, "\"responses\":{\"200\":{\"description\":\"done\",");
	content_add(out, route->type, route->gives);
	p2v_buf_add_str(out, "},\"default\":{\"description\":\"why not\",");
	content_add(out, "application/json", &control_error_type);
	p2v_buf_add_str(out, "}}}");
}

/* Routes with the same path stand together in the table. */
static void paths_add(struct p2v_buf *out)
{
	const char *last = NULL;

	for (const struct api_route *route = control_routes; route->path; route++) {
		if (last && strcmp(last, route->path) == 0) {
			p2v_buf_add_str(out, ",");
		} else {
			p2v_buf_add_str(out, last ? "}," : "");
			p2v_json_quote(route->path, out);
			p2v_buf_add_str(out, ":{");
		}
		operation_add(out, route);
		last = route->path;
	}
	p2v_buf_add_str(out, "}");
}

int control_openapi(struct p2v_buf *out, struct p2v_err *err)
{
	p2v_buf_add_str(out,
		"{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"p2vd\",\"version\":\"" P2V_VERSION
		"\"},\"paths\":{");
	paths_add(out);
	/* Not a route of the table: its answer does not end. */
	p2v_buf_add_str(out,
		",\"/v1/stream\":{\"get\":{\"summary\":\"Events as they happen\",\"x-role\":"
		"\"viewer\",\"parameters\":[{\"name\":\"Last-Event-ID\",\"in\":\"header\","
		"\"schema\":{\"type\":\"integer\"}}],\"responses\":{\"200\":{\"description\":"
		"\"server-sent events: id, event: job, data: events\",\"content\":{"
		"\"text/event-stream\":{\"schema\":{\"type\":\"string\"}}}},\"503\":{"
		"\"description\":\"So many listen already: ask /v1/events from time to time\"}}}}");
	p2v_buf_add_str(out, "},\"components\":{\"schemas\":{");
	schemas_add(out);
	p2v_buf_add_str(out, "}}}\n");
	return p2v_buf_check(out, err);
}
