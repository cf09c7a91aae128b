/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_CONN_H
#define AGENT_SEND_CONN_H

/*
 * One connection: a link that speaks the protocol, with a thread of its own that reads.
 *
 *   - The reader takes in everything as it comes, so that the far end never waits for us to listen.
 *     What answers a question of ours is handed to whoever asked (one slot for HAVE, one for the
 *     steps of the ladder); the rest (TAKEN, RESEND, LIMIT, PING, ...) changes the state here.
 *   - The reader never writes: what it owes (PONG) is sent by the next conn_tick, which the caller
 *     calls at least twice a second, and which also sends PING where nothing was sent for long.
 *   - Other threads may send; a lock keeps their frames whole.
 *   - The first failure ends the connection: it is kept in `end`, wakes all who wait, and is what
 *     every later call returns. A REFUSE, CANCEL or ERROR of the far end is such a failure.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/send/bucket.h"
#include "agent/send/load.h"
#include "agent/send/walk.h"
#include "agent/send/window.h"
#include "p2v/core/buf.h"
#include "p2v/core/opt.h"
#include "p2v/core/progress.h"
#include "p2v/link/link.h"
#include "p2v/wire/greet.h"
#include "p2v/wire/msg.h"
#include "p2v/wire/session.h"

#define SEND_FEATURES                                                                              \
	(WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME | WIRE_FEATURE_REFRESH | WIRE_FEATURE_DATA |      \
		WIRE_FEATURE_PULL | WIRE_FEATURE_REPEAT)
#define SEND_PROGRAM	  "p2v-agent " P2V_VERSION
#define SEND_PULLS_MAX	  64u
#define SEND_TICK_MS	  200
#define SEND_STOP_WAIT_MS 3000 /* how long a stuck write may hold up an interrupt */

/* An answer of the far end on its way from the reader to whoever asked. */
struct conn_slot {
	bool full;
	struct p2v_buf payload;
	struct wire_frame frame;
};

struct conn {
	struct link *link; /* owned */
	pthread_t reader;
	bool reader_runs;
	struct wire_hello hello;  /* what we offered */
	struct conn *pace;	  /* whose rate counts: this one's, or the control connection's */
	void (*moved)(void *ctx); /* or NULL: something has come; called with no lock held */
	void *moved_ctx;
	struct send_load *load; /* or NULL */

	pthread_mutex_t write_lock; /* held while a frame is put into the pipe; taken before lock */
	struct p2v_buf out;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	struct wire_session session;
	struct wire_terms terms;
	struct p2v_err end; /* kind 0: it stands */
	bool closing;	    /* we end it: the reader's failure is none */
	struct conn_slot answer, have;
	struct send_window window;
	struct send_bucket bucket;
	uint64_t own_limit;
	uint64_t sent_ms, heard_ms, stop_ms;
	uint64_t pong_cookie;
	bool owes_pong;
	struct digest token;	      /* ADMIT's; zero: no data connections */
	uint16_t disk;		      /* the one that is open, for RESEND and PULL */
	uint64_t disk_bytes;	      /* its size; 0: none is open */
	struct send_ranges again;     /* RESEND and MISMATCH: to be sent once more */
	struct send_ranges pulls;     /* PULL: to be sent next */
	uint64_t far_done, far_total; /* PROGRESS of the far end, while it verifies */
	struct p2v_buf far_log; /* its LOGs, a line each, bounded; to be shown and taken away */
	char far_wait[256];	/* what its last WAIT said */
	struct conn_status {
		uint64_t n; /* how many came */
		char stage[32], text[512];
		unsigned permille;
	} far_status; /* its last STATUS */
};

struct conn_offer {
	const char *program;
	uint64_t features;
	uint64_t limit_bytes_per_second;
	/* of a data connection, else NULL and 0; pace outlives it */
	const struct digest *token;
	struct conn *pace;
	uint16_t disk;
	uint64_t disk_bytes;
	void (*moved)(void *ctx);
	void *moved_ctx;
	struct send_load *load;
};
/* Starts the reader and says HELLO. Owns link from here on, even where it fails. */
int conn_open(
	struct link *link, const struct conn_offer *offer, struct conn **ret, struct p2v_err *err);
/* Ends the link and the reader. NULL is fine. */
void conn_free(struct conn *conn);
P2V_DEFINE_CLEANUP(struct conn *, conn_free);

/* One message, whole. */
int conn_send(struct conn *conn, const struct wire_msg *msg, struct p2v_err *err);
/* A frame of a CHUNK that wire_chunk_pack or wire_msg_encode made: waits for the window
 * (data_bytes: its length where it is DATA, else 0) and the rate. */
int conn_send_chunk(struct conn *conn, const uint8_t *frame, size_t n, uint32_t data_bytes,
	struct p2v_err *err);
/* Keeps the connection alive; the end of the connection, or an interrupt, where there is one. */
int conn_tick(struct conn *conn, struct p2v_err *err);

/*
 * Waits for the next step of the ladder, and keeps the connection alive meanwhile. ret points into
 * the connection until conn_answer_done. watch, if any, is called at every tick.
 */
int conn_answer(struct conn *conn, void (*watch)(struct conn *conn, void *ctx), void *ctx,
	struct wire_msg *ret, struct p2v_err *err);
void conn_answer_done(struct conn *conn);
/* Waits for HAVE; for a thread of its own: does not tick. stop: gives up where it turns true. */
int conn_have(struct conn *conn, struct wire_msg *ret, struct p2v_err *err);
void conn_have_done(struct conn *conn);

/* Waits until every chunk is TAKEN. */
int conn_drained(struct conn *conn, struct p2v_err *err);
/* Notes a range to be sent once more, as RESEND does. */
int conn_again_add(struct conn *conn, uint64_t offset, uint64_t length, struct p2v_err *err);
/* Shows what has come of the far end's LOG. */
void conn_log_show(struct conn *conn, struct p2v_progress *progress);
/* Takes one range out of `pulls`. */
bool conn_pull_next(struct conn *conn, struct wire_range *ret);

/* For the reader: the first failure wins. Needs lock. */
void conn_end_locked(struct conn *conn, const struct p2v_err *why);
void *conn_reader(void *conn);
/* "the server: " and its words, as an error of the kind that fits. For the reader. */
int conn_far_end(const struct wire_msg *msg, struct p2v_err *err);

#endif
