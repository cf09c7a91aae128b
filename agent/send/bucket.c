/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/bucket.h"

#include "p2v/core/num.h"

#define FILL_MS	    100u
#define LEAST	    1024u /* a slice below this costs more than it evens out */
#define WAIT_MAX_MS 200u

static uint64_t capacity(const struct send_bucket *b)
{
	return p2v_max_u64(b->rate / (1000 / FILL_MS), LEAST);
}

void send_bucket_rate(struct send_bucket *b, uint64_t bytes_per_second, uint64_t now_ms)
{
	*b = (struct send_bucket){.rate = bytes_per_second, .at_ms = now_ms};
}

size_t send_bucket_take(struct send_bucket *b, size_t n, uint64_t now_ms, unsigned *ret_wait_ms)
{
	uint64_t full = capacity(b), want = p2v_min_u64(n, full), passed, gain;

	if (b->rate == 0)
		return n;
	passed = p2v_min_u64(now_ms - b->at_ms, 10 * 1000);
	/* Rates beyond 2^50 would overflow and are no limit anyway. */
	if (!p2v_mul_u64(b->rate, passed, &gain))
		return n;
	gain /= 1000;
	if (gain) {
		b->level = p2v_min_u64(b->level + gain, full);
		b->at_ms = now_ms;
	}
	/* A whole slice or nothing: small dribbles would cost a packet each. */
	if (b->level < want) {
		uint64_t ms = (want - b->level) * 1000 / b->rate + 1;

		*ret_wait_ms = (unsigned)p2v_min_u64(ms, WAIT_MAX_MS);
		return 0;
	}
	b->level -= want;
	return (size_t)want;
}
