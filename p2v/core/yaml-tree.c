/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/yaml-tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DOCUMENT_MAX ((size_t)1 << 20)

struct p2v_yaml_tree {
	yaml_document_t doc;
	struct p2v_span text;
};

static int load(struct p2v_yaml_tree *t, struct p2v_err *err)
{
	yaml_parser_t parser;
	int ok;

	if (!yaml_parser_initialize(&parser))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	yaml_parser_set_input_string(
		&parser, (const unsigned char *)(t->text.n ? t->text.p : ""), t->text.n);
	ok = yaml_parser_load(&parser, &t->doc);
	if (!ok)
		p2v_err_set(err, P2V_EFORMAT, "line %zu: %s", parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "not YAML");
	yaml_parser_delete(&parser);
	return ok ? 0 : P2V_EFORMAT;
}

int p2v_yaml_tree_new(struct p2v_span text, struct p2v_yaml_tree **ret, struct p2v_err *err)
{
	struct p2v_yaml_tree *t;
	int r;

	if (text.n > DOCUMENT_MAX)
		return p2v_err_set(err, P2V_EFORMAT, "larger than 1 MiB");
	t = calloc(1, sizeof(*t));
	if (!t)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	t->text = text;
	r = load(t, err);
	if (r < 0) {
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void p2v_yaml_tree_free(struct p2v_yaml_tree *t)
{
	if (t)
		yaml_document_delete(&t->doc);
	free(t);
}

static yaml_node_t *node_of(struct p2v_yaml_tree *t, int node, yaml_node_type_t type)
{
	yaml_node_t *n = node ? yaml_document_get_node(&t->doc, node) : NULL;

	return n && (type == YAML_NO_NODE || n->type == type) ? n : NULL;
}

int p2v_yaml_root(struct p2v_yaml_tree *t)
{
	return yaml_document_get_root_node(&t->doc) ? 1 : 0;
}

struct p2v_span p2v_yaml_scalar(struct p2v_yaml_tree *t, int node)
{
	yaml_node_t *n = node_of(t, node, YAML_SCALAR_NODE);

	return n ? p2v_span_of(n->data.scalar.value, n->data.scalar.length) : p2v_span_str("");
}

static yaml_node_pair_t *pair_at(struct p2v_yaml_tree *t, int node, size_t i)
{
	yaml_node_t *n = node_of(t, node, YAML_MAPPING_NODE);

	if (!n || i >= (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start))
		return NULL;
	return n->data.mapping.pairs.start + i;
}

static yaml_node_pair_t *pair_of(struct p2v_yaml_tree *t, int node, const char *key)
{
	yaml_node_pair_t *pair;

	for (size_t i = 0; (pair = pair_at(t, node, i)); i++)
		if (node_of(t, pair->key, YAML_SCALAR_NODE) &&
			p2v_span_eq(p2v_yaml_scalar(t, pair->key), key))
			return pair;
	return NULL;
}

int p2v_yaml_get(struct p2v_yaml_tree *t, int node, const char *key)
{
	yaml_node_pair_t *pair = pair_of(t, node, key);

	return pair ? pair->value : 0;
}

int p2v_yaml_get_key(struct p2v_yaml_tree *t, int node, const char *key)
{
	yaml_node_pair_t *pair = pair_of(t, node, key);

	return pair ? pair->key : 0;
}

int p2v_yaml_key_at(struct p2v_yaml_tree *t, int node, size_t i)
{
	yaml_node_pair_t *pair = pair_at(t, node, i);

	return pair ? pair->key : 0;
}

int p2v_yaml_value_at(struct p2v_yaml_tree *t, int node, size_t i)
{
	yaml_node_pair_t *pair = pair_at(t, node, i);

	return pair ? pair->value : 0;
}

int p2v_yaml_item_at(struct p2v_yaml_tree *t, int node, size_t i)
{
	yaml_node_t *n = node_of(t, node, YAML_SEQUENCE_NODE);

	if (!n)
		return i == 0 && node_of(t, node, YAML_SCALAR_NODE) ? node : 0;
	if (i >= (size_t)(n->data.sequence.items.top - n->data.sequence.items.start))
		return 0;
	return n->data.sequence.items.start[i];
}

/* libyaml's marks count characters, not bytes: lines are what can be relied on. */
static size_t line_start(struct p2v_span text, size_t line)
{
	size_t at = 0;

	while (line && at < text.n)
		line -= text.p[at++] == '\n';
	return at;
}

static bool is_ascii(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] > 0x7f)
			return false;
	return true;
}

struct p2v_span p2v_yaml_written(struct p2v_yaml_tree *t, int key, int value)
{
	yaml_node_t *k = node_of(t, key, YAML_NO_NODE), *v = node_of(t, value, YAML_NO_NODE);
	size_t start;

	if (!k || !v || k->start_mark.line != v->end_mark.line ||
		k->start_mark.column >= v->end_mark.column)
		return p2v_span_str("");
	start = line_start(t->text, k->start_mark.line);
	if (v->end_mark.column > t->text.n - start ||
		!is_ascii(t->text.p + start, v->end_mark.column))
		return p2v_span_str("");
	return p2v_span_of(t->text.p + start + k->start_mark.column,
		v->end_mark.column - k->start_mark.column);
}

uint32_t p2v_yaml_line(struct p2v_yaml_tree *t, int node)
{
	yaml_node_t *n = node_of(t, node, YAML_NO_NODE);

	return n ? (uint32_t)n->start_mark.line + 1 : 0;
}
