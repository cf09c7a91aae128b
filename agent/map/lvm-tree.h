/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_LVM_TREE_H
#define AGENT_MAP_LVM_TREE_H

/*
 * The text in which LVM keeps its metadata, as a tree over the bytes that it was read from:
 *
 *	name { name = 12  name = "text"  name = ["a", 1]  # comment
 *	}
 *
 * A node is an index; 0 is the root and also "none": the root is nobody's child. Strings are raw
 * (a backslash stands where it stood). Bounds: 16 levels, and 100,000 nodes.
 */

#include "p2v/core/err.h"
#include "p2v/core/span.h"

enum lvm_node_kind { LVM_SECTION, LVM_NUMBER, LVM_STRING, LVM_ARRAY };

struct lvm_node {
	enum lvm_node_kind kind;
	struct p2v_span name; /* empty in an array */
	struct p2v_span text; /* LVM_STRING */
	uint64_t number;      /* LVM_NUMBER */
	uint32_t first, next; /* child, sibling */
};

struct lvm_tree {
	struct lvm_node *nodes;
	size_t n_nodes, cap;
};

/* The tree points into text. P2V_EFORMAT, P2V_ENOMEM. */
int map_lvm_tree_parse(const char *text, size_t n, struct lvm_tree *ret, struct p2v_err *err);
void map_lvm_tree_finish(struct lvm_tree *tree);

/* The child of this name, or 0. */
uint32_t map_lvm_child(const struct lvm_tree *tree, uint32_t node, const char *name);
/* Its number, at most max; P2V_EFORMAT where it has none. */
int map_lvm_number(const struct lvm_tree *tree, uint32_t node, const char *name, uint64_t max,
	uint64_t *ret, struct p2v_err *err);
/* Its string; an empty one where it has none. */
struct p2v_span map_lvm_string(const struct lvm_tree *tree, uint32_t node, const char *name);

#endif
