/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_STREAMS_H
#define P2V_RECV_STREAMS_H

/*
 * The data connections of a job (PROTOCOL.md, "Parallel connections"). sshd starts a p2v-recv for
 * each; that one is only a relay: it reads HELLO, hands its two descriptors to the receiver that
 * has the control connection, and waits until that lets go of them.
 *
 *	sshd --- p2v-recv (control): the image, the journal, all buffers
 *	               ^ JOB/data-<token>, a socket in the job directory: HELLO, descriptors
 *	sshd --- p2v-recv (relay)
 *
 * So one process writes the image and the journal, whatever the number of connections, and the
 * token is the name of a file that only the receiver's user can see.
 *
 * Threads: the intake's reading thread takes in (recv_streams_next); the one that notes sends to a
 * stream, and is the one to drop it once its last message was dealt with.
 */

#include <stdatomic.h>

#include "p2v/recv/peer.h"

#define RECV_STREAMS_MAX 16

enum recv_stream_state { RECV_STREAM_FREE, RECV_STREAM_OPEN, RECV_STREAM_LEAVING };

struct recv_stream {
	_Atomic(enum recv_stream_state) state;
	struct peer peer;
	struct link *link;
	int relay_fd;			 /* closing it ends the relay */
	uint64_t asked_seq, durable_seq; /* that a sync was begun for; the last one that was said */
};

struct recv_streams {
	int listen_fd, dir_fd; /* -1: no data connection can come */
	struct digest token;   /* zero then */
	const char *program;   /* for WELCOME */
	uint64_t features;
	uint32_t window;
	struct recv_stream items[RECV_STREAMS_MAX];
	unsigned turn;	/* whose frame is next */
	unsigned n_max; /* most that were open at once */
};

void recv_streams_init(struct recv_streams *s);
/* Begins to listen in the job directory `dir`, which is locked; sockets that a killed receiver left
 * there go. */
int recv_streams_open(struct recv_streams *s, const char *dir, struct p2v_err *err);
/* Ends the data connections; others may come. In the thread that drops. */
void recv_streams_close(struct recv_streams *s);
void recv_streams_finish(struct recv_streams *s);

/* What came from whom. */
struct recv_came {
	struct wire_frame frame;
	struct recv_stream *stream; /* NULL: the control connection */
	bool gone; /* there is no frame: that stream has ended; recv_stream_drop it in its turn */
};

/*
 * The next frame of any connection: 1, or 0 where the control connection ended at a frame's border.
 * Takes in new data connections meanwhile, and gives up those that fell silent. The frame lives
 * until the next call.
 */
int recv_streams_next(
	struct recv_streams *s, struct peer *control, struct recv_came *ret, struct p2v_err *err);
void recv_stream_drop(struct recv_stream *stream);

/* A data connection's whole life in its own process: hands the peer's link, whose HELLO was just
 * read, to the job below base that has this token (in the directory `name`, where not NULL).
 * P2V_ENOTFOUND: there is none. */
int recv_relay_run(const char *base, const char *name, struct peer *peer,
	const struct wire_hello *hello, struct p2v_err *err);
/* Where a job's socket is: "data-0011...", relative to the job directory. */
#define RECV_SOCKET_PREFIX "data-"
void recv_socket_name(const struct digest *token, char ret[64]);

#endif
