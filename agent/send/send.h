/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_SEND_H
#define AGENT_SEND_SEND_H

/*
 * Sends disks to a receiver (p2v/wire/PROTOCOL.md, side A), over one connection or several.
 *
 *	 disk --> read --> digest, zero?, compress --> in order: fold root, window, rate --> link
 *	          1 thread         a thread a core            the caller's thread
 *	                                                      reader thread <-- link
 *	                           a thread for each further connection (lanes.h) --> links
 *
 * What is on the receiver's stable storage when a link is lost is not sent again: send_run connects
 * anew by itself, asks what is there, and goes on. Memory is bounded by the pool of chunks
 * (SEND_MEMORY_BYTES, LANES_HELD_MAX), whatever the disk's size. Sources are only read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/send/compress.h"
#include "p2v/block/digest.h"
#include "p2v/block/extent.h"
#include "p2v/block/io.h"
#include "p2v/core/err.h"
#include "p2v/core/progress.h"
#include "p2v/link/link.h"
#include "p2v/model/machine.h"
#include "p2v/model/receipt.h"

#define SEND_BAD_MAX	 1024u /* as many as DONE can name */
#define SEND_STREAMS_MAX 16u   /* connections at once */

/* Disk i of the machine's inventory; the extents cover its size. */
struct send_disk {
	struct block_io *io;
	const struct extent_list *extents;
};

/* Ranges of a disk that could not be read: in the order of the first pass, never two that touch. */
struct send_bad {
	struct {
		uint64_t offset, length;
	} items[SEND_BAD_MAX];
	size_t n;
};

struct send_spec {
	/* Makes a new link to the receiver; called again where one was lost, and where streams is
	 * not 1 by several threads at once, each of which also ends the link that it got. */
	int (*connect)(void *ctx, struct link **ret, struct p2v_err *err);
	void *connect_ctx;
	/* Whether to stand still now, connected; asked a few times a second. NULL: never. */
	bool (*paused)(void *ctx);
	void *paused_ctx;
	const struct machine *machine;
	const struct send_disk *disks; /* machine->n_disks of them */
	struct send_compress compress;
	uint64_t limit_bytes_per_second; /* 0: none */
	uint64_t
		retry_for_ms; /* how long to try again without a connection, since one was of use */
	unsigned streams;     /* connections at once, up to SEND_STREAMS_MAX; 0: auto */
	unsigned n_workers;   /* 0: one a processor */
	bool rescue;	      /* what cannot be read is zeros, and told; else it is an error */
	bool refresh;	      /* a second pass: read all, send what is not on the server */
	bool assign; /* wait until people at the receiver have said what the machine is called */
	bool follow; /* stay after the receipt while the receiver says how the job goes on */
	/* Which files lie where disk `disk` could not be read: lines for people, lent until the
	 * end. Asked once, when all disks are verified, in a thread of its own; it may take long,
	 * but for an interrupt. NULL: unknown. */
	void (*name_bad)(void *ctx, uint16_t disk, const struct send_bad *bad,
		char *const **ret_lines, size_t *ret_n);
	void *name_bad_ctx;
	const char *log_file; /* NULL, or a file whose last lines tell the receiver's people what we
				 did */
	struct p2v_progress *progress; /* or NULL */
};

struct send_disk_result {
	struct digest root;
	bool verified;	     /* the receiver re-read its image and came to the same root */
	uint64_t read_bytes; /* from the source, again included */
	uint64_t sent_bytes; /* chunk frames put into the pipe, again included */
	uint64_t zero_bytes, free_bytes;
	struct send_bad bad; /* with rescue */
	bool bad_named;	     /* name_bad was asked; what it said: */
	char *const *bad_lines;
	size_t n_bad_lines;
	uint64_t kept_bytes; /* not sent: the receiver had them from before */
	/* What the receiver had when this disk was first opened is somebody else's: an earlier
	 * run's, of another time. Below own_bytes it is what this run has read, too. */
	bool opened, others;
	bool again; /* an earlier run came to VERIFIED: this one makes a second pass over it */
	uint64_t own_bytes;
};

/* Connections at once: how many, whether that is for good, and how many there really were (with
 * auto: that were kept). */
struct send_streams {
	unsigned n;
	bool chosen;
	unsigned most;
};

struct send_result {
	struct send_streams streams;
	char *job;
	struct receipt receipt; /* as the receiver sent it: foreign, but well-formed */
	struct send_disk_result *disks;
	size_t n_disks;
	uint32_t connections;
	uint64_t started_ms, duration_ms; /* until the receipt */
	/* With follow: what the receiver said last of the job (PROTOCOL.md, "Status"); stage NULL:
	 * it said nothing. */
	char *server_stage, *server_text;
	uint64_t logged_bytes; /* of log_file */
};

/*
 * Until every disk that the receiver wants is verified and it has promised so in a receipt.
 * A first connection that fails is an error at once; a link that is lost later is tried again for
 * retry_for_ms, with growing pauses, and so is a server whose disk is full, once something has gone
 * there. P2V_ECANCELED: interrupted (the receiver is told) or cancelled
 * by it; what is durable can be continued.
 */
int send_run(const struct send_spec *spec, struct send_result *ret, struct p2v_err *err);
void send_result_finish(struct send_result *result);

#endif
