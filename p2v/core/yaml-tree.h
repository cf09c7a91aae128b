/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_YAML_TREE_H
#define P2V_CORE_YAML_TREE_H

/*
 * Somebody else's YAML, whose keys no table of ours names, as a tree to look around in (over
 * libyaml, which no other room includes). Only the first document counts. An alias stands for the
 * same node as its anchor: a tree may have rings, and whoever walks it bounds his steps.
 *
 * A node is a number, 0 is none; each function takes 0, or a node of another kind than it is about,
 * and then returns 0 or an empty span. Spans live as long as the tree.
 */

#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"
#include "p2v/core/span.h"

struct p2v_yaml_tree;

/* P2V_EFORMAT with the line where it is no YAML, or is larger than 1 MiB. text must outlive it. */
int p2v_yaml_tree_new(struct p2v_span text, struct p2v_yaml_tree **ret, struct p2v_err *err);
void p2v_yaml_tree_free(struct p2v_yaml_tree *t);

int p2v_yaml_root(struct p2v_yaml_tree *t);
struct p2v_span p2v_yaml_scalar(struct p2v_yaml_tree *t, int node);
/* The value of a mapping's key; and the key, for p2v_yaml_written. */
int p2v_yaml_get(struct p2v_yaml_tree *t, int node, const char *key);
int p2v_yaml_get_key(struct p2v_yaml_tree *t, int node, const char *key);
/* The i-th of a mapping. */
int p2v_yaml_key_at(struct p2v_yaml_tree *t, int node, size_t i);
int p2v_yaml_value_at(struct p2v_yaml_tree *t, int node, size_t i);
/* The i-th of a list; a scalar is a list of one. */
int p2v_yaml_item_at(struct p2v_yaml_tree *t, int node, size_t i);
/* "key: value" as it stands in the text; empty where that is more than one line. */
struct p2v_span p2v_yaml_written(struct p2v_yaml_tree *t, int key, int value);
uint32_t p2v_yaml_line(struct p2v_yaml_tree *t, int node); /* 1-based */

#endif
