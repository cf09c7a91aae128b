/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/job-print.h"

#include <string.h>
#include <time.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/text.h"

#define NAME_COLUMNS  20 /* at most */
#define STATE_COLUMNS 10

void cli_cut_add(struct p2v_buf *out, const char *text, size_t columns)
{
	p2v_autobuf struct p2v_buf clean = {0};
	const char *p;
	size_t n = 0;

	p2v_text_add_printable(&clean, text ? text : "");
	p2v_buf_add_str(&clean, "");
	if (clean.failed)
		return;
	p = (const char *)clean.data;
	if (p2v_text_width(p) <= columns) {
		p2v_buf_add_str(out, p);
		return;
	}
	while (*p && n + 3 < columns) {
		size_t len = p2v_text_utf8_len(p, strlen(p));

		p2v_buf_add(out, p, len ? len : 1);
		p += len ? len : 1;
		n++;
	}
	p2v_buf_add_str(out, columns > 3 ? "..." : "");
}

void cli_cell_add(struct p2v_buf *out, const char *text, size_t columns)
{
	size_t before = out->len, width;

	cli_cut_add(out, text, columns);
	if (out->failed)
		return;
	p2v_buf_add_str(out, "");
	width = p2v_text_width(out->failed ? "" : (const char *)out->data + before);
	for (; width <= columns; width++)
		p2v_buf_add_str(out, " ");
}

/* What a job does or waits for; now_s 0: how long that is is said elsewhere. */
static void doing_add(struct p2v_buf *out, const struct job *job, uint64_t now_s)
{
	if (job->wish != LEDGER_NO_WISH)
		p2v_buf_addf(out, "%s%s", ledger_wish_words[job->wish],
			job->running ? "" : " is asked for");
	else if (job->running) {
		p2v_buf_addf(out, "%s", job->step && *job->step ? job->step : "runs");
		if (job->total)
			p2v_buf_addf(out, " %u %%", (unsigned)(job->done * 100 / job->total));
		p2v_buf_addf(out, " on %s", job->owner);
	} else if (job->reason && *job->reason) {
		p2v_buf_add_str(out, job->reason);
		if (job->status == LEDGER_READY && now_s && job->not_before_s > now_s)
			p2v_buf_addf(out, " (again in %llu s)",
				(unsigned long long)(job->not_before_s - now_s));
	} else if (job->status == LEDGER_READY && job->stage == LEDGER_WAITING)
		p2v_buf_add_str(out, "its agent has not sent all");
	else if (job->status == LEDGER_READY && job->stage != LEDGER_PROVEN)
		p2v_buf_addf(out,
			job->place ? "waits for its turn, place %u" : "waits for its turn",
			job->place);
	p2v_buf_add_str(out, "");
}

static void age_text(uint64_t then_s, uint64_t now_s, char text[P2V_NUM_TEXT])
{
	p2v_num_ms_text(now_s > then_s ? (now_s - then_s) * 1000 : 0, text);
}

/* No wider than what is in them: the rest is for what somebody has to do. */
static void columns_find(const struct jobs *jobs, size_t *ret_names, size_t *ret_ages)
{
	char age[P2V_NUM_TEXT];

	*ret_names = strlen("NAME");
	*ret_ages = strlen("FOR");
	for (size_t i = 0; i < jobs->n_jobs; i++) {
		age_text(jobs->jobs[i].changed_s, jobs->now_s, age);
		*ret_names = p2v_max_u64(*ret_names, strlen(jobs->jobs[i].name));
		*ret_ages = p2v_max_u64(*ret_ages, strlen(age));
	}
	*ret_names = p2v_min_u64(*ret_names, NAME_COLUMNS);
}

void cli_jobs_print(const struct jobs *jobs, size_t columns, struct p2v_buf *out)
{
	size_t names, ages, fixed, rest;

	if (!jobs->n_jobs) {
		p2v_buf_add_str(out, "There are no jobs.\n");
		return;
	}
	columns_find(jobs, &names, &ages);
	fixed = 5 + names + 1 + STATE_COLUMNS + 1 + ages + 1;
	rest = columns > fixed + 10 ? columns - fixed : 10;
	p2v_buf_addf(out, "%4s %-*s %-*s %-*s %s\n", "ID", (int)names, "NAME", STATE_COLUMNS,
		"STATE", (int)ages, "FOR", "WHAT");
	for (size_t i = 0; i < jobs->n_jobs; i++) {
		const struct job *job = &jobs->jobs[i];
		p2v_autobuf struct p2v_buf doing = {0};
		char age[P2V_NUM_TEXT];

		doing_add(&doing, job, jobs->now_s);
		age_text(job->changed_s, jobs->now_s, age);
		p2v_buf_addf(out, "%4llu ", (unsigned long long)job->id);
		cli_cell_add(out, job->name, names);
		cli_cell_add(out, job->state, STATE_COLUMNS);
		cli_cell_add(out, age, ages);
		cli_cut_add(out, doing.failed ? "" : (const char *)doing.data, rest);
		while (!out->failed && out->data[out->len - 1] == ' ')
			out->len--;
		p2v_buf_add_str(out, "\n");
	}
}

/* ---- one job ---- */

static void time_add(struct p2v_buf *out, uint64_t at_s)
{
	time_t at = (time_t)at_s;
	char text[32];
	struct tm local;

	localtime_r(&at, &local);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	p2v_buf_add_str(out, text);
}

static void again_add(struct p2v_buf *out, const struct job *job)
{
	if (job->status != LEDGER_READY || job->running || !job->not_before_s)
		return;
	p2v_buf_add_str(out, "          not before ");
	time_add(out, job->not_before_s);
	p2v_buf_add_str(out, "; retry does it now\n");
}

/* What an operator can do now. */
static const char *advice(const struct job *job)
{
	if (job->wish != LEDGER_NO_WISH || job->running)
		return NULL;
	if (job->status == LEDGER_HELD)
		return "approve lets it go on; cancel ends it";
	if (job->status == LEDGER_FAILED)
		return "logs shows what the programs said; retry tries again; rollback brings the "
		       "disks back as they were received";
	if (job->status == LEDGER_CANCELLED)
		return "retry lets it go on; rm removes it with its disks";
	if (job->stage == LEDGER_PROVEN)
		return "its virtual machine is in output/ of the job directory";
	return NULL;
}

static void gates_add(struct p2v_buf *out, const struct job *job)
{
	if (!job->gates)
		return;
	p2v_buf_addf(out, "gates     will be held before the %s%s%s\n",
		job->gates & LEDGER_GATE_CONVERSION ? "conversion" : "",
		job->gates == (LEDGER_GATE_CONVERSION | LEDGER_GATE_EMISSION) ? " and the " : "",
		job->gates & LEDGER_GATE_EMISSION ? "emission" : "");
}

static void event_add(struct p2v_buf *out, const struct event *event, size_t columns)
{
	p2v_autobuf struct p2v_buf line = {0};

	p2v_buf_addf(&line, "%s: %s%s%s", event->who, event->what,
		event->text && *event->text ? ": " : "", event->text ? event->text : "");
	p2v_buf_add_str(&line, "");
	p2v_buf_add_str(out, "  ");
	time_add(out, event->at_s);
	p2v_buf_add_str(out, "  ");
	if (!line.failed)
		p2v_text_add_wrapped(out, "", 23, columns, (const char *)line.data);
}

void cli_job_print(
	const struct job *job, const struct events *events, size_t columns, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf doing = {0};
	const char *next = advice(job);

	doing_add(&doing, job, 0);
	p2v_buf_addf(out, "job       %llu\nname      ", (unsigned long long)job->id);
	p2v_text_add_printable(out, job->name);
	p2v_buf_addf(out, "\nstate     %s", job->state);
	if (job->status != LEDGER_READY)
		p2v_buf_addf(out, ", after it was %s", ledger_stage_words[job->stage]);
	p2v_buf_add_str(out, "\n");
	if (!doing.failed && doing.len)
		p2v_text_add_wrapped(out, "          ", 10, columns, (const char *)doing.data);
	again_add(out, job);
	p2v_buf_addf(out, "priority  %u\npool      %s\n", job->priority, job->pool);
	if (job->tries)
		p2v_buf_addf(out, "tries     %u have failed\n", job->tries);
	gates_add(out, job);
	p2v_buf_add_str(out, "begun     ");
	time_add(out, job->created_s);
	p2v_buf_add_str(out, "\nhistory\n");
	for (size_t i = 0; i < events->n_events; i++)
		event_add(out, &events->events[i], columns);
	if (next)
		p2v_text_add_wrapped(out, "next      ", 10, columns, next);
}
