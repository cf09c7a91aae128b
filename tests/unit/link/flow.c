/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/link/flow.h"

#include <stdlib.h>

#include "p2v/core/cleanup.h"

#define PIECE_MAX ((size_t)300000)

/* Each byte depends on its place, with a period that no buffer size divides. */
static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7 + (offset >> 20) * 3);
}

void flow_fill(uint8_t *buf, uint64_t offset, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(offset + i);
}

bool flow_is(const uint8_t *buf, uint64_t offset, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (buf[i] != byte_at(offset + i))
			return false;
	return true;
}

static void *flow_send(void *arg)
{
	struct flow *f = arg;
	p2v_autofree uint8_t *buf = malloc(PIECE_MAX);

	for (uint64_t n = 1; f->done < f->total && f->result == 0; n = n * 7 % PIECE_MAX + 1) {
		uint64_t part = f->total - f->done < n ? f->total - f->done : n;

		flow_fill(buf, f->done, part);
		f->result = link_write(f->link, buf, part, &f->err);
		f->done += part;
	}
	if (f->result == 0 && f->then_end)
		f->result = link_shutdown_write(f->link, &f->err);
	return NULL;
}

void flow_send_start(struct flow *f)
{
	if (pthread_create(&f->thread, NULL, flow_send, f) != 0)
		abort();
}

int flow_send_join(struct flow *f)
{
	pthread_join(f->thread, NULL);
	return f->result;
}

uint64_t flow_receive(struct link *l, int *ret_r, struct p2v_err *err)
{
	p2v_autofree uint8_t *buf = malloc(PIECE_MAX);
	uint64_t done = 0;
	size_t n = 1;

	for (;;) {
		*ret_r = link_read(l, buf, PIECE_MAX, &n, err);
		if (*ret_r < 0 || n == 0)
			return done;
		if (!flow_is(buf, done, n))
			return UINT64_MAX;
		done += n;
	}
}
