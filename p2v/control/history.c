/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/history.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/publish.h"

static int part_get(control_get_fn get, const void *ctx, const char *job, uint64_t after,
	struct events *ret, struct p2v_err *err)
{
	p2v_autofree char *path =
		p2v_strf("/v1/jobs/%s/events?after=%llu", job, (unsigned long long)after);

	return path ? get(ctx, path, &ledger_events_type, ret, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* What part has becomes all's. */
static int part_add(struct events *all, struct events *part, struct p2v_err *err)
{
	for (size_t i = 0; i < part->n_events; i++) {
		struct event *event =
			p2v_json_grow((void **)&all->events, &all->n_events, sizeof(*event));

		if (!event)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		*event = part->events[i];
		part->events[i] = (struct event){0};
	}
	return 0;
}

int control_history(control_get_fn get, const void *ctx, const char *job, struct events *ret,
	struct p2v_err *err)
{
	p2v_auto_events struct events all = {.version = 1};
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		p2v_auto_events struct events part = {0};
		uint64_t after = all.n_events ? all.events[all.n_events - 1].id : 0;

		r = part_get(get, ctx, job, after, &part, err);
		more = part.more && part.n_events;
		if (r == 0)
			r = part_add(&all, &part, err);
	}
	if (r == 0) {
		*ret = all;
		all = (struct events){0};
	}
	return r;
}
