/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_ADAPT_H
#define AGENT_SEND_ADAPT_H

/*
 * --compress auto: how hard to compress follows what there is too much of. Where the link, the
 * server or a limit bounds the pass and processors idle, they compress more; where the processors
 * are all busy, less. It begins with less: a fast link would wait for the first seconds else.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "agent/send/compress.h"
#include "agent/send/load.h"

struct send_adapt {
	_Atomic int level; /* of zstd; any thread may read it */
	/* the looking thread's */
	bool adaptive;
	unsigned rung, hold;
	uint64_t looked_ns, idle, total;
};

void send_adapt_init(struct send_adapt *adapt, const struct send_compress *compress);
/* Once a second at most it looks at the processors. stage: what bounds the pass. */
void send_adapt_look(struct send_adapt *adapt, enum send_stage stage);
/* One decision. idle_percent: of all processors of the machine, in the last second. */
void send_adapt_step(struct send_adapt *adapt, enum send_stage stage, unsigned idle_percent);

#endif
