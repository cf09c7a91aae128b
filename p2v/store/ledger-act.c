/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What operators ask for: each action is one UPDATE that says itself where it is allowed. */
#include <stdlib.h>
#include <string.h>

#include "p2v/core/publish.h"
#include "p2v/store/ledger-row.h"

static const struct action {
	const char *word;
	const char *set, *where; /* ?1: the job, ?2: the reason */
	const char *past;	 /* "cannot be ..." */
} actions[] = {
	{"hold", "status = 'held', reason = ?2", "status = 'ready' AND stage <> 'proven'", "held"},
	/* An approval opens the gate that the job stands at, and no other. */
	{"approve",
		"status = 'ready', reason = '', not_before = 0, gates = gates & ~(CASE stage"
		" WHEN 'planned' THEN 1 WHEN 'converted' THEN 2 ELSE 0 END)",
		"status = 'held'", "approved: it is not held"},
	{"retry", "status = 'ready', reason = '', tries = 0, not_before = 0",
		"status IN ('failed', 'cancelled') OR (status = 'ready' AND not_before > {now})",
		"tried again"},
	{"cancel", "status = 'cancelled', reason = ?2",
		"status IN ('ready', 'held') AND stage <> 'proven'", "cancelled"},
	{"rollback", "wish = 'rollback', not_before = 0, tries = 0",
		"wish = '' AND stage NOT IN ('waiting', 'received')", "rolled back"},
	{"handover", "reason = '" LEDGER_HANDED_OVER "'",
		"stage = 'proven' AND status = 'ready' AND wish = ''",
		"handed over: it is not proven"},
	{"rm", "wish = 'rm', not_before = 0, tries = 0", "wish <> 'rm'", "removed"},
};

const char *const store_ledger_actions[] = {
	"hold", "approve", "retry", "cancel", "rollback", "handover", "rm", NULL};

struct acting {
	const struct action *action;
	uint64_t job;
	const char *who, *text;
	struct job *ret;
};

static int refuse(struct db *db, const struct acting *a, struct p2v_err *err)
{
	const struct db_value id = {NULL, (int64_t)a->job};
	p2v_auto_job struct job job = {0};
	int r = store_ledger_one(
		db, "SELECT " LEDGER_JOB_COLS " FROM job WHERE id = ?1", &id, 1, &job, err);

	if (r < 0)
		return r;
	if (r == 0)
		return p2v_err_set(
			err, P2V_ENOTFOUND, "job %llu: there is none", (unsigned long long)a->job);
	return p2v_err_set(err, P2V_EREFUSED, "job %llu (%s) is %s%s: it cannot be %s",
		(unsigned long long)a->job, job.name, job.state, job.running ? " and running" : "",
		a->action->past);
}

static int act(struct db *db, void *ctx, struct p2v_err *err)
{
	const struct acting *a = ctx;
	/* Who looks at the job sees why it does not move, also where nothing was said. */
	p2v_autofree char *reason = a->text && *a->text
					    ? strdup(a->text)
					    : p2v_strf("%s by %s", a->action->past, a->who);
	const struct db_value values[] = {{NULL, (int64_t)a->job}, {reason, 0}};
	p2v_autofree char *sql = NULL;
	p2v_auto_job struct job job = {0};
	int r;

	sql = p2v_strf("UPDATE job SET %s, changed = {now} WHERE id = ?1 AND (%s)"
		       " RETURNING " LEDGER_JOB_COLS,
		a->action->set, a->action->where);
	if (!sql || !reason)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	/* PostgreSQL does not take a value that the statement does not name. */
	r = store_ledger_one(db, sql, values, strstr(sql, "?2") ? 2 : 1, &job, err);
	if (r == 0)
		return refuse(db, a, err);
	if (r > 0)
		r = store_event_add(db, &job, a->who, a->action->word, a->text, err);
	if (r == 0 && a->ret) {
		*a->ret = job;
		memset(&job, 0, sizeof(job));
	}
	return r;
}

int store_ledger_act(struct ledger *ledger, uint64_t job, const char *action, const char *who,
	const char *text, struct job *ret, struct p2v_err *err)
{
	struct acting a = {NULL, job, who, text, ret};

	for (size_t i = 0; i < P2V_N(actions); i++)
		if (strcmp(actions[i].word, action) == 0)
			a.action = &actions[i];
	if (!a.action)
		return p2v_err_set(
			err, P2V_EINVAL, "'%.40s' is nothing that a job can be asked for", action);
	return store_db_transact(ledger->db, act, &a, err);
}

struct prioritizing {
	uint64_t job;
	uint32_t priority;
	const char *who;
};

static int prioritize(struct db *db, void *ctx, struct p2v_err *err)
{
	const struct prioritizing *p = ctx;
	const struct db_value values[] = {{NULL, (int64_t)p->job}, {NULL, p->priority}};
	char text[16];
	p2v_auto_job struct job job = {0};
	int r = store_ledger_one(db,
		"UPDATE job SET priority = ?2 WHERE id = ?1 RETURNING " LEDGER_JOB_COLS, values,
		P2V_N(values), &job, err);

	if (r == 0)
		return p2v_err_set(
			err, P2V_ENOTFOUND, "job %llu: there is none", (unsigned long long)p->job);
	snprintf(text, sizeof(text), "%u", p->priority);
	return r < 0 ? r : store_event_add(db, &job, p->who, "priority", text, err);
}

int store_ledger_priority(struct ledger *ledger, uint64_t job, uint32_t priority, const char *who,
	struct p2v_err *err)
{
	struct prioritizing p = {job, priority, who};

	return store_db_transact(ledger->db, prioritize, &p, err);
}

struct ordering {
	const struct ledger_order *order;
	const char *who;
	struct job *ret;
};

static int order_take(struct db *db, void *ctx, struct p2v_err *err)
{
	static const struct action past = {"order", "", "", "given orders: roll it back first"};
	const struct ordering *o = ctx;
	const struct acting a = {&past, o->order->job, o->who, NULL, NULL};
	const struct db_value values[] = {{NULL, (int64_t)o->order->job}, {NULL, o->order->gates}};
	p2v_auto_job struct job job = {0};
	int r = store_ledger_one(db,
		"UPDATE job SET gates = gates | ?2, changed = {now} WHERE id = ?1 AND wish = ''"
		" AND stage IN ('waiting', 'received') AND lease_until <= {now}"
		" RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), &job, err);

	if (r == 0)
		return refuse(db, &a, err);
	if (r > 0)
		r = store_event_add(db, &job, o->who, past.word, "", err);
	if (r == 0)
		r = o->order->place(o->order->ctx, err);
	if (r == 0) {
		*o->ret = job;
		memset(&job, 0, sizeof(job));
	}
	return r;
}

int store_ledger_order(struct ledger *ledger, const struct ledger_order *order, const char *who,
	struct job *ret, struct p2v_err *err)
{
	struct ordering o = {order, who, ret};

	return store_db_transact(ledger->db, order_take, &o, err);
}
