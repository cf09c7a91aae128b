/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_LEDGER_ROW_H
#define P2V_STORE_LEDGER_ROW_H

/* Rows of the ledger's tables as structs. */

#include "p2v/store/db.h"
#include "p2v/store/ledger.h"

struct ledger {
	struct db *db;
};

/* What a SELECT or a RETURNING has to name for the row functions below. */
#define LEDGER_JOB_COLS                                                                            \
	"id, name, pool, stage, status, reason, gates, priority, tries, wish, not_before, owner, " \
	"lease, lease_until, step, done, total, unit, created, changed, {now}"
#define LEDGER_EVENT_COLS "id, job, name, at, who, what, text"

/* ctx: struct jobs, struct events: one more. */
int store_row_job(void *ctx, const char *const *cols, size_t n_cols, struct p2v_err *err);
int store_row_event(void *ctx, const char *const *cols, size_t n_cols, struct p2v_err *err);

/* A statement that gives at most one job: 1, or 0 where there was none. ret may be NULL. */
int store_ledger_one(struct db *db, const char *sql, const struct db_value *values, size_t n,
	struct job *ret, struct p2v_err *err);
/* job NULL: the server itself. */
int store_event_add(struct db *db, const struct job *job, const char *who, const char *what,
	const char *text, struct p2v_err *err);

#endif
