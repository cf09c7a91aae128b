/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v job: shows and steers the jobs of p2vd.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/cli/job-print.h"
#include "p2v/cli/job-snapshot.h"
#include "p2v/cli/print.h"
#include "p2v/cli/server-door.h"
#include "p2v/cli/verb.h"
#include "p2v/control/api.h"
#include "p2v/control/history.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"
#include "p2v/model/check.h"

#define WATCH_MS 1000

struct job_opts {
	bool json, yes, patch;
	const char *socket, *host, *reason;
	const char **words;
	size_t n_words;
};

struct job_verb {
	const char *word;
	int least, most; /* words behind it; most -1: any number */
	int (*run)(const struct job_opts *o, const struct cli_server *server, struct p2v_err *err);
};

/* A job's path; its name goes into it as it is, so it must be one. */
static int path_of(const char *job, const char *rest, char **ret, struct p2v_err *err)
{
	if (!model_name_ok(job))
		return p2v_err_set(
			err, P2V_EINVAL, "'%.80s' is neither a job's number nor its name", job);
	*ret = p2v_strf("/v1/jobs/%s%s", job, rest);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int print(struct p2v_buf *out, struct p2v_err *err)
{
	int r = p2v_buf_check(out, err);

	if (r == 0)
		fwrite(out->data, 1, out->len, stdout);
	return r == 0 && fflush(stdout) != 0
		       ? p2v_err_set(err, P2V_EIO, "standard output: write failed")
		       : r;
}

static int run_list(const struct job_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	p2v_auto_jobs struct jobs jobs = {0};
	p2v_autobuf struct p2v_buf out = {0};
	int r = cli_server_get(server, "/v1/jobs", &ledger_jobs_type, &jobs, err);

	if (r < 0)
		return r;
	if (o->json)
		return cli_print_json(&ledger_jobs_type, &jobs, err);
	cli_jobs_print(&jobs, p2v_text_columns(STDOUT_FILENO), &out);
	return print(&out, err);
}

static int job_get(
	const struct cli_server *server, const char *name, struct job *ret, struct p2v_err *err)
{
	p2v_autofree char *path = NULL;
	int r = path_of(name, "", &path, err);

	return r < 0 ? r : cli_server_get(server, path, &ledger_job_type, ret, err);
}

static int history_get(const void *ctx, const char *path, const struct p2v_json_type *type,
	void *obj, struct p2v_err *err)
{
	return cli_server_get(ctx, path, type, obj, err);
}

static int show(const struct job_opts *o, const struct cli_server *server, struct p2v_buf *out,
	struct job *job, struct p2v_err *err)
{
	p2v_auto_events struct events events = {0};
	int r = job_get(server, o->words[1], job, err);

	if (r == 0)
		r = control_history(history_get, server, o->words[1], &events, err);
	if (r == 0)
		cli_job_print(job, &events, p2v_text_columns(STDOUT_FILENO), out);
	return r;
}

static int run_show(const struct job_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	p2v_auto_job struct job job = {0};
	p2v_autobuf struct p2v_buf out = {0};
	int r;

	if (o->json) {
		r = job_get(server, o->words[1], &job, err);
		return r < 0 ? r : cli_print_json(&ledger_job_type, &job, err);
	}
	r = show(o, server, &out, &job, err);
	return r < 0 ? r : print(&out, err);
}

static int run_logs(const struct job_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	p2v_autofree char *path = NULL;
	p2v_autobuf struct p2v_buf log = {0};
	int r = path_of(o->words[1], "/files/job.log", &path, err);

	if (r == 0)
		r = cli_server_call(server, "GET", path, NULL, &log, err);
	if (r == 0)
		cli_print_text(log.data, log.len);
	return r;
}

static int run_snapshots(
	const struct job_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	p2v_autofree char *path = NULL;
	int r = path_of(o->words[1], "", &path, err);

	return r < 0 ? r : cli_job_snapshots(server, path, o->json, err);
}

static int run_diff(const struct job_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	const struct cli_job_diff what = {.from = o->n_words > 2 ? o->words[2] : NULL,
		.to = o->n_words > 3 ? o->words[3] : NULL,
		.json = o->json,
		.patch = o->patch};
	p2v_autofree char *path = NULL;
	int r = path_of(o->words[1], "", &path, err);

	return r < 0 ? r : cli_job_diff(server, path, &what, err);
}

/* ---- watch ---- */

static bool job_rests(const struct job *job)
{
	return !job->running && job->wish == LEDGER_NO_WISH &&
	       (job->status != LEDGER_READY || job->stage == LEDGER_PROVEN);
}

/* One picture; the terminal is cleared first, a pipe gets only what differs from the last one. */
static int draw(struct p2v_buf *out, char **last, struct p2v_err *err)
{
	int r;

	p2v_buf_add_str(out, "");
	if (out->failed)
		return p2v_buf_check(out, err);
	if (*last && strcmp(*last, (const char *)out->data) == 0)
		return 0;
	if (isatty(STDOUT_FILENO))
		fputs("\x1b[H\x1b[2J", stdout);
	r = print(out, err);
	free(*last);
	*last = strdup((const char *)out->data);
	return r;
}

static int picture(const struct job_opts *o, const struct cli_server *server, struct p2v_buf *out,
	bool *ret_rests, struct p2v_err *err)
{
	p2v_auto_jobs struct jobs jobs = {0};
	p2v_auto_job struct job job = {0};
	int r;

	if (o->n_words > 1) {
		r = o->json ? job_get(server, o->words[1], &job, err)
			    : show(o, server, out, &job, err);
		*ret_rests = r == 0 && job_rests(&job);
		if (r == 0 && o->json)
			r = p2v_json_encode(&ledger_job_type, &job, false, out, err);
		/* The sentence for a script that waits. */
		if (r == 0 && *ret_rests && job.state && strcmp(job.state, "proven") != 0)
			return P2V_EIO;
		return r;
	}
	r = cli_server_get(server, "/v1/jobs", &ledger_jobs_type, &jobs, err);
	if (r == 0 && o->json)
		return p2v_json_encode(&ledger_jobs_type, &jobs, false, out, err);
	if (r == 0)
		cli_jobs_print(&jobs, p2v_text_columns(STDOUT_FILENO), out);
	return r;
}

static int run_watch(const struct job_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	p2v_autofree char *last = NULL;
	bool rests = false;
	int r = 0;

	while (r == 0 && !rests && !p2v_stop_requested()) {
		p2v_autobuf struct p2v_buf out = {0};
		int drawn;

		r = picture(o, server, &out, &rests, err);
		drawn = r == 0 || rests ? draw(&out, &last, err) : 0;
		if (drawn < 0)
			return drawn;
		if (r == 0 && !rests)
			p2v_sleep_ms(WATCH_MS);
	}
	/* Who looks at the list has seen enough; who waits for a job must not take this for its
	 * end. */
	if (o->n_words > 1 && r == 0 && !rests)
		return p2v_err_set(err, P2V_ECANCELED, "interrupted: job %s goes on", o->words[1]);
	return r == P2V_ECANCELED && o->n_words == 1 ? 0 : r;
}

/* ---- actions ---- */

static int body_of(const struct job_opts *o, const char *action, char **ret, struct p2v_err *err)
{
	struct api_action body = {
		.action = (char *)(uintptr_t)action, .reason = (char *)(uintptr_t)o->reason};
	p2v_autobuf struct p2v_buf out = {0};
	uint64_t priority = 0;
	int r = 0;

	if (strcmp(action, "priority") == 0)
		r = p2v_num_parse(o->words[1], "priority", 0, 1000, &priority, err);
	body.priority = (uint32_t)priority;
	if (r == 0)
		r = p2v_json_encode(&control_action_type, &body, false, &out, err);
	if (r < 0)
		return r;
	*ret = p2v_buf_take_str(&out);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int act_on(const struct job_opts *o, const struct cli_server *server, const char *name,
	const char *body, struct p2v_err *err)
{
	p2v_autofree char *path = NULL;
	p2v_autobuf struct p2v_buf answer = {0};
	p2v_auto_job struct job job = {0};
	int r = path_of(name, "/actions", &path, err);

	if (r == 0)
		r = cli_server_call(server, "POST", path, body, &answer, err);
	if (r == 0)
		r = p2v_json_decode(&ledger_job_type, answer.data, answer.len, &job, err);
	if (r < 0)
		return r;
	if (o->json)
		return cli_print_json(&ledger_job_type, &job, err);
	printf("job %llu (%s): %s\n", (unsigned long long)job.id, job.name,
		job.wish != LEDGER_NO_WISH ? ledger_wish_words[job.wish] : job.state);
	return 0;
}

/* What cannot be brought back is asked for twice. */
static int confirm(const struct job_opts *o, struct p2v_err *err)
{
	char line[16] = "";

	if (o->yes || strcmp(o->words[0], "rm") != 0)
		return 0;
	if (isatty(STDIN_FILENO)) {
		printf("Remove %zu job%s with all disks, for ever? [y/N] ", o->n_words - 1,
			o->n_words == 2 ? "" : "s");
		fflush(stdout);
		if (fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y'))
			return 0;
	}
	return p2v_err_set(err, P2V_EREFUSED, "nothing is removed without --yes");
}

/* A machine may be called 17, and be another one than job 17. */
static int meant_one(const struct jobs *jobs, const char *word, struct p2v_err *err)
{
	const struct job *named = NULL, *numbered = NULL;
	uint64_t id = 0;

	if (p2v_num_parse(word, "job", 1, INT64_MAX, &id, NULL) < 0)
		return 0;
	for (size_t i = 0; i < jobs->n_jobs; i++) {
		numbered = jobs->jobs[i].id == id ? &jobs->jobs[i] : numbered;
		named = strcmp(jobs->jobs[i].name, word) == 0 ? &jobs->jobs[i] : named;
	}
	if (!named || !numbered || named == numbered)
		return 0;
	return p2v_err_set(err, P2V_EINVAL,
		"%s is the number of %s, and the name of job %llu: say %s or %llu", word,
		numbered->name, (unsigned long long)named->id, numbered->name,
		(unsigned long long)named->id);
}

static int meant_check(const struct job_opts *o, size_t first, const struct cli_server *server,
	struct p2v_err *err)
{
	p2v_auto_jobs struct jobs jobs = {0};
	int r = cli_server_get(server, "/v1/jobs", &ledger_jobs_type, &jobs, err);

	for (size_t i = first; r == 0 && i < o->n_words; i++)
		r = meant_one(&jobs, o->words[i], err);
	return r;
}

static int run_action(
	const struct job_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	size_t first = strcmp(o->words[0], "priority") == 0 ? 2 : 1;
	p2v_autofree char *body = NULL;
	int r = confirm(o, err);

	if (r == 0 && first >= o->n_words)
		r = p2v_err_set(err, P2V_EINVAL, "priority takes a number and jobs");
	if (r == 0)
		r = body_of(o, o->words[0], &body, err);
	if (r == 0)
		r = meant_check(o, first, server, err);
	for (size_t i = first; r == 0 && i < o->n_words; i++)
		r = act_on(o, server, o->words[i], body, err);
	return r;
}

static const struct job_verb job_verbs[] = {
	{"list", 0, 0, run_list},
	{"show", 1, 1, run_show},
	{"watch", 0, 1, run_watch},
	{"logs", 1, 1, run_logs},
	{"snapshots", 1, 1, run_snapshots},
	{"diff", 1, 3, run_diff},
	{"hold", 1, -1, run_action},
	{"approve", 1, -1, run_action},
	{"retry", 1, -1, run_action},
	{"cancel", 1, -1, run_action},
	{"rollback", 1, -1, run_action},
	{"handover", 1, -1, run_action},
	{"rm", 1, -1, run_action},
	{"priority", 2, -1, run_action},
};

static int verb_find(const struct job_opts *o, const struct job_verb **ret, struct p2v_err *err)
{
	size_t n = o->n_words - 1;

	for (size_t i = 0; i < P2V_N(job_verbs); i++) {
		const struct job_verb *verb = &job_verbs[i];

		if (strcmp(verb->word, o->words[0]) != 0)
			continue;
		if (verb->most == 0 && n != 0)
			return p2v_err_set(err, P2V_EINVAL, "%s takes no job", verb->word);
		if (n < (size_t)verb->least || (verb->most > 0 && n > (size_t)verb->most))
			return p2v_err_set(err, P2V_EINVAL, "%s takes %s; see 'p2v job --help'",
				verb->word,
				verb->most < 0	  ? "jobs"
				: verb->most == 1 ? "one job"
						  : "a job and at most two snapshots");
		*ret = verb;
		return 0;
	}
	return p2v_err_set(err, P2V_EINVAL,
		"'%s' is nothing that p2v job does; see 'p2v job --help'", o->words[0]);
}

#define OPT(name, arg, kind, member, help)                                                         \
	{                                                                                          \
		name, 0, arg, kind, offsetof(struct job_opts, member), 0, help                     \
	}

static const struct p2v_opt job_opts[] = {
	OPT("json", NULL, P2V_OPT_FLAG, json,
		"Print what p2vd answers: list gives jobs, the others a job (version 1)."),
	OPT("reason", "TEXT", P2V_OPT_STR, reason, "Why, for the history."),
	OPT("patch", NULL, P2V_OPT_FLAG, patch, "diff: with the differences within text files."),
	OPT("yes", NULL, P2V_OPT_FLAG, yes, "Do not ask before jobs are removed."),
	OPT("host", "[USER@]HOST", P2V_OPT_STR, host,
		"Of another host, by ssh(1) with your keys or agent."),
	OPT("socket", "PATH", P2V_OPT_STR, socket,
		"Where p2vd listens, if not where p2vd.conf says."),
	P2V_OPT_END,
};

static const char *const job_words[] = {"list", "show", "watch", "logs", "snapshots", "diff",
	"hold", "approve", "retry", "cancel", "rollback", "handover", "rm", "priority", NULL};

static const struct p2v_cmd job_cmd = {
	.name = "p2v job",
	.operands = "VERB [JOB]...",
	.min_operands = 1,
	.max_operands = -1,
	.summary = "show and steer the jobs of the conversion server",
	.text = "JOB is a job's number or its machine's name.\n\n"
		"list: all jobs. show: one, with its history. watch: the same, kept up to date; "
		"with JOB until it rests, and exit code 0 says that it is proven. logs: what the "
		"programs of its stages said.\n\n"
		"snapshots: what its disks were: pristine as received, and after each conversion. "
		"diff JOB [FROM [TO]]: which of the guest's files differ between two of them, by "
		"default between the pristine disk and the last conversion. A conversion that was "
		"taken back is kept as what it changed, not as a disk: each one starts from the "
		"pristine disk.\n\n"
		"hold: not further than the step that runs now. approve: a held one goes on. "
		"cancel: stop it now. retry: a failed or cancelled one goes on, and one that waits "
		"does so now. rollback: its disks become as they were received; it is held then. "
		"handover: a proven one was started where it belongs; it is noted, and retention "
		"may "
		"count from then. rm: remove it with its directory. priority N: the highest is "
		"taken first.\n\n"
		"Exit codes: 0 done, 1 failed, 2 misuse, 3 refused: the job's state does not allow "
		"it.",
	.opts = job_opts,
	.words = job_words,
	.operands_offset = offsetof(struct job_opts, words),
	.n_operands_offset = offsetof(struct job_opts, n_words),
	.see_also = "p2v(1), p2vd(8), p2vd.conf(5)",
};

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct job_opts o = {0};
	p2v_auto_server struct cli_server server = {0};
	const struct job_verb *verb = NULL;
	int r = p2v_opt_parse(&job_cmd, argc, argv, &o, err);

	if (r != 0)
		return r;
	r = verb_find(&o, &verb, err);
	if (r == 0)
		r = cli_server_open(o.socket, o.host, &server, err);
	if (r == 0)
		r = verb->run(&o, &server, err);
	p2v_opt_free(&job_cmd, &o);
	return r;
}

const struct verb cli_job = {"job", &job_cmd, run};
