/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The published schema: the tables and the rules, written as JSON schema has them. */
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/runbook/rule.h"

static const struct p2v_json_type *const types[] = {&runbook_wave_type, &runbook_server_type,
	&runbook_match_type, &runbook_hook_type, &runbook_cutover_type, &model_orders_network_type,
	&model_orders_check_type};

static void object_add(struct p2v_buf *out, const struct p2v_json_type *type);

/* Types that are used at several places stand once, in $defs. */
static void type_add(struct p2v_buf *out, const struct p2v_json_type *type)
{
	for (size_t i = 0; i < P2V_N(types); i++)
		if (types[i] == type) {
			p2v_buf_addf(out, "{\"$ref\":\"#/$defs/%s\"}", type->name);
			return;
		}
	object_add(out, type);
}

static void text_add(struct p2v_buf *out, const struct runbook_rule *rule)
{
	p2v_buf_add_str(out, "{\"type\":\"string\"");
	if (rule && rule->pattern) {
		p2v_buf_add_str(out, ",\"pattern\":");
		p2v_json_quote(rule->pattern, out);
	}
	if (rule && rule->max)
		p2v_buf_addf(out, ",\"maxLength\":%u", rule->max);
	p2v_buf_add_str(out, "}");
}

static void item_add(
	struct p2v_buf *out, const struct p2v_json_field *f, const struct runbook_rule *rule)
{
	if (f->kind == P2V_JSON_KIND_OBJS)
		type_add(out, f->type);
	else
		text_add(out, rule);
}

static void value_add(
	struct p2v_buf *out, const struct p2v_json_field *f, const struct runbook_rule *rule)
{
	switch (f->kind) {
	case P2V_JSON_KIND_BOOL:
		p2v_buf_add_str(out, "{\"type\":\"boolean\"}");
		break;
	case P2V_JSON_KIND_U32:
		p2v_buf_addf(out, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":%u}",
			rule && rule->max ? rule->max : UINT32_MAX);
		break;
	case P2V_JSON_KIND_OBJ:
		type_add(out, f->type);
		break;
	case P2V_JSON_KIND_STRS:
	case P2V_JSON_KIND_OBJS:
		/* One value is a list of one. */
		p2v_buf_add_str(out, "{\"oneOf\":[");
		item_add(out, f, rule);
		p2v_buf_add_str(out, ",{\"type\":\"array\",\"items\":");
		item_add(out, f, rule);
		p2v_buf_add_str(out, "}]}");
		break;
	default:
		text_add(out, rule);
	}
}

static void property_add(
	struct p2v_buf *out, const struct p2v_json_type *type, const struct p2v_json_field *f)
{
	const struct runbook_rule *rule = runbook_rule_find(type, f->key);

	p2v_json_quote(f->key, out);
	p2v_buf_add_str(out, ":{");
	if (rule) {
		p2v_buf_add_str(out, "\"description\":");
		p2v_json_quote(rule->help, out);
		p2v_buf_add_str(out, ",");
	}
	/* "key:" with nothing behind it is as good as absent. */
	if (f->flags & P2V_JSON_REQUIRED) {
		p2v_buf_add_str(out, "\"allOf\":[");
		value_add(out, f, rule);
		p2v_buf_add_str(out, "]}");
		return;
	}
	p2v_buf_add_str(out, "\"anyOf\":[");
	value_add(out, f, rule);
	p2v_buf_add_str(out, ",{\"type\":\"null\"}]}");
}

static void members_add(struct p2v_buf *out, const struct p2v_json_type *type)
{
	const char *comma = "";

	p2v_buf_add_str(out, "\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
	for (const struct p2v_json_field *f = type->fields; f->key; f++) {
		p2v_buf_add_str(out, comma);
		property_add(out, type, f);
		comma = ",\n";
	}
	p2v_buf_add_str(out, "},\"required\":[");
	comma = "";
	for (const struct p2v_json_field *f = type->fields; f->key; f++)
		if (f->flags & P2V_JSON_REQUIRED) {
			p2v_buf_add_str(out, comma);
			p2v_json_quote(f->key, out);
			comma = ",";
		}
	p2v_buf_add_str(out, "]");
}

static void object_add(struct p2v_buf *out, const struct p2v_json_type *type)
{
	p2v_buf_add_str(out, "{");
	members_add(out, type);
	p2v_buf_add_str(out, "}");
}

int runbook_schema(struct p2v_buf *out, struct p2v_err *err)
{
	p2v_buf_add_str(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\n"
			     "\"title\":\"A runbook of p2v run\",\n");
	members_add(out, &runbook_type);
	p2v_buf_add_str(out, ",\n\"$defs\":{");
	for (size_t i = 0; i < P2V_N(types); i++) {
		p2v_buf_addf(out, "%s\n\"%s\":", i ? "," : "", types[i]->name);
		object_add(out, types[i]);
	}
	p2v_buf_add_str(out, "}}\n");
	return p2v_buf_check(out, err);
}
