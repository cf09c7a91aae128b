/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_BUCKET_H
#define AGENT_SEND_BUCKET_H

/*
 * A rate limit, averaged over one second: a bucket that fills at the rate and holds a tenth of a
 * second's worth. It looks at no clock: the caller says what time it is. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

struct send_bucket {
	uint64_t rate; /* bytes a second; 0: no limit */
	uint64_t level, at_ms;
};

void send_bucket_rate(struct send_bucket *bucket, uint64_t bytes_per_second, uint64_t now_ms);
/* How many of n bytes may go now; 0: ask again in ret_wait_ms. n > 0. */
size_t send_bucket_take(
	struct send_bucket *bucket, size_t n, uint64_t now_ms, unsigned *ret_wait_ms);

#endif
