/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_HIVE_OPEN_H
#define P2V_GUEST_HIVE_OPEN_H

/* Inside the room: what hive.c and hive-edit.c share. The only place that sees libhivex. */

#include <hivex.h>

#include "p2v/guest/hive.h"

struct guest_hive {
	struct guest *g;
	char *path;
	hive_h *h;
	bool writable, dirty;
	struct p2v_buf edits;
};

/* 0: there is no such key (or libhivex could not read on: then P2V_EFORMAT). */
int hive_node(struct guest_hive *h, const char *key, hive_node_h *ret, struct p2v_err *err);
/* ret 0: there is none of that name. */
int hive_value(struct guest_hive *h, hive_node_h node, const char *name, hive_value_h *ret,
	struct p2v_err *err);
/* The value's bytes, at most GUEST_HIVE_MAX_VALUE; malloc'd. */
int hive_bytes(struct guest_hive *h, hive_value_h v, uint32_t *ret_type, char **ret, size_t *ret_n,
	struct p2v_err *err);
/* What libhivex's errno says: P2V_ENOMEM, else P2V_EFORMAT. */
int hive_failed(const struct guest_hive *h, const char *key, struct p2v_err *err);
/* The next part of a path of keys; false: there is no more. */
bool hive_part_next(const char **rest, char *ret, size_t size);

#define HIVE_PART_MAX 512

#endif
