/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DAEMON_WORKER_H
#define P2V_DAEMON_WORKER_H

/*
 * One stage of one job as a running program: its progress, its words, its end. The program is in a
 * process group of its own, confined, and dies with us. What it says is foreign text: it is read in
 * bounded lines and goes printable into JOB/job.log.
 */

#include <sys/types.h>

#include "p2v/control/config.h"
#include "p2v/core/buf.h"
#include "p2v/daemon/sandbox.h"
#include "p2v/daemon/stage.h"

enum worker_stop {
	WORKER_RUNS,
	WORKER_ASKED,  /* somebody cancelled the job, or wishes something else of it */
	WORKER_LEAVES, /* we are asked to end */
	WORKER_LOST,   /* the job is not ours any more: nothing is written about it */
};

struct worker {
	const struct daemon_stage *stage;
	struct job job;
	struct lease lease;
	char *dir;
	pid_t pid;
	int fd;	    /* its standard error */
	int log_fd; /* or -1 */
	struct p2v_buf line;
	uint64_t logged_bytes;

	/* What it said last. */
	char *step, *unit, *error, *said;
	uint64_t done, total;
	int kind; /* of its error, enum p2v_kind; 0: it named none */

	bool ended;
	int status; /* then: p2v_proc_wait's */
	enum worker_stop stop;
	uint64_t stop_ms;    /* when it was asked to */
	uint64_t renewed_ms; /* when its lease was renewed last */
};

/* Starts `stage` for the job, which becomes the worker's on success. */
int daemon_worker_start(const struct server_config *config, const struct daemon_stage *stage,
	struct job *job, const char *dir, const struct daemon_sandbox *sandbox, struct worker **ret,
	struct p2v_err *err);
/* Ends the program where it still runs, at once. */
void daemon_worker_free(struct worker *worker);

/* Reads what has come, without waiting. False: the program has closed it. */
bool daemon_worker_read(struct worker *worker);
/* Asks it to end; the first reason counts. */
void daemon_worker_stop(struct worker *worker, enum worker_stop why);
void daemon_worker_kill(struct worker *worker);
/* True where the program has ended. Its group is gone then, too. */
bool daemon_worker_ended(struct worker *worker);

/* What is to be written about its job, once it has ended. The texts live as long as the worker. */
struct ledger_outcome daemon_worker_outcome(
	struct worker *worker, const struct server_config *config);

#endif
