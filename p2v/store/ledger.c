/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/num.h"
#include "p2v/store/ledger-row.h"
#include "p2v/store/ledger-schema.h"

int store_ledger_open(const char *where, struct ledger **ret, struct p2v_err *err)
{
	p2v_auto(store_ledger_free) struct ledger *ledger = calloc(1, sizeof(*ledger));
	int r;

	if (!ledger)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = store_db_open(where, &ledger->db, err);
	if (r == 0)
		r = store_schema_update(ledger->db, err);
	if (r == 0)
		*ret = p2v_steal(ledger);
	return r;
}

void store_ledger_free(struct ledger *ledger)
{
	if (ledger)
		store_db_free(ledger->db);
	free(ledger);
}

int store_ledger_backup(struct ledger *ledger, const char *path, struct p2v_err *err)
{
	return store_db_backup(ledger->db, path, err);
}

/* ---- jobs ---- */

/* As store_ledger_take would take it, were there nobody before it. */
static bool job_queued(const struct job *job, uint64_t now_s)
{
	return !job->running && job->wish == LEDGER_NO_WISH && job->status == LEDGER_READY &&
	       job->stage != LEDGER_WAITING && job->stage != LEDGER_PROVEN &&
	       job->not_before_s <= now_s;
}

/* jobs are by number. */
static uint32_t place_of(const struct jobs *jobs, size_t of)
{
	const struct job *job = &jobs->jobs[of];
	uint32_t place = 1;

	if (!job_queued(job, jobs->now_s))
		return 0;
	for (size_t i = 0; i < jobs->n_jobs; i++) {
		const struct job *other = &jobs->jobs[i];
		bool first = other->priority > job->priority ||
			     (other->priority == job->priority && i < of);

		place += first && strcmp(other->pool, job->pool) == 0 &&
			 job_queued(other, jobs->now_s);
	}
	return place;
}

int store_ledger_jobs(struct ledger *ledger, struct jobs *ret, struct p2v_err *err)
{
	struct jobs jobs = {.version = 1};
	int r = store_db_run(ledger->db, "SELECT " LEDGER_JOB_COLS " FROM job ORDER BY id", NULL, 0,
		store_row_job, &jobs, err);

	if (r < 0) {
		ledger_jobs_finish(&jobs);
		return r;
	}
	for (size_t i = 0; i < jobs.n_jobs; i++)
		jobs.jobs[i].place = place_of(&jobs, i);
	*ret = jobs;
	return 0;
}

int store_ledger_one(struct db *db, const char *sql, const struct db_value *values, size_t n,
	struct job *ret, struct p2v_err *err)
{
	p2v_auto_jobs struct jobs jobs = {0};
	int r = store_db_run(db, sql, values, n, store_row_job, &jobs, err);

	if (r < 0 || jobs.n_jobs == 0)
		return r;
	if (ret) {
		*ret = jobs.jobs[0];
		memset(&jobs.jobs[0], 0, sizeof(jobs.jobs[0]));
	}
	return 1;
}

int store_ledger_job(
	struct ledger *ledger, const char *id_or_name, struct job *ret, struct p2v_err *err)
{
	struct db_value value = {id_or_name, 0};
	uint64_t id = 0;
	int r = 0;

	if (p2v_num_parse(id_or_name, "job", 1, INT64_MAX, &id, NULL) == 0)
		r = store_ledger_one(ledger->db,
			"SELECT " LEDGER_JOB_COLS " FROM job WHERE id = ?1",
			&(struct db_value){NULL, (int64_t)id}, 1, ret, err);
	if (r == 0)
		r = store_ledger_one(ledger->db,
			"SELECT " LEDGER_JOB_COLS
			" FROM job WHERE name = ?1 ORDER BY id DESC LIMIT 1",
			&value, 1, ret, err);
	if (r == 0)
		return p2v_err_set(err, P2V_ENOTFOUND, "job %.80s: there is none", id_or_name);
	return r < 0 ? r : 0;
}

/* ---- what is seen in the directories ---- */

struct seeing {
	const struct ledger_seen *seen;
	const char *who;
};

static int seen_note(
	struct db *db, const struct job *job, const struct seeing *s, struct p2v_err *err)
{
	int r = store_event_add(db, job, s->who, "seen", ledger_stage_words[s->seen->stage], err);

	return r < 0 ? r : 1;
}

static int job_make(struct db *db, const struct seeing *s, struct p2v_err *err)
{
	const struct ledger_seen *seen = s->seen;
	const struct db_value values[] = {{seen->name, 0}, {seen->pool, 0},
		{ledger_stage_words[seen->stage], 0}, {NULL, seen->gates}, {NULL, seen->priority}};
	p2v_auto_job struct job job = {0};
	int r = store_ledger_one(db,
		"INSERT INTO job (name, pool, stage, status, reason, gates, priority, tries, wish,"
		" not_before, owner, lease, lease_until, step, done, total, unit, created, changed)"
		" VALUES (?1, ?2, ?3, 'ready', '', ?4, ?5, 0, '', 0, '', 0, 0, '', 0, 0, '',"
		" {now}, {now}) ON CONFLICT (pool, name) DO NOTHING RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), &job, err);

	if (r == 1)
		r = seen_note(db, &job, s, err);
	return r;
}

static bool at_gate(const struct job *job)
{
	uint32_t gate = job->stage == LEDGER_PLANNED	 ? LEDGER_GATE_CONVERSION
			: job->stage == LEDGER_CONVERTED ? LEDGER_GATE_EMISSION
							 : 0;

	return job->status == LEDGER_HELD && (job->gates & gate);
}

/* What becomes of one that somebody else has brought to another stage. Who held it himself has the
 * last word. */
static void brought(const struct job *job, enum ledger_stage stage, const char **ret_status,
	const char **ret_reason)
{
	bool failed = job->status == LEDGER_FAILED;

	*ret_status = ledger_status_words[job->status];
	*ret_reason = job->reason;
	if ((int)stage < job->stage && stage != LEDGER_WAITING) {
		*ret_status = "held";
		*ret_reason = "brought back by hand";
	} else if ((stage == LEDGER_WAITING && failed) ||
		   (stage == LEDGER_PROVEN && (failed || at_gate(job)))) {
		*ret_status = "ready";
		*ret_reason = "";
	} else if (job->stage == LEDGER_WAITING && job->status == LEDGER_READY) {
		*ret_reason = "";
	} else if (stage != LEDGER_WAITING && at_gate(job)) {
		*ret_reason = "brought forward by hand";
	}
}

/* By hand, or by a second pass of the agent; nobody of ours has it. */
static int job_bring(
	struct db *db, const struct job *job, const struct seeing *s, struct p2v_err *err)
{
	enum ledger_stage stage = s->seen->stage;
	struct db_value values[] = {{NULL, (int64_t)job->id}, {ledger_stage_words[stage], 0},
		{NULL, 0}, {NULL, 0}, {NULL, (int64_t)job->lease}};
	int r;

	brought(job, stage, &values[2].text, &values[3].text);
	r = store_ledger_one(db,
		"UPDATE job SET stage = ?2, status = ?3, reason = ?4, tries = 0, not_before = 0,"
		" changed = {now} WHERE id = ?1 AND lease = ?5 RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), NULL, err);

	return r == 1 ? seen_note(db, job, s, err) : r;
}

static int see(struct db *db, void *ctx, struct p2v_err *err)
{
	const struct seeing *s = ctx;
	const struct db_value values[] = {{s->seen->name, 0}, {s->seen->pool, 0}};
	p2v_auto_job struct job job = {0};
	int r = store_ledger_one(db,
		"SELECT " LEDGER_JOB_COLS " FROM job WHERE name = ?1 AND pool = ?2", values,
		P2V_N(values), &job, err);

	if (r == 0)
		return job_make(db, s, err);
	if (r < 0 || job.running || job.wish != LEDGER_NO_WISH || job.stage == (int)s->seen->stage)
		return r < 0 ? r : 0;
	return job_bring(db, &job, s, err);
}

int store_ledger_seen(
	struct ledger *ledger, const struct ledger_seen *seen, const char *who, struct p2v_err *err)
{
	struct seeing s = {seen, who};
	int r = store_db_transact(ledger->db, see, &s, err);

	return r < 0 ? p2v_err_wrap(err, r, "job %s", seen->name) : r;
}

int store_ledger_remark(struct ledger *ledger, const char *pool, const char *name,
	const char *reason, struct p2v_err *err)
{
	const struct db_value values[] = {{pool, 0}, {name, 0}, {reason, 0}};

	return store_ledger_one(ledger->db,
		"UPDATE job SET reason = ?3 WHERE pool = ?1 AND name = ?2 AND stage = 'waiting'"
		" AND status = 'ready' AND reason <> ?3 RETURNING " LEDGER_JOB_COLS,
		values, P2V_N(values), NULL, err);
}

/* ---- the audit log ---- */

int store_event_add(struct db *db, const struct job *job, const char *who, const char *what,
	const char *text, struct p2v_err *err)
{
	const struct db_value values[] = {{NULL, job ? (int64_t)job->id : 0},
		{job ? job->name : "", 0}, {who, 0}, {what, 0}, {text ? text : "", 0}};

	return store_db_run(db,
		"INSERT INTO event (job, name, at, who, what, text)"
		" VALUES (?1, ?2, {now}, ?3, ?4, ?5)",
		values, P2V_N(values), NULL, NULL, err);
}

int store_ledger_note(struct ledger *ledger, const struct job *job, const char *who,
	const char *what, const char *text, struct p2v_err *err)
{
	return store_event_add(ledger->db, job, who, what, text, err);
}

int store_ledger_events(struct ledger *ledger, uint64_t job, uint64_t after, uint32_t most,
	struct events *ret, struct p2v_err *err)
{
	const struct db_value values[] = {
		{NULL, (int64_t)after}, {NULL, most}, {NULL, (int64_t)job}};
	struct events events = {.version = 1};
	int r = store_db_run(ledger->db,
		job ? "SELECT " LEDGER_EVENT_COLS
		      " FROM event WHERE id > ?1 AND job = ?3 ORDER BY id LIMIT ?2"
		    : "SELECT " LEDGER_EVENT_COLS " FROM event WHERE id > ?1 ORDER BY id LIMIT ?2",
		values, job ? 3 : 2, store_row_event, &events, err);

	events.more = events.n_events == most;
	if (r < 0)
		ledger_events_finish(&events);
	else
		*ret = events;
	return r;
}
