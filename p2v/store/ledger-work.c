/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking jobs, keeping them, giving them back. */
#include <string.h>

#include "p2v/store/ledger-row.h"

/* The lease is the fence: who does not hold the last one changes nothing. */
#define FENCE "id = ?1 AND lease = ?2 AND owner = ?3"

static int lost(const struct lease *lease, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ECANCELED, "job %llu: another one has it (lease %llu is over)",
		(unsigned long long)lease->job, (unsigned long long)lease->number);
}

struct taking {
	const char *owner, *pool;
	uint32_t lease_s;
	bool wishes_only;
	struct job *ret;
};

static int take(struct db *db, void *ctx, struct p2v_err *err)
{
	const struct taking *t = ctx;
	const struct db_value values[] = {
		{t->owner, 0}, {NULL, t->lease_s}, {t->pool, 0}, {NULL, t->wishes_only}};

	return store_ledger_one(db,
		"UPDATE job SET owner = ?1, lease = lease + 1, lease_until = {now} + ?2,"
		" step = '', done = 0, total = 0, unit = ''"
		" WHERE id = (SELECT id FROM job WHERE pool = ?3 AND lease_until <= {now}"
		"  AND not_before <= {now} AND (wish <> '' OR"
		"   (?4 = 0 AND status = 'ready' AND stage NOT IN ('waiting', 'proven')))"
		"  ORDER BY priority DESC, id LIMIT 1 {skip}) RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), t->ret, err);
}

int store_ledger_take(struct ledger *ledger, const char *owner, const char *pool, uint32_t lease_s,
	bool wishes_only, struct job *ret, struct p2v_err *err)
{
	struct taking t = {owner, pool, lease_s, wishes_only, ret};

	return store_db_transact(ledger->db, take, &t, err);
}

int store_ledger_renew(struct ledger *ledger, const struct lease *lease, uint32_t lease_s,
	const struct ledger_progress *progress, struct job *ret, struct p2v_err *err)
{
	const struct db_value values[] = {{NULL, (int64_t)lease->job},
		{NULL, (int64_t)lease->number}, {lease->owner, 0}, {NULL, lease_s},
		{progress->step ? progress->step : "", 0}, {NULL, (int64_t)progress->done},
		{NULL, (int64_t)progress->total}, {progress->unit ? progress->unit : "", 0}};
	int r = store_ledger_one(ledger->db,
		"UPDATE job SET lease_until = {now} + ?4, step = ?5, done = ?6, total = ?7,"
		" unit = ?8 WHERE " FENCE " RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), ret, err);

	return r == 0 ? lost(lease, err) : r < 0 ? r : 0;
}

struct giving {
	const struct lease *lease;
	const struct ledger_outcome *outcome;
};

/* A job that was cancelled or held meanwhile stays so, with the operator's reason. */
static int give(struct db *db, void *ctx, struct p2v_err *err)
{
	const struct giving *g = ctx;
	const struct ledger_outcome *o = g->outcome;
	const char *reason = o->reason ? o->reason : "";
	const struct db_value values[] = {{NULL, (int64_t)g->lease->job},
		{NULL, (int64_t)g->lease->number}, {g->lease->owner, 0},
		{ledger_stage_words[o->stage], 0}, {ledger_status_words[o->status], 0}, {reason, 0},
		{NULL, o->tries}, {NULL, o->wait_s}, {NULL, o->wish_done}};
	p2v_auto_job struct job job = {0};
	int r = store_ledger_one(db,
		"UPDATE job SET stage = ?4, tries = ?7,"
		" status = CASE WHEN status = 'ready' OR ?9 = 1 THEN ?5 ELSE status END,"
		" reason = CASE WHEN status = 'ready' OR ?9 = 1 THEN ?6 ELSE reason END,"
		" wish = CASE WHEN ?9 = 1 THEN '' ELSE wish END,"
		" not_before = CASE WHEN ?8 = 0 THEN 0 ELSE {now} + ?8 END,"
		" lease_until = 0, step = '', done = 0, total = 0, unit = '', changed = {now}"
		" WHERE " FENCE " RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), &job, err);

	if (r == 0)
		return lost(g->lease, err);
	return r < 0 || !o->what ? (r < 0 ? r : 0)
				 : store_event_add(db, &job, g->lease->owner, o->what, reason, err);
}

int store_ledger_give(struct ledger *ledger, const struct lease *lease,
	const struct ledger_outcome *outcome, struct p2v_err *err)
{
	struct giving g = {lease, outcome};

	return store_db_transact(ledger->db, give, &g, err);
}

static int forget(struct db *db, void *ctx, struct p2v_err *err)
{
	const struct lease *lease = ctx;
	const struct db_value values[] = {
		{NULL, (int64_t)lease->job}, {NULL, (int64_t)lease->number}, {lease->owner, 0}};
	p2v_auto_job struct job job = {0};
	int r = store_ledger_one(db, "DELETE FROM job WHERE " FENCE " RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), &job, err);

	if (r == 0)
		return lost(lease, err);
	return r < 0 ? r : store_event_add(db, &job, lease->owner, "removed", "", err);
}

int store_ledger_forget(struct ledger *ledger, const struct lease *lease, struct p2v_err *err)
{
	struct lease copy = *lease;

	return store_db_transact(ledger->db, forget, &copy, err);
}

int store_ledger_release(struct ledger *ledger, const char *owner, struct p2v_err *err)
{
	const struct db_value value = {owner, 0};
	p2v_auto_jobs struct jobs jobs = {0};
	/* A new number: whatever the earlier one of this name still does comes too late. */
	int r = store_db_run(ledger->db,
		"UPDATE job SET lease = lease + 1, lease_until = 0, step = ''"
		" WHERE owner = ?1 AND lease_until > {now} RETURNING " LEDGER_JOB_COLS,
		&value, 1, store_row_job, &jobs, err);

	return r < 0 ? r : (int)jobs.n_jobs;
}
