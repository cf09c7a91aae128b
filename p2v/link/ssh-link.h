/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_LINK_H
#define P2V_LINK_SSH_LINK_H

/*
 * An SSH connection with one running command, made by ssh-open.c and used by ssh-link.c. For these
 * two alone.
 *
 * libssh2 is not thread-safe, and a packet that it could send only in part forbids every other send
 * until it is through: then a reader that wants to widen its window would fail because a writer
 * waits. So:
 *   - one lock guards the session, and is never held while waiting;
 *   - libssh2's send goes through ours, which always takes all: what the socket does not take stays
 *     in `out`, and a call of ours ends only when `out` is on its way;
 *   - either thread may take the packet off the socket that the other waits for (data, a wider
 *     window): whoever does kicks the other's eventfd.
 */

#include <libssh2.h>
#include <pthread.h>
#include <stdatomic.h>

#include "p2v/core/buf.h"
#include "p2v/link/link.h"
#include "p2v/link/ssh-exit.h"

#define SSH_PEEK_BYTES 4096

struct ssh_link {
	struct link link;
	char *command, *methods;
	int fd;
	int read_wake_fd, write_wake_fd;
	atomic_bool canceled;
	_Atomic uint64_t write_cpu_ns;

	pthread_mutex_t lock; /* guards all below */
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
	struct p2v_buf out; /* taken from libssh2, not yet taken by the socket: from out_at on */
	size_t out_at;
	int errnum; /* what the socket last said, or 0 */
	bool reader_waits, writer_waits, eof_sent, broken;
	uint64_t eof_at_ms; /* when the far end's end was seen, or 0 */

	/* The reader's own. */
	uint8_t peek[SSH_PEEK_BYTES]; /* what link_wait took off before link_read */
	size_t peek_at, peek_n;
	struct ssh_words words;
};

extern const struct link_ops ssh_link_ops;

/* Turns an open session (blocking, no channel I/O yet) to the rules above. */
void ssh_link_take_over(struct ssh_link *s);
/* The sentence for a failure rc of libssh2: P2V_ELINK for all that a new connection may cure. */
int ssh_link_failed(struct ssh_link *s, const char *what, int rc, struct p2v_err *err);

#endif
