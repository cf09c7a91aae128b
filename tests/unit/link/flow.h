/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_UNIT_LINK_FLOW_H
#define P2V_TESTS_UNIT_LINK_FLOW_H

/*
 * A numbered stream of bytes, to send over a link and to check at the other end; and one that sends
 * in a thread of its own while the caller reads.
 */

#include <pthread.h>
#include <stdint.h>

#include "p2v/link/link.h"

struct flow {
	struct link *link;
	uint64_t total;
	bool then_end; /* say the end afterwards */
	pthread_t thread;
	int result;
	uint64_t done;
	struct p2v_err err;
};

void flow_fill(uint8_t *buf, uint64_t offset, size_t n);
bool flow_is(const uint8_t *buf, uint64_t offset, size_t n);
void flow_send_start(struct flow *f);
int flow_send_join(struct flow *f);
/* Reads until the end; the number of right bytes, or UINT64_MAX after a wrong one. r: how it ended.
 */
uint64_t flow_receive(struct link *l, int *ret_r, struct p2v_err *err);

#endif
