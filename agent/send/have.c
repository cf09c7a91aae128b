/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/have.h"

#include <inttypes.h>
#include <stdlib.h>

#include "p2v/core/num.h"

struct have {
	struct conn *conn;
	uint16_t disk;
	uint64_t n_grains;
	uint64_t asked; /* grains below were asked for */
	struct send_span span;
};

struct have *have_new(struct conn *conn, uint16_t disk, uint64_t n_grains)
{
	struct have *have = calloc(1, sizeof(*have));

	if (!have)
		return NULL;
	have->conn = conn;
	have->disk = disk;
	have->n_grains = n_grains;
	return have;
}

void have_free(struct have *have)
{
	free(have);
}

static int ask(struct have *have, struct p2v_err *err)
{
	struct wire_msg msg = {.type = WIRE_HAVE_ASK,
		.have_ask = {.disk = have->disk,
			.first = have->asked,
			.count = (uint32_t)p2v_min_u64(
				have->n_grains - have->asked, WIRE_HAVE_MAX)}};
	int r = msg.have_ask.count ? conn_send(have->conn, &msg, err) : 0;

	if (r == 0)
		have->asked += msg.have_ask.count;
	return r;
}

static int take(struct have *have, uint64_t first, struct p2v_err *err)
{
	struct send_span *span = &have->span;
	uint32_t count = (uint32_t)p2v_min_u64(have->n_grains - first, WIRE_HAVE_MAX);
	struct wire_msg msg;
	int r = conn_have(have->conn, &msg, err);

	if (r < 0)
		return r;
	if (msg.have.disk != have->disk || msg.have.first != first || msg.have.count != count) {
		conn_have_done(have->conn);
		return p2v_err_set(err, P2V_EFORMAT,
			"HAVE for disk %u, grain %" PRIu64 " was not asked for", msg.have.disk,
			msg.have.first);
	}
	span->first = first;
	span->count = count;
	for (uint32_t i = 0; i < count; i++) {
		span->durable[i] = msg.have.states[i] == 1;
		wire_leaf_at(msg.have.leaves, i, &span->leaves[i]);
	}
	conn_have_done(have->conn);
	return 0;
}

int have_span(struct have *have, uint64_t grain, const struct send_span **ret, struct p2v_err *err)
{
	struct send_span *span = &have->span;
	int r = 0;

	if (have->asked == 0)
		r = ask(have, err);
	while (r == 0 && (span->count == 0 || grain - span->first >= span->count)) {
		r = take(have, span->first + span->count, err);
		if (r == 0)
			r = ask(have, err);
	}
	if (r == 0)
		*ret = span;
	return r;
}
