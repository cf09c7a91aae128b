/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/limit.h"

#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/orders.h"
#include "p2v/store/jobdir.h"

#define LOOK_MS 2000

static bool is_up(struct recv_streams *streams, unsigned i)
{
	return atomic_load(&streams->items[i].state) != RECV_STREAM_FREE;
}

/* Orders that cannot be read limit nothing: the conversion says what is wrong with them. */
static uint64_t ordered(const char *image_path)
{
	p2v_autofree char *path = p2v_strf(
		"%.*s/../" STORE_ORDERS, (int)(strrchr(image_path, '/') - image_path), image_path);
	p2v_auto_orders struct orders orders = {0};

	if (path && p2v_file_exists(path))
		model_orders_load(path, &orders, NULL);
	return orders.bandwidth_bytes;
}

int recv_limit_look(struct recv_limit *limit, const char *image_path, struct peer *peer,
	struct recv_streams *streams, struct p2v_err *err)
{
	uint64_t now = p2v_now_ms(), rate, n = 1;
	struct wire_msg msg = {.type = WIRE_LIMIT};
	int r;

	if (limit->looked_ms && now - limit->looked_ms < LOOK_MS)
		return 0;
	limit->looked_ms = now;
	for (unsigned i = 0; i < RECV_STREAMS_MAX; i++)
		n += is_up(streams, i);
	rate = p2v_div_up(ordered(image_path), n);
	if (rate == limit->told)
		return 0;
	msg.limit.bytes_per_second = rate;
	r = recv_peer_send(peer, &msg, err);
	for (unsigned i = 0; r == 0 && i < RECV_STREAMS_MAX; i++)
		if (is_up(streams, i))
			recv_peer_send(&streams->items[i].peer, &msg, NULL);
	if (r == 0)
		limit->told = rate;
	return r;
}
