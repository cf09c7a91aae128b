/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/lvm-tree.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16u
#define NODES_MAX 100000u

struct parser {
	struct p2v_span rest;
	struct lvm_tree *tree;
	struct p2v_err *err;
};

static int odd(struct parser *p, const char *what)
{
	return p2v_err_set(p->err, P2V_EFORMAT, "LVM metadata: %s", what);
}

/* The next byte that means something, or 0 at the end. */
static char peek(struct parser *p)
{
	while (p->rest.n) {
		char c = *p->rest.p;

		if (c == '#') {
			struct p2v_span line;

			p2v_line_next(&p->rest, &line);
		} else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0') {
			p->rest = p2v_span_skip(p->rest, 1);
		} else {
			return c;
		}
	}
	return '\0';
}

static bool take(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->rest = p2v_span_skip(p->rest, 1);
	return true;
}

/* Adds a child behind `last` (0: as the first). ret: its index. */
static int node_add(
	struct parser *p, uint32_t parent, uint32_t last, struct lvm_node node, uint32_t *ret)
{
	struct lvm_tree *t = p->tree;

	if (t->n_nodes >= NODES_MAX)
		return odd(p, "too much of it");
	if (t->n_nodes == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct lvm_node *grown = reallocarray(t->nodes, cap, sizeof(*grown));

		if (!grown)
			return p2v_err_set(p->err, P2V_ENOMEM, "out of memory");
		t->nodes = grown;
		t->cap = cap;
	}
	*ret = (uint32_t)t->n_nodes;
	t->nodes[t->n_nodes++] = node;
	if (*ret && last)
		t->nodes[last].next = *ret;
	else if (*ret)
		t->nodes[parent].first = *ret;
	return 0;
}

static bool string_take(struct parser *p, struct p2v_span *ret)
{
	struct p2v_span s = p->rest;
	size_t n = 0;

	while (n < s.n && s.p[n] != '"')
		n += s.p[n] == '\\' ? 2 : 1;
	if (n >= s.n)
		return false;
	*ret = p2v_span_of(s.p, n);
	p->rest = p2v_span_skip(s, n + 1);
	return true;
}

static int scalar_parse(struct parser *p, struct lvm_node *node)
{
	size_t n = 0;

	if (take(p, '"')) {
		node->kind = LVM_STRING;
		return string_take(p, &node->text) ? 0 : odd(p, "a text without end");
	}
	while (n < p->rest.n && strchr("0123456789-.", p->rest.p[n]) && p->rest.p[n])
		n++;
	node->kind = LVM_NUMBER;
	if (n == 0 || (!p2v_span_u64(p2v_span_of(p->rest.p, n), UINT64_MAX, &node->number) &&
			      p->rest.p[0] != '-'))
		return odd(p, "a value that is none");
	p->rest = p2v_span_skip(p->rest, n);
	return 0;
}

static int array_parse(struct parser *p, uint32_t at)
{
	uint32_t last = 0;

	while (!take(p, ']')) {
		struct lvm_node node = {0};
		int r = scalar_parse(p, &node);

		if (r == 0)
			r = node_add(p, at, last, node, &last);
		if (r < 0)
			return r;
		if (!take(p, ',') && peek(p) != ']')
			return odd(p, "a list without end");
	}
	return 0;
}

static bool name_take(struct parser *p, struct p2v_span *ret)
{
	size_t n = 0;

	peek(p);
	while (n < p->rest.n && !memchr(" \t\r\n={}[]#\"", p->rest.p[n], 11))
		n++;
	*ret = p2v_span_of(p->rest.p, n);
	p->rest = p2v_span_skip(p->rest, n);
	return n > 0;
}

static int items_parse(struct parser *p, uint32_t parent, unsigned depth);

static int item_parse(struct parser *p, uint32_t parent, uint32_t *last, unsigned depth)
{
	struct lvm_node node = {0};
	int r;

	if (!name_take(p, &node.name))
		return odd(p, "a name was expected");
	if (take(p, '{')) {
		r = node_add(p, parent, *last, node, last);
		if (r == 0)
			r = items_parse(p, *last, depth + 1);
		return r < 0 ? r : take(p, '}') ? 0 : odd(p, "a section without end");
	}
	if (!take(p, '='))
		return odd(p, "a value was expected");
	peek(p);
	if (take(p, '[')) {
		node.kind = LVM_ARRAY;
		r = node_add(p, parent, *last, node, last);
		return r < 0 ? r : array_parse(p, *last);
	}
	r = scalar_parse(p, &node);
	return r < 0 ? r : node_add(p, parent, *last, node, last);
}

static int items_parse(struct parser *p, uint32_t parent, unsigned depth)
{
	uint32_t last = 0;
	int r = depth > DEPTH_MAX ? odd(p, "too deep") : 0;

	while (r == 0 && peek(p) != '\0' && peek(p) != '}')
		r = item_parse(p, parent, &last, depth);
	return r;
}

int map_lvm_tree_parse(const char *text, size_t n, struct lvm_tree *ret, struct p2v_err *err)
{
	struct lvm_tree tree = {0};
	struct parser p = {p2v_span_of(text, n), &tree, err};
	uint32_t root;
	int r = node_add(&p, 0, 0, (struct lvm_node){0}, &root);

	if (r == 0)
		r = items_parse(&p, root, 0);
	if (r == 0 && peek(&p) != '\0')
		r = odd(&p, "a section that never began ends");
	if (r < 0) {
		map_lvm_tree_finish(&tree);
		return r;
	}
	*ret = tree;
	return 0;
}

void map_lvm_tree_finish(struct lvm_tree *tree)
{
	free(tree->nodes);
	*tree = (struct lvm_tree){0};
}

uint32_t map_lvm_child(const struct lvm_tree *tree, uint32_t node, const char *name)
{
	uint32_t at = tree->nodes[node].first;

	while (at && !p2v_span_eq(tree->nodes[at].name, name))
		at = tree->nodes[at].next;
	return at;
}

int map_lvm_number(const struct lvm_tree *tree, uint32_t node, const char *name, uint64_t max,
	uint64_t *ret, struct p2v_err *err)
{
	uint32_t at = map_lvm_child(tree, node, name);

	if (!at || tree->nodes[at].kind != LVM_NUMBER || tree->nodes[at].number > max)
		return p2v_err_set(err, P2V_EFORMAT, "LVM metadata: no sound %s", name);
	*ret = tree->nodes[at].number;
	return 0;
}

struct p2v_span map_lvm_string(const struct lvm_tree *tree, uint32_t node, const char *name)
{
	uint32_t at = map_lvm_child(tree, node, name);

	return at && tree->nodes[at].kind == LVM_STRING ? tree->nodes[at].text : p2v_span_of("", 0);
}
