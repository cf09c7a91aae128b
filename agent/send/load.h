/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_LOAD_H
#define AGENT_SEND_LOAD_H

/*
 * Where the time of a pass goes, so that people learn what bounds it. Each stage adds the time that
 * it was busy, from any thread; one thread asks.
 */

#include <stdatomic.h>
#include <stdint.h>

enum send_stage {
	SEND_STAGE_DISK,     /* reading the source */
	SEND_STAGE_COMPRESS, /* digests and compression */
	SEND_STAGE_LINK,     /* putting bytes into the pipe: encryption, network */
	SEND_STAGE_SERVER,   /* waiting until the server has written what it holds */
	SEND_STAGE_LIMIT,    /* waiting, as the rate is limited */
	SEND_STAGE_END,
};

struct send_load {
	_Atomic uint64_t busy_ns[SEND_STAGE_END];
	uint64_t seen_ns[SEND_STAGE_END], asked_ns; /* the asking thread's */
	enum send_stage stage;
};

uint64_t send_load_now_ns(void);
/* The stage was busy since then; load may be NULL. */
void send_load_add(struct send_load *load, enum send_stage stage, uint64_t since_ns);
/* The stage that was busiest for its number of threads, since two seconds or more ago. */
enum send_stage send_load_stage(struct send_load *load, unsigned n_workers, unsigned n_links);
/* "disk", "compression", "link", "server", "limit". */
const char *send_stage_name(enum send_stage stage);

#endif
