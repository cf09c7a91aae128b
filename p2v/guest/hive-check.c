/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Is a hive's tree of keys one? */

#include <errno.h>
#include <stdlib.h>

#include "p2v/core/cleanup.h"
#include "p2v/guest/hive-open.h"

#define MAX_DEPTH  512 /* Windows' own limit */
#define CELL_BYTES 8   /* keys begin at multiples of that */

struct check {
	struct guest_hive *h;
	uint8_t *seen; /* a bit each place where a key may begin */
};

/* Whether the key was seen before; from now on it was. */
static bool see(struct check *c, hive_node_h node)
{
	size_t cell = node / CELL_BYTES;
	uint8_t bit = (uint8_t)(1 << cell % 8);
	bool seen = c->seen[cell / 8] & bit;

	c->seen[cell / 8] |= bit;
	return seen;
}

static int twice(struct check *c, hive_node_h node, struct p2v_err *err)
{
	p2v_autofree char *name = hivex_node_name(c->h->h, node);

	return p2v_err_set(err, P2V_EFORMAT,
		"%s: the hive is damaged: its key '%.100s' is in the lists of two keys, or too "
		"deep",
		c->h->path, name ? name : "");
}

static int check_node(struct check *c, hive_node_h node, unsigned depth, struct p2v_err *err)
{
	p2v_autofree hive_node_h *below = NULL;
	int r = 0;

	if (depth > MAX_DEPTH || node >= GUEST_HIVE_MAX_BYTES || see(c, node))
		return twice(c, node, err);
	errno = 0;
	below = hivex_node_children(c->h->h, node);
	/* A longer list than libhivex reads is no damage. */
	if (!below && errno == ERANGE)
		return 0;
	if (!below) {
		p2v_autofree char *name = hivex_node_name(c->h->h, node);

		return hive_failed(c->h, name ? name : "", err);
	}
	for (size_t i = 0; r == 0 && below[i]; i++)
		r = check_node(c, below[i], depth + 1, err);
	return r;
}

int guest_hive_check(struct guest_hive *h, struct p2v_err *err)
{
	p2v_autofree uint8_t *seen = calloc(GUEST_HIVE_MAX_BYTES / CELL_BYTES / 8, 1);
	struct check c = {.h = h, .seen = seen};

	return seen ? check_node(&c, hivex_root(h->h), 0, err)
		    : p2v_err_set(err, P2V_ENOMEM, "no memory");
}
