/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_INTAKE_H
#define P2V_RECV_INTAKE_H

/*
 * The state SENDING: takes what the agent sends for one disk until it says DONE.
 *
 *	links --> read frames --> decompress, digest, write --> in order: journal, TAKEN, DURABLE
 *	          1 thread        some threads                  the caller's thread
 *	                                        flush, commit (recv/sync.h) <--'
 *	                                        1 thread
 *
 * Chunks whose ranges overlap are written in the order in which they came: the last one wins. One
 * that names runs as lying elsewhere waits for the chunks that it names.
 * What is durable is read back meanwhile (recv/prove.h).
 * Memory: the pool of items and what unpacks them, about 28 MiB.
 */

#include "p2v/recv/disk.h"
#include "p2v/recv/peer.h"
#include "p2v/recv/streams.h"

/* What R holds of chunks at most, as WELCOME says. */
#define RECV_WINDOW_BYTES (16u * 1024 * 1024)

/* What DONE said; its bad ranges are in the disk's journal. */
struct intake_done {
	struct digest root;
	uint64_t read_bytes, sent_bytes, zero_bytes, free_bytes;
};

/* begin, where not NULL, is called once before the first chunk is written that may change
 * something, by a thread of the intake. */
struct intake_begin {
	int (*run)(void *ctx, struct p2v_err *err);
	void *ctx;
};

/* Data connections may come and go meanwhile; with DONE, all that are left are ended. */
int recv_intake_run(struct peer *peer, struct recv_streams *streams, struct recv_disk *disk,
	const struct intake_begin *begin, struct intake_done *ret, struct p2v_err *err);

#endif
