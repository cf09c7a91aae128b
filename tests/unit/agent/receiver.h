/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_UNIT_AGENT_RECEIVER_H
#define TESTS_UNIT_AGENT_RECEIVER_H

/*
 * A receiver in this process that follows the protocol from p2v/wire alone, on one disk, and a
 * script of what it does wrong. What is durable outlives its connections.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "p2v/block/digest.h"
#include "p2v/link/link.h"
#include "p2v/wire/greet.h"

struct receiver {
	/* the disk as received */
	uint64_t size;
	uint8_t *image;
	bool *durable, *taken; /* a grain each */
	bool finished;	       /* a job that was copied before */
	struct digest *leaves;

	/* the script: 0 is never */
	uint64_t features;		    /* 0: all that version 1 has for this */
	uint32_t window;		    /* 0: 4 MiB */
	unsigned durable_every;		    /* chunks; 0: 4 */
	uint64_t resend_chunk;		    /* this chunk of all is rejected */
	unsigned mismatch_rounds;	    /* so many times the first grain reads back wrong */
	uint64_t cancel_after, error_after; /* chunks */
	bool refuse;
	uint16_t version;    /* that it chooses; 0: the right one */
	uint64_t mute_after; /* chunks; then the first connection falls silent, and keepalive is 1 s
			      */
	bool short_of_patience; /* keepalive is 1 s */
	bool unwanted;		/* the disk is verified: ADMIT does not ask for it */
	unsigned wait_ms;	/* to be admitted; then the first connection is lost */
	uint64_t pull_offset, pull_length;
	bool ping;	 /* and wants the PONG before anything is TAKEN */
	bool hold_taken; /* TAKEN only when the window is full, and says if it was overrun */
	uint64_t limit_to;
	const char *stage;	      /* what is said after FINISHED, with STATUS */
	struct link_pair_cut cuts[8]; /* of the n-th connection */
	unsigned n_cuts;

	/* what it saw */
	unsigned connections;
	uint64_t chunks, data_bytes, zero_chunks, free_chunks, have_asked, again_durable;
	uint64_t window_seen;
	uint8_t pass; /* of the last OPEN */
	bool pong_seen, cancel_seen, error_seen;
	_Atomic unsigned pings;
	uint64_t pulled_at;    /* which chunk came because it was pulled, from 1 */
	struct wire_done done; /* without the ranges */
	uint64_t last_offset;  /* of a chunk */
	uint16_t n_bad;
	struct wire_range bad; /* the first */
	char inventory[4096];
	unsigned logs;
	char log[256]; /* the last one */

	pthread_t thread;
	bool runs;
	struct link *link;
};

void receiver_init(struct receiver *rx, uint64_t size);
void receiver_finish(struct receiver *rx);
/* For send_spec.connect: a new pair, whose other end a new thread serves. */
int receiver_connect(void *ctx, struct link **ret, struct p2v_err *err);
/* Waits for the last connection's thread. */
void receiver_join(struct receiver *rx);

#endif
