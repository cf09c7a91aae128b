/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_PIPELINE_H
#define AGENT_SEND_PIPELINE_H

/*
 * One pass over one disk, on the pump of p2v/block/pump.h: what the walk says is read, packed and
 * sent in order, while the root digest is folded. A pass that begins where an earlier one was cut
 * keeps what the receiver has.
 *
 * Memory: SEND_MEMORY_BYTES at most for all chunks and compressors together, whatever the disk or
 * the number of processors; beside it BLOCK_REPEATS_BYTES, and about a MiB for what is known about
 * the receiver.
 */

#include "agent/send/compress.h"
#include "agent/send/conn.h"
#include "agent/send/lanes.h"
#include "agent/send/send.h"

#define SEND_MEMORY_BYTES     ((size_t)48 << 20)
#define SEND_FRAME_HEAD_BYTES 1024u /* of a chunk's frame: head and leaves */

/* How many workers fit into the memory: at least 1, at most `wanted`. */
unsigned send_workers_fit(unsigned wanted, const struct send_compress *compress);

struct send_pass {
	struct conn *conn;
	struct lanes *lanes; /* or NULL: all goes over conn */
	struct send_load *load;
	uint16_t disk;
	const struct send_disk *source;
	const struct send_compress *compress;
	unsigned n_workers;
	bool rescue;
	/* What fails to be read is left for the next pass: with the rest safe first, and close to
	 * DONE, which names it. */
	bool defer;
	bool repeats;			/* what went before is named, not sent again */
	bool resume;			/* the receiver has some of it: ask what */
	enum send_mode mode;		/* what to do with that; SEND_REFRESH only with resume */
	const struct send_ranges *must; /* what to send in any case; may be NULL */
	bool (*paused)(void *ctx);	/* as in send_spec */
	void *paused_ctx;
	struct p2v_progress *progress;
	struct send_disk_result *result; /* its counters go on counting */
};

/* The root of what the receiver's image will read as. */
int send_pass_run(const struct send_pass *pass, struct digest *ret_root, struct p2v_err *err);

#endif
