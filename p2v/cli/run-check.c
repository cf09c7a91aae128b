/* SPDX-License-Identifier: GPL-3.0-or-later */
/* p2v run --check: the runbook against what is there, and what is to be expected. */
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/cli/job-print.h"
#include "p2v/cli/print.h"
#include "p2v/cli/run.h"
#include "p2v/control/api.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/core/text.h"
#include "p2v/guest/key.h"
#include "p2v/runbook/estimate.h"

#define DOCTOR_MS 120000

enum level { LEVEL_NOTE, LEVEL_BAD };
static const char *const level_words[] = {"note", "bad", NULL};

struct finding {
	char *server; /* NULL: the campaign */
	int level;
	char *text;
};

struct planned {
	char *wave, *server, *becomes;
	uint64_t job; /* its machine has called in */
	bool known, seen;
	uint64_t bytes, copy_s, outage_s;
};

struct run_plan {
	uint32_t version; /* 1 */
	char *name;
	bool ok;
	uint64_t free_bytes, need_bytes, convert_s, prove_s, jobs_seen;
	struct planned *servers;
	size_t n_servers;
	struct finding *findings;
	size_t n_findings;
};

static const struct p2v_json_field finding_fields[] = {
	P2V_JSON_STR(struct finding, server, 0),
	P2V_JSON_ENUM(struct finding, level, 0, level_words),
	P2V_JSON_STR(struct finding, text, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type finding_type = {
	"finding", sizeof(struct finding), finding_fields};
static const struct p2v_json_field planned_fields[] = {
	P2V_JSON_STR(struct planned, wave, 0),
	P2V_JSON_STR(struct planned, server, 0),
	P2V_JSON_STR(struct planned, becomes, 0),
	P2V_JSON_U64(struct planned, job, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct planned, known, 0),
	P2V_JSON_BOOL(struct planned, seen, 0),
	P2V_JSON_U64(struct planned, bytes, 0),
	P2V_JSON_U64(struct planned, copy_s, 0),
	P2V_JSON_U64(struct planned, outage_s, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type planned_type = {
	"planned server", sizeof(struct planned), planned_fields};
static const struct p2v_json_field plan_fields[] = {
	P2V_JSON_U32(struct run_plan, version, 0),
	P2V_JSON_STR(struct run_plan, name, 0),
	P2V_JSON_BOOL(struct run_plan, ok, 0),
	P2V_JSON_U64(struct run_plan, free_bytes, 0),
	P2V_JSON_U64(struct run_plan, need_bytes, 0),
	P2V_JSON_U64(struct run_plan, convert_s, 0),
	P2V_JSON_U64(struct run_plan, prove_s, 0),
	P2V_JSON_U64(struct run_plan, jobs_seen, 0),
	P2V_JSON_OBJS(struct run_plan, servers, 0, &planned_type),
	P2V_JSON_OBJS(struct run_plan, findings, 0, &finding_type),
	P2V_JSON_END,
};
static const struct p2v_json_type plan_type = {"check", sizeof(struct run_plan), plan_fields};

struct checking {
	const struct campaign *c;
	const char *host; /* where p2vd is, or NULL */
	const struct campaign_entry *e;
	const struct machine *machine; /* of e, or NULL */
	struct run_plan plan;
	struct p2v_err *err;
};

static __attribute__((format(printf, 3, 4))) int found(
	struct checking *k, enum level level, const char *fmt, ...)
{
	struct finding *f = p2v_json_grow(
		(void **)&k->plan.findings, &k->plan.n_findings, sizeof(*k->plan.findings));
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!f)
		return p2v_err_set(k->err, P2V_ENOMEM, "out of memory");
	f->level = level;
	f->server = k->e ? strdup(k->e->server->name) : NULL;
	f->text = strdup(text);
	return f->text ? 0 : p2v_err_set(k->err, P2V_ENOMEM, "out of memory");
}

/* ---- the conversion server ---- */

static int doctor_check(struct checking *k)
{
	const char *const here[] = {"/proc/self/exe", "doctor", "--quick", NULL};
	const char *const there[] = {"ssh", "-T", "-o", "BatchMode=yes", "--", k->host, "p2v",
		"doctor", "--quick", NULL};
	struct p2v_err why = {0};

	if (p2v_proc_run(k->host ? there : here, NULL, 0, DOCTOR_MS, NULL, &why) == 0)
		return 0;
	return found(k, LEVEL_BAD,
		"p2v doctor says that %s cannot receive, convert and prove: run it there for what "
		"is missing",
		k->host ? k->host : "this host");
}

static int space_check(struct checking *k)
{
	struct api_server server = {0};
	char is[P2V_NUM_TEXT], need[P2V_NUM_TEXT];
	int r = campaign_get(k->c, "/v1/server", &control_server_type, &server, k->err);

	if (r < 0)
		return r;
	k->plan.free_bytes = server.free_bytes;
	p2v_json_free(&control_server_type, &server);
	k->e = NULL;
	if (k->plan.need_bytes <= k->plan.free_bytes)
		return 0;
	return found(k, LEVEL_BAD,
		"up to %s are still to come, and the conversion server has %s free: make room, or "
		"leave servers out (--skip)",
		p2v_num_bytes_text(k->plan.need_bytes, need),
		p2v_num_bytes_text(k->plan.free_bytes, is));
}

/* ---- a server ---- */

static int machine_check(struct checking *k)
{
	const struct runbook_server *s = k->e->server;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_leave_out; i++) {
		bool there = false;

		for (size_t d = 0; d < k->machine->n_disks; d++)
			there = there || strcmp(k->machine->disks[d].id, s->leave_out[i]) == 0;
		if (!there)
			r = found(
				k, LEVEL_BAD, "leave_out: the machine has no %s", s->leave_out[i]);
	}
	for (size_t i = 0; r == 0 && i < s->n_networks; i++) {
		bool there = false;

		for (size_t n = 0; n < k->machine->n_nics; n++)
			there = there ||
				(k->machine->nics[n].mac && strcasecmp(k->machine->nics[n].mac,
								    s->networks[i].mac) == 0);
		if (!there)
			r = found(k, LEVEL_BAD, "networks: the machine has no card %s",
				s->networks[i].mac);
	}
	return r;
}

static int keys_check(struct checking *k)
{
	const struct runbook_server *s = k->e->server;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_keys; i++) {
		const char *file = strstr(s->keys[i], ":file:");
		const char *command = strstr(s->keys[i], ":command:");
		p2v_autofree char *path =
			file ? strdup(file + strlen(":file:"))
			     : p2v_path_join(GUEST_KEY_PROGRAMS,
				       command ? command + strlen(":command:") : "");
		struct stat st;

		if (!path)
			return p2v_err_set(k->err, P2V_ENOMEM, "out of memory");
		if (k->host)
			r = found(k, LEVEL_NOTE,
				"keys: whether %s is there on %s is not seen from here", path,
				k->host);
		else if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
			r = found(k, LEVEL_BAD,
				"keys: %s is not there, or is no file with a key in it", path);
		else if (command && access(path, X_OK) < 0)
			r = found(k, LEVEL_BAD, "keys: %s is no program", path);
		else if (file && st.st_mode & 0007)
			r = found(k, LEVEL_NOTE, "keys: %s can be read by everybody on this host",
				path);
	}
	return r;
}

static int programs_check(struct checking *k)
{
	int r = 0;

	for (int which = CAMPAIGN_HOOK_REFRESH; r == 0 && which <= CAMPAIGN_HOOK_ROLLBACK;
		which++) {
		const struct runbook_hook *hook =
			campaign_hook_of(k->e->server, (enum campaign_hook)which);

		if (hook->n_run && !p2v_proc_exists(hook->run[0]))
			r = found(k, LEVEL_BAD, "%s: there is no program %s",
				campaign_hook_words[which], hook->run[0]);
	}
	return r;
}

static int guard_check(struct checking *k)
{
	const struct runbook_cutover *cut = &k->e->server->cutover;

	if (!cut->handover.n_run)
		return 0;
	if (!if_nametoindex(cut->interface))
		return found(
			k, LEVEL_BAD, "cutover: this host has no interface %s", cut->interface);
	return geteuid() == 0 ? 0
			      : found(k, LEVEL_NOTE,
					"cutover: to see whether the physical machine still "
					"answers, p2v run needs root or CAP_NET_RAW");
}

static int agent_check(struct checking *k)
{
	const struct campaign_machine *other = campaign_rival(k->c, k->e);
	const struct job *job = k->e->job;

	if (other &&
		found(k, LEVEL_BAD,
			"match: job %llu (%s) is one that it may mean, too: say more in match, "
			"or remove that job",
			(unsigned long long)other->job, other->machine.name) < 0)
		return P2V_ENOMEM;
	if (!k->machine)
		return found(k, LEVEL_NOTE, "its machine has not called in yet");
	if (job && job->status == LEDGER_FAILED)
		return found(k, LEVEL_BAD, "its job has failed: %s", job->reason);
	return 0;
}

static char *becomes_of(const struct checking *k)
{
	const struct runbook_server *s = k->e->server;
	p2v_autobuf struct p2v_buf text = {0};
	char memory[P2V_NUM_TEXT];

	p2v_buf_addf(
		&text, "%s, %s", s->target ? s->target : "kvm", s->format ? s->format : "qcow2");
	if (s->memory)
		p2v_buf_addf(&text, ", %s memory", s->memory);
	else if (k->machine)
		p2v_buf_addf(
			&text, ", %s memory", p2v_num_bytes_text(k->machine->memory_bytes, memory));
	if (s->cpus || k->machine)
		p2v_buf_addf(&text, ", %u CPU", s->cpus ? s->cpus : k->machine->cpus);
	for (size_t i = 0; i < s->n_leave_out; i++)
		p2v_buf_addf(&text, ", without %s", s->leave_out[i]);
	for (size_t i = 0; i < s->n_networks; i++)
		p2v_buf_addf(&text, ", %s on %s", s->networks[i].mac,
			s->networks[i].bridge ? s->networks[i].bridge : s->networks[i].network);
	return p2v_buf_take_str(&text);
}

static int planned_add(struct checking *k, const struct campaign_pace *pace)
{
	const struct campaign_machine *m = campaign_candidate(k->c, k->e);
	struct campaign_estimate est = campaign_estimate(k->c, k->e, pace);
	struct planned *p = p2v_json_grow(
		(void **)&k->plan.servers, &k->plan.n_servers, sizeof(*k->plan.servers));
	uint64_t need = m && !est.seen ? campaign_disk_bytes(&m->machine) : est.bytes;

	if (!p)
		return p2v_err_set(k->err, P2V_ENOMEM, "out of memory");
	k->machine = m ? &m->machine : NULL;
	*p = (struct planned){.wave = strdup(k->e->wave->name),
		.server = strdup(k->e->server->name),
		.becomes = becomes_of(k),
		.job = m ? m->job : 0,
		.known = est.known,
		.seen = est.seen,
		.bytes = est.bytes,
		.copy_s = est.copy_s,
		.outage_s = est.outage_s};
	if (!est.seen && k->e->state->step <= CAMPAIGN_COPYING)
		k->plan.need_bytes += need;
	if (!est.known)
		return found(k, LEVEL_NOTE,
			"nothing says how much there is to copy (size): no estimate of its outage");
	return p->wave && p->server && p->becomes
		       ? 0
		       : p2v_err_set(k->err, P2V_ENOMEM, "out of memory");
}

static int server_check(struct checking *k, const struct campaign_pace *pace)
{
	static int (*const checks[])(struct checking * k) = {
		agent_check, keys_check, programs_check, guard_check};
	int r = planned_add(k, pace);

	for (size_t i = 0; r == 0 && i < P2V_N(checks); i++)
		r = checks[i](k);
	return r == 0 && k->machine ? machine_check(k) : r;
}

/* ---- what is said ---- */

static void about(struct p2v_buf *out, uint64_t s)
{
	char text[P2V_NUM_TEXT];

	p2v_buf_addf(out, "%s", p2v_num_ms_text(s * 1000, text));
}

static void planned_say(const struct planned *p, size_t columns, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf line = {0};
	p2v_autofree char *first = p2v_strf("  %-16s ", p->server);
	char size[P2V_NUM_TEXT];

	p2v_buf_addf(&line, "%s. ", p->becomes);
	if (p->job)
		p2v_buf_addf(
			&line, "Its machine has called in: job %llu. ", (unsigned long long)p->job);
	if (p->known && p->bytes)
		p2v_buf_addf(&line, "%s to copy, ", p2v_num_bytes_text(p->bytes, size));
	if (p->known) {
		p2v_buf_add_str(&line, p->seen ? "a pass took " : "about ");
		about(&line, p->copy_s);
		p2v_buf_add_str(&line, "; outage about ");
		about(&line, p->outage_s);
		p2v_buf_add_str(&line, ".");
	} else {
		p2v_buf_add_str(&line, "Outage: not known.");
	}
	if (!line.failed)
		p2v_text_add_wrapped(out, first ? first : "", 19, columns, (const char *)line.data);
}

static void plan_say(const struct run_plan *plan, size_t columns, struct p2v_buf *out)
{
	const char *wave = "";
	p2v_autofree char *pace = NULL;
	char is[P2V_NUM_TEXT], need[P2V_NUM_TEXT], c[P2V_NUM_TEXT], p[P2V_NUM_TEXT];

	for (size_t i = 0; i < plan->n_servers; i++) {
		if (strcmp(wave, plan->servers[i].wave) != 0) {
			wave = plan->servers[i].wave;
			p2v_buf_addf(out, "Wave %s\n", wave);
		}
		planned_say(&plan->servers[i], columns, out);
	}
	p2v_buf_addf(out, "\nUp to %s are to come, %s are free.\n",
		p2v_num_bytes_text(plan->need_bytes, need),
		p2v_num_bytes_text(plan->free_bytes, is));
	pace = p2v_strf("A conversion takes %s and a proof %s, %s.",
		p2v_num_ms_text(plan->convert_s * 1000, c),
		p2v_num_ms_text(plan->prove_s * 1000, p),
		plan->jobs_seen ? "as seen on this server"
				: "it is assumed: none was seen here yet");
	p2v_text_add_wrapped(out, "", 0, columns, pace ? pace : "");
	for (size_t i = 0; i < plan->n_findings; i++) {
		const struct finding *f = &plan->findings[i];
		p2v_autofree char *first = p2v_strf("%-4s  %s%s", level_words[f->level],
			f->server ? f->server : "", f->server ? ": " : "");

		p2v_text_add_wrapped(out, first ? first : "", 6, columns, f->text);
	}
	p2v_buf_addf(out, "%s\n",
		plan->ok ? "The runbook can be run."
			 : "The runbook cannot be run as it is: see what is bad.");
}

static int say(const struct checking *k, bool json)
{
	p2v_autobuf struct p2v_buf out = {0};
	int r;

	if (json)
		return cli_print_json(&plan_type, &k->plan, k->err);
	plan_say(&k->plan, p2v_text_columns(STDOUT_FILENO), &out);
	r = p2v_buf_check(&out, k->err);
	if (r == 0)
		fwrite(out.data, 1, out.len, stdout);
	return r == 0 && fflush(stdout) != 0
		       ? p2v_err_set(k->err, P2V_EIO, "standard output: write failed")
		       : r;
}

int cli_run_check(struct campaign *c, const char *host, bool json, struct p2v_err *err)
{
	struct checking k = {.c = c, .host = host, .err = err};
	struct campaign_pace pace;
	int r = campaign_pace_learn(c, &pace, err);

	k.plan.version = 1;
	k.plan.name = strdup(c->book->name);
	k.plan.ok = true;
	if (r == 0)
		r = doctor_check(&k);
	for (size_t i = 0; r == 0 && i < c->n_entries; i++) {
		k.e = &c->entries[i];
		if (k.e->wanted)
			r = server_check(&k, &pace);
	}
	if (r == 0)
		r = space_check(&k);
	if (r == 0) {
		k.plan.convert_s = pace.convert_s;
		k.plan.prove_s = pace.prove_s;
		k.plan.jobs_seen = pace.n_jobs;
		for (size_t i = 0; i < k.plan.n_findings; i++)
			k.plan.ok = k.plan.ok && k.plan.findings[i].level != LEVEL_BAD;
		r = say(&k, json);
		r = r == 0 && !k.plan.ok ? P2V_EIO : r;
	}
	p2v_json_free(&plan_type, &k.plan);
	return r;
}
