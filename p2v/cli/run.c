/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v run: a campaign of many servers, by a runbook.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "p2v/cli/print.h"
#include "p2v/cli/run.h"
#include "p2v/cli/verb.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/progress.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"

#define TURN_MS	  1000
#define REOPEN_MS 5000

struct run_opts {
	bool check, json, retry, schema, report;
	const char *socket, *host, *from, *progress;
	const char **only, **skip, **approve, **rollback, **runbooks;
	size_t n_only, n_skip, n_approve, n_rollback, n_runbooks;
};

struct running {
	const struct run_opts *o;
	struct cli_server server;
	struct campaign_door door;
	struct runbook book;
	struct campaign campaign;
	enum p2v_progress_mode mode;
	char **said; /* of each entry */
	char *trouble, *picture;
	uint64_t opened_ms;
	int lock_fd;
};

static int door_call(void *ctx, const char *method, const char *path, const char *json,
	struct p2v_buf *ret, struct p2v_err *err)
{
	const struct running *run = ctx;

	return cli_server_call(&run->server, method, path, json, ret, err);
}

/* ---- what is shown meanwhile ---- */

static void json_line(const struct campaign_entry *e)
{
	p2v_autobuf struct p2v_buf line = {0};

	p2v_buf_add_str(&line, "{\"version\":1,\"event\":\"server\",\"server\":");
	p2v_json_quote(e->server->name, &line);
	p2v_buf_addf(&line,
		",\"step\":\"%s\",\"job\":%llu,\"note\":", campaign_step_words[e->state->step],
		(unsigned long long)e->state->job);
	p2v_json_quote(e->state->note ? e->state->note : "", &line);
	p2v_buf_add_str(&line, "}\n");
	if (!line.failed)
		fputs((const char *)line.data, stderr);
}

static void text_line(const char *before, const struct campaign_entry *e)
{
	p2v_autobuf struct p2v_buf line = {0};

	p2v_buf_addf(&line, "%s%s: %s%s", before, e->server->name,
		campaign_step_words[e->state->step], e->state->note ? ": " : "");
	p2v_text_add_printable(&line, e->state->note ? e->state->note : "");
	p2v_buf_add_str(&line, "\n");
	if (!line.failed)
		fputs((const char *)line.data, stderr);
}

static void timed_line(const struct campaign_entry *e)
{
	time_t now = time(NULL);
	char at[16] = "";
	struct tm local;

	if (localtime_r(&now, &local))
		strftime(at, sizeof(at), "%H:%M:%S ", &local);
	text_line(at, e);
}

/* What differs from what was said last of each server. */
static void lines_show(struct running *run)
{
	for (size_t i = 0; i < run->campaign.n_entries; i++) {
		const struct campaign_entry *e = &run->campaign.entries[i];
		char *now;

		if (!e->wanted)
			continue;
		now = p2v_strf("%s %s", campaign_step_words[e->state->step],
			e->state->note ? e->state->note : "");
		if (now && (!run->said[i] || strcmp(run->said[i], now) != 0)) {
			if (run->mode == P2V_PROGRESS_JSON)
				json_line(e);
			else
				timed_line(e);
		}
		free(run->said[i]);
		run->said[i] = now;
	}
}

static void show(struct running *run)
{
	p2v_autobuf struct p2v_buf out = {0};

	if (run->mode == P2V_PROGRESS_NONE)
		return;
	if (run->mode == P2V_PROGRESS_JSON || !isatty(STDERR_FILENO)) {
		lines_show(run);
		return;
	}
	cli_run_table(&run->campaign, p2v_text_columns(STDERR_FILENO), &out);
	if (run->trouble)
		p2v_text_add_wrapped(&out, "", 0, p2v_text_columns(STDERR_FILENO), run->trouble);
	if (out.failed || (run->picture && strcmp(run->picture, (const char *)out.data) == 0))
		return;
	fprintf(stderr, "\x1b[H\x1b[2J%s", (const char *)out.data);
	free(run->picture);
	run->picture = p2v_buf_take_str(&out);
}

/* ---- turn after turn ---- */

/* The server is away: what is under way goes on there, and here it is asked again. */
static bool may_pass(int r)
{
	return r == P2V_ELINK || r == P2V_ENOTFOUND || r == P2V_ETIMEDOUT || r == P2V_ENOSPC;
}

static void trouble_note(struct running *run, const struct p2v_err *err)
{
	if (!run->trouble || strcmp(run->trouble, err->text) != 0) {
		free(run->trouble);
		run->trouble = strdup(err->text);
		if (run->mode == P2V_PROGRESS_AUTO && !isatty(STDERR_FILENO))
			fprintf(stderr, "p2v run: %s; it is asked again\n", err->text);
	}
}

/* A tunnel that broke does not come back by itself. */
static void door_reopen(struct running *run)
{
	struct cli_server server = {0};

	if (!run->o->host || p2v_now_ms() - run->opened_ms < REOPEN_MS)
		return;
	run->opened_ms = p2v_now_ms();
	if (cli_server_open(run->o->socket, run->o->host, &server, NULL) < 0)
		return;
	cli_server_close(&run->server);
	run->server = server;
}

static int turns(struct running *run, struct p2v_err *err)
{
	bool rests = false;

	while (!rests && !p2v_stop_requested()) {
		struct p2v_err why = {0};
		int r = campaign_turn(&run->campaign, &rests, &why);

		if (r < 0 && p2v_stop_requested())
			break;
		if (r < 0 && !may_pass(r))
			return p2v_err_set(err, r, "%s", why.text);
		if (r < 0) {
			trouble_note(run, &why);
			door_reopen(run);
		} else if (run->trouble) {
			free(p2v_steal(run->trouble));
		}
		show(run);
		if (!rests)
			p2v_sleep_ms(TURN_MS);
	}
	return 0;
}

static bool all_done(const struct campaign *c)
{
	for (size_t i = 0; i < c->n_entries; i++)
		if (c->entries[i].wanted && c->entries[i].state->step != CAMPAIGN_DONE)
			return false;
	return true;
}

static void end_say(struct running *run, const char *report)
{
	const char *runbook = run->o->runbooks[0];
	struct campaign *c = &run->campaign;

	for (size_t i = 0; i < c->n_entries && !p2v_stop_requested(); i++) {
		const struct campaign_entry *e = &c->entries[i];

		if (e->wanted && e->state->step != CAMPAIGN_DONE)
			text_line("", e);
	}
	if (p2v_stop_requested())
		fprintf(stderr,
			"Interrupted; what p2vd does goes on there. 'p2v run %s' goes on here.\n",
			runbook);
	else if (all_done(c))
		fprintf(stderr, "All servers %s are done.\n",
			run->o->from || run->o->n_only || run->o->n_skip ? "that were chosen"
									 : "of the campaign");
	else
		fprintf(stderr,
			"Not all servers are done. Once the causes are gone: 'p2v run --retry "
			"%s'.\n",
			runbook);
	if (report)
		fprintf(stderr, "Report: %s\n", report);
}

static int campaign_run(struct running *run, struct p2v_err *err)
{
	p2v_autofree char *report = NULL;
	struct p2v_err why = {0};
	int r = run->o->retry ? campaign_retry(&run->campaign, err) : 0;

	if (r == 0)
		r = turns(run, err);
	/* Whatever else happened: it says how far all are. */
	if (cli_run_report(&run->campaign, &report, &why) < 0 && !p2v_stop_requested())
		fprintf(stderr, "p2v run: %s\n", why.text);
	if (r < 0)
		return r;
	if (run->mode != P2V_PROGRESS_NONE)
		end_say(run, report);
	if (run->o->json)
		r = cli_print_json(&campaign_state_type, &run->campaign.state, err);
	return r < 0 ? r : all_done(&run->campaign) ? 0 : P2V_EIO;
}

/* ---- on request ---- */

static int entry_named(
	struct running *run, const char *name, struct campaign_entry **ret, struct p2v_err *err)
{
	*ret = campaign_find(&run->campaign, name);
	return *ret ? 0 : p2v_err_set(err, P2V_EINVAL, "the runbook has no server %.80s", name);
}

static int approve(struct running *run, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->o->n_approve; i++) {
		struct campaign_entry *e;

		r = entry_named(run, run->o->approve[i], &e, err);
		if (r == 0 && !runbook_approves(e->server, "final"))
			r = p2v_err_set(err, P2V_EREFUSED,
				"%s: its last pass waits for nobody; before a conversion or an "
				"emission it is p2v job approve",
				e->server->name);
		if (r == 0)
			r = campaign_approve(run->o->runbooks[0], e->server->name, err);
		if (r == 0)
			printf("%s: its last pass may begin when it is its turn\n",
				e->server->name);
	}
	return r;
}

static int rollback(struct running *run, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->o->n_rollback; i++) {
		struct campaign_entry *e;
		bool handed_over;

		r = entry_named(run, run->o->rollback[i], &e, err);
		if (r < 0)
			return r;
		handed_over = e->state->step == CAMPAIGN_DONE;
		r = campaign_rollback(&run->campaign, e, err);
		if (r < 0)
			return r;
		printf("%s: rolled back: on the conversion server its disks are as they were "
		       "received.\nThe physical machine was never changed: it can be started as "
		       "it was.\n",
			e->server->name);
		if (handed_over && !e->server->cutover.rollback.n_run)
			printf("A copy of the virtual machine that you have started elsewhere is "
			       "yours to stop first: the runbook has no cutover.rollback.\n");
	}
	return r;
}

/* ---- the command ---- */

#define OPT(name, arg, kind, member, help)                                                         \
	{                                                                                          \
		name, 0, arg, kind, offsetof(struct run_opts, member), 0, help                     \
	}
#define OPTS(name, arg, member, help)                                                              \
	{                                                                                          \
		name, 0, arg, P2V_OPT_STRS, offsetof(struct run_opts, member),                     \
			offsetof(struct run_opts, n_##member), help                                \
	}

static const struct p2v_opt run_opts[] = {
	OPT("check", NULL, P2V_OPT_FLAG, check,
		"Do nothing; compare the runbook with what is there (this host or --host, by p2v "
		"doctor; room, keys, programs, machines that have called in), and print the plan "
		"with an estimate of each outage. Exit code 1: something is bad."),
	OPT("schema", NULL, P2V_OPT_FLAG, schema,
		"Print the JSON schema of a runbook, for editors and other programs."),
	OPT("from", "WAVE", P2V_OPT_STR, from, "Begin with this wave: earlier ones are left out."),
	OPTS("only", "NAME", only, "Only this wave or server. May be given several times."),
	OPTS("skip", "NAME", skip, "Without this wave or server. May be given several times."),
	OPT("retry", NULL, P2V_OPT_FLAG, retry,
		"Servers that have failed, or were rolled back, go on, too; their jobs are tried "
		"again."),
	OPTS("approve", "SERVER", approve,
		"Say that its last pass may begin, where the runbook has approve: final; a p2v run "
		"that is under way sees it."),
	OPTS("rollback", "SERVER", rollback,
		"Run its cutover.rollback program, and bring its disks on the conversion server "
		"back to what was received. Not while another p2v run works on the runbook."),
	OPT("report", NULL, P2V_OPT_FLAG, report, "Only write the report."),
	OPT("json", NULL, P2V_OPT_FLAG, json,
		"Print the campaign's state at its end; with --check, the plan and the findings "
		"(version 1)."),
	OPT("progress", "MODE", P2V_OPT_STR, progress, "auto, json or none."),
	OPT("host", "[USER@]HOST", P2V_OPT_STR, host,
		"Where p2vd is, by ssh(1) with your keys or agent."),
	OPT("socket", "PATH", P2V_OPT_STR, socket,
		"Where p2vd listens, if not where p2vd.conf says."),
	P2V_OPT_END,
};

static const struct p2v_cmd run_cmd = {
	.name = "p2v run",
	.operands = "RUNBOOK",
	.max_operands = 1,
	.summary = "migrate many servers in waves, by a runbook",
	.text = "RUNBOOK is YAML: p2v-runbook(5). Agents are started as always, on the running "
		"servers or from the medium; the machines that call in are matched with the "
		"runbook's servers, and p2vd is told what each is to become. When a server's turn "
		"has come (all earlier waves are done, and its window is open) its job is let go: "
		"it is converted, proven and, where the runbook says how, handed over.\n\n"
		"It may be ended at any moment, by Ctrl-C or by kill -9: what p2vd does goes on, "
		"and the same command goes on here. How far it is lies beside the runbook, in "
		"NAME.state.json; what your programs print, in NAME.log. At its end there are "
		"NAME.report.md and NAME.report.html.\n\n"
		"A job that p2vd.conf holds (hold) is let go by the runbook; one that somebody has "
		"held with p2v job hold is not.\n\n"
		" p2v run --check weekend.yaml\n p2v run weekend.yaml\n"
		" p2v run --rollback web01 weekend.yaml\n\n"
		"Exit codes: 0 all servers are done, 1 not all, 2 misuse or a runbook that is "
		"wrong, 3 refused.",
	.opts = run_opts,
	.operands_offset = offsetof(struct run_opts, runbooks),
	.n_operands_offset = offsetof(struct run_opts, n_runbooks),
	.see_also = "p2v-runbook(5), p2v(1), p2v-job(1), p2vd(8), p2vd.conf(5), p2v-agent(1)",
};

static int schema_print(struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	int r = runbook_schema(&out, err);

	if (r == 0)
		fwrite(out.data, 1, out.len, stdout);
	return r == 0 && fflush(stdout) != 0
		       ? p2v_err_set(err, P2V_EIO, "standard output: write failed")
		       : r;
}

static int running_begin(struct running *run, struct p2v_err *err)
{
	const struct run_opts *o = run->o;
	const struct campaign_wanted wanted = {o->from, o->only, o->skip, o->n_only, o->n_skip};
	int r = runbook_load(o->runbooks[0], &run->book, err);

	/* A wrong runbook is misuse. */
	if (r == P2V_EFORMAT)
		r = err->kind = P2V_EINVAL;
	run->door = (struct campaign_door){door_call, run};
	/* Before its state is read: whoever has the lock may still be writing it. */
	if (r == 0 && !o->check && !o->n_approve)
		r = campaign_lock(o->runbooks[0], &run->lock_fd, err);
	if (r == 0)
		r = campaign_begin(
			&run->campaign, &run->book, o->runbooks[0], &run->door, &wanted, err);
	if (r < 0)
		return r;
	run->said = calloc(run->campaign.n_entries + 1, sizeof(*run->said));
	return run->said ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static void running_finish(struct running *run)
{
	for (size_t i = 0; run->said && i < run->campaign.n_entries; i++)
		free(run->said[i]);
	free(run->said);
	free(run->trouble);
	free(run->picture);
	campaign_finish(&run->campaign);
	runbook_finish(&run->book);
	cli_server_close(&run->server);
	p2v_cleanup_close(&run->lock_fd);
}

static int dispatch(struct running *run, struct p2v_err *err)
{
	const struct run_opts *o = run->o;
	p2v_autofree char *report = NULL;
	int r = running_begin(run, err);

	if (r == 0 && o->n_approve)
		return approve(run, err);
	if (r == 0)
		r = cli_server_open(o->socket, o->host, &run->server, err);
	run->opened_ms = p2v_now_ms();
	if (r == 0)
		r = campaign_look(&run->campaign, err);
	if (r == 0 && o->check)
		return cli_run_check(&run->campaign, o->host, o->json, err);
	if (r < 0)
		return r;
	if (o->n_rollback)
		return rollback(run, err);
	if (!o->report)
		return campaign_run(run, err);
	r = cli_run_report(&run->campaign, &report, err);
	if (r == 0)
		printf("%s\n", report);
	return r;
}

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct run_opts o = {0};
	struct running running = {.o = &o, .lock_fd = -1, .campaign.log_fd = -1};
	int r;

	/* p2v-runbook(5), for the build. */
	if (argc == 2 && strcmp(argv[1], "--help=man-runbook") == 0)
		return runbook_manual(stdout, err);
	r = p2v_opt_parse(&run_cmd, argc, argv, &o, err);
	if (r != 0)
		return r;
	r = p2v_progress_mode_parse(o.progress, &running.mode, err);
	if (r == 0 && o.schema)
		r = schema_print(err);
	else if (r == 0 && o.n_runbooks == 0)
		r = p2v_err_set(err, P2V_EINVAL, "which RUNBOOK? See 'p2v run --help'");
	else if (r == 0)
		r = dispatch(&running, err);
	running_finish(&running);
	p2v_opt_free(&run_cmd, &o);
	return r;
}

const struct verb cli_run = {"run", &run_cmd, run};
