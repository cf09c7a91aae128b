/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/ledger-row.h"

#include <stdlib.h>
#include <string.h>

const char *const ledger_stage_words[] = {
	"waiting", "received", "inspected", "planned", "converted", "emitted", "proven", NULL};
const char *const ledger_status_words[] = {"ready", "held", "failed", "cancelled", NULL};
const char *const ledger_wish_words[] = {"", "rollback", "rm", NULL};

static const struct p2v_json_field job_fields[] = {
	P2V_JSON_U64(struct job, id, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct job, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct job, pool, 0),
	P2V_JSON_STR(struct job, state, P2V_JSON_REQUIRED),
	P2V_JSON_ENUM(struct job, stage, P2V_JSON_REQUIRED, ledger_stage_words),
	P2V_JSON_ENUM(struct job, status, P2V_JSON_REQUIRED, ledger_status_words),
	P2V_JSON_STR(struct job, reason, 0),
	P2V_JSON_U32(struct job, gates, 0),
	P2V_JSON_U32(struct job, priority, 0),
	P2V_JSON_U32(struct job, tries, 0),
	P2V_JSON_ENUM(struct job, wish, 0, ledger_wish_words),
	P2V_JSON_U64(struct job, not_before_s, 0),
	P2V_JSON_U32(struct job, place, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct job, running, 0),
	P2V_JSON_STR(struct job, owner, 0),
	P2V_JSON_U64(struct job, lease, 0),
	P2V_JSON_U64(struct job, lease_until_s, 0),
	P2V_JSON_STR(struct job, step, 0),
	P2V_JSON_U64(struct job, done, 0),
	P2V_JSON_U64(struct job, total, 0),
	P2V_JSON_STR(struct job, unit, 0),
	P2V_JSON_U64(struct job, created_s, 0),
	P2V_JSON_U64(struct job, changed_s, 0),
	P2V_JSON_END,
};
const struct p2v_json_type ledger_job_type = {"job", sizeof(struct job), job_fields};

static const struct p2v_json_field jobs_fields[] = {
	P2V_JSON_U32(struct jobs, version, 0),
	P2V_JSON_U64(struct jobs, now_s, 0),
	P2V_JSON_OBJS(struct jobs, jobs, 0, &ledger_job_type),
	P2V_JSON_END,
};
const struct p2v_json_type ledger_jobs_type = {"jobs", sizeof(struct jobs), jobs_fields};

static const struct p2v_json_field event_fields[] = {
	P2V_JSON_U64(struct event, id, 0),
	P2V_JSON_U64(struct event, job, 0),
	P2V_JSON_STR(struct event, name, 0),
	P2V_JSON_U64(struct event, at_s, 0),
	P2V_JSON_STR(struct event, who, 0),
	P2V_JSON_STR(struct event, what, 0),
	P2V_JSON_STR(struct event, text, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type event_type = {"event", sizeof(struct event), event_fields};
static const struct p2v_json_field events_fields[] = {
	P2V_JSON_U32(struct events, version, 0),
	P2V_JSON_OBJS(struct events, events, 0, &event_type),
	P2V_JSON_BOOL(struct events, more, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type ledger_events_type = {"events", sizeof(struct events), events_fields};

void ledger_job_finish(struct job *job)
{
	p2v_json_free(&ledger_job_type, job);
}

void ledger_jobs_finish(struct jobs *jobs)
{
	p2v_json_free(&ledger_jobs_type, jobs);
}

void ledger_events_finish(struct events *events)
{
	p2v_json_free(&ledger_events_type, events);
}

/* ---- columns ---- */

static uint64_t number(const char *col)
{
	return col ? strtoull(col, NULL, 10) : 0;
}

static int text(const char *col, char **ret, struct p2v_err *err)
{
	*ret = strdup(col ? col : "");
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int word(const char *col, const char *const *words, int *ret, struct p2v_err *err)
{
	for (int i = 0; words[i]; i++)
		if (col && strcmp(col, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return p2v_err_set(err, P2V_EFORMAT, "ledger: '%.40s' is no word of a job", col ? col : "");
}

/* In the order of LEDGER_JOB_COLS. */
static int job_numbers(struct job *job, const char *const *cols)
{
	uint64_t now = number(cols[20]);

	job->id = number(cols[0]);
	job->gates = (uint32_t)number(cols[6]);
	job->priority = (uint32_t)number(cols[7]);
	job->tries = (uint32_t)number(cols[8]);
	job->not_before_s = number(cols[10]);
	job->lease = number(cols[12]);
	job->lease_until_s = number(cols[13]);
	job->done = number(cols[15]);
	job->total = number(cols[16]);
	job->created_s = number(cols[18]);
	job->changed_s = number(cols[19]);
	job->running = job->lease_until_s > now;
	return 0;
}

static int job_fill(struct job *job, const char *const *cols, struct p2v_err *err)
{
	int r = job_numbers(job, cols);

	if (r == 0)
		r = text(cols[1], &job->name, err);
	if (r == 0)
		r = text(cols[2], &job->pool, err);
	if (r == 0)
		r = word(cols[3], ledger_stage_words, &job->stage, err);
	if (r == 0)
		r = word(cols[4], ledger_status_words, &job->status, err);
	if (r == 0)
		r = text(cols[5], &job->reason, err);
	if (r == 0)
		r = word(cols[9], ledger_wish_words, &job->wish, err);
	if (r == 0)
		r = text(cols[11], &job->owner, err);
	if (r == 0)
		r = text(cols[14], &job->step, err);
	if (r == 0)
		r = text(cols[17], &job->unit, err);
	if (r == 0)
		r = text(job->status == LEDGER_READY ? cols[3] : cols[4], &job->state, err);
	return r;
}

int store_row_job(void *ctx, const char *const *cols, size_t n_cols, struct p2v_err *err)
{
	struct jobs *jobs = ctx;
	struct job *job = p2v_json_grow((void **)&jobs->jobs, &jobs->n_jobs, sizeof(*job));

	if (!job)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (n_cols != 21)
		return p2v_err_set(err, P2V_EFORMAT, "ledger: a job of %zu columns", n_cols);
	jobs->version = 1;
	jobs->now_s = number(cols[20]);
	return job_fill(job, cols, err);
}

int store_row_event(void *ctx, const char *const *cols, size_t n_cols, struct p2v_err *err)
{
	struct events *events = ctx;
	struct event *event =
		p2v_json_grow((void **)&events->events, &events->n_events, sizeof(*event));
	int r;

	if (!event)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (n_cols != 7)
		return p2v_err_set(err, P2V_EFORMAT, "ledger: an event of %zu columns", n_cols);
	events->version = 1;
	event->id = number(cols[0]);
	event->job = number(cols[1]);
	event->at_s = number(cols[3]);
	r = text(cols[2], &event->name, err);
	if (r == 0)
		r = text(cols[4], &event->who, err);
	if (r == 0)
		r = text(cols[5], &event->what, err);
	return r < 0 ? r : text(cols[6], &event->text, err);
}
