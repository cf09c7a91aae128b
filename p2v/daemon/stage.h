/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DAEMON_STAGE_H
#define P2V_DAEMON_STAGE_H

/*
 * The stages as programs: which verb of p2v brings a job from where to where, and how far a job
 * directory says that it is. A stage is done when its noun is there, whoever made it.
 */

#include "p2v/store/ledger.h"

#define DAEMON_ARGS_MAX 10

struct daemon_stage {
	const char *word;		/* inspect, convert, emit, prove, rollback */
	enum ledger_stage from, before; /* for jobs from there on, before that */
	enum ledger_stage to;
	enum ledger_gate gate; /* 0: none */
	const char *gate_word;
	/* The verb and its arguments; what stands in braces is filled in: the job's directory, and
	 * as options the server's settings, where the job's orders do not say otherwise. */
	const char *args[DAEMON_ARGS_MAX];
};

/* What is next for a job; NULL: nothing. */
const struct daemon_stage *daemon_stage_next(enum ledger_stage stage);
extern const struct daemon_stage daemon_stage_rollback;

/* False: no job directory. */
bool daemon_stage_seen(const char *dir, enum ledger_stage *ret);
/* Why a proof that is there does not count, malloc'd; NULL: it does, or there is none. */
char *daemon_proof_doubt(const char *dir);

/* Calls see for each job directory below base. */
int daemon_scan(const char *base,
	int (*see)(void *ctx, const char *name, enum ledger_stage stage, struct p2v_err *err),
	void *ctx, struct p2v_err *err);

#endif
