/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_YAML_DOC_H
#define P2V_CORE_YAML_DOC_H

/*
 * Files that people write, as YAML, into structs by the same tables as JSON (over libyaml, which no
 * other room includes).
 *
 * Stricter than JSON, as a person mistypes and a program does not: a key that the table does not
 * name is P2V_EFORMAT with its line. The table says what a scalar is (`name: 10` is a string where
 * the member is one), true and false are the only truths, a single value stands for a list of one,
 * and there are no anchors, tags or second documents. Bounds: 1 MiB, 32 levels.
 */

#include "p2v/core/json.h"

/* As p2v_json_decode. An empty document is an empty struct. */
int p2v_yaml_decode(const struct p2v_json_type *type, const void *text, size_t n, void *obj,
	struct p2v_err *err);
int p2v_yaml_load(
	const struct p2v_json_type *type, const char *path, void *obj, struct p2v_err *err);

#endif
