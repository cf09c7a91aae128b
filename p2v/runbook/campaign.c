/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/campaign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2v/control/api.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/runbook/match.h"

#define LOG	    ".log"
#define ROLLBACK_MS (600 * 1000)
#define LOOK_MS	    500

/* ---- which servers ---- */

static bool among(const char *const *names, size_t n, const struct campaign_entry *e)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], e->wave->name) == 0 || strcmp(names[i], e->server->name) == 0)
			return true;
	return false;
}

static int name_check(const struct campaign *c, const char *name, bool waves_only,
	const char *option, struct p2v_err *err)
{
	for (size_t i = 0; i < c->n_entries; i++)
		if (strcmp(name, c->entries[i].wave->name) == 0 ||
			(!waves_only && strcmp(name, c->entries[i].server->name) == 0))
			return 0;
	return p2v_err_set(err, P2V_EINVAL, "%s: the runbook has no %s %.80s", option,
		waves_only ? "wave" : "wave and no server", name);
}

static int names_check(
	const struct campaign *c, const struct campaign_wanted *w, struct p2v_err *err)
{
	int r = w->from ? name_check(c, w->from, true, "--from", err) : 0;

	for (size_t i = 0; r == 0 && i < w->n_only; i++)
		r = name_check(c, w->only[i], false, "--only", err);
	for (size_t i = 0; r == 0 && i < w->n_skip; i++)
		r = name_check(c, w->skip[i], false, "--skip", err);
	return r;
}

static int wanted_set(struct campaign *c, const struct campaign_wanted *w, struct p2v_err *err)
{
	bool begun = !w->from;
	int r = names_check(c, w, err);

	for (size_t i = 0; r == 0 && i < c->n_entries; i++) {
		struct campaign_entry *e = &c->entries[i];

		begun = begun || strcmp(w->from, e->wave->name) == 0;
		e->wanted = begun && (!w->n_only || among(w->only, w->n_only, e)) &&
			    !among(w->skip, w->n_skip, e);
	}
	return r;
}

/* ---- begin and end ---- */

/* All servers first: what the state holds moves as it grows. */
static int states_make(struct campaign *c, struct p2v_err *err)
{
	size_t n = 0;

	for (size_t w = 0; w < c->book->n_waves; w++)
		for (size_t s = 0; s < c->book->waves[w].n_servers; s++, n++)
			if (!campaign_server_of(&c->state, c->book->waves[w].servers[s].name))
				return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	c->entries = calloc(n + 1, sizeof(*c->entries));
	return c->entries ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int entries_make(struct campaign *c, struct p2v_err *err)
{
	int r = states_make(c, err);

	for (size_t w = 0; r == 0 && w < c->book->n_waves; w++)
		for (size_t s = 0; s < c->book->waves[w].n_servers; s++) {
			const struct runbook_server *server = &c->book->waves[w].servers[s];

			c->entries[c->n_entries++] =
				(struct campaign_entry){.wave = &c->book->waves[w],
					.server = server,
					.state = campaign_server_of(&c->state, server->name)};
		}
	return r;
}

int campaign_begin(struct campaign *c, const struct runbook *book, const char *path,
	const struct campaign_door *door, const struct campaign_wanted *wanted, struct p2v_err *err)
{
	int r;

	*c = (struct campaign){.book = book, .path = path, .door = door, .log_fd = -1};
	r = campaign_state_load(path, book->name, &c->state, err);
	if (r == 0)
		r = entries_make(c, err);
	if (r == 0)
		r = wanted_set(c, wanted, err);
	if (r < 0)
		campaign_finish(c);
	return r;
}

static void machines_finish(struct campaign *c)
{
	for (size_t i = 0; i < c->n_machines; i++)
		model_machine_finish(&c->machines[i].machine);
	free(c->machines);
}

void campaign_finish(struct campaign *c)
{
	for (size_t i = 0; i < c->n_entries; i++)
		campaign_hook_stop(&c->entries[i].hook);
	machines_finish(c);
	ledger_jobs_finish(&c->jobs);
	campaign_state_finish(&c->state);
	free(c->entries);
	free(c->base);
	p2v_cleanup_close(&c->log_fd);
	*c = (struct campaign){.log_fd = -1};
}

struct campaign_entry *campaign_find(struct campaign *c, const char *server)
{
	for (size_t i = 0; i < c->n_entries; i++)
		if (strcmp(c->entries[i].server->name, server) == 0)
			return &c->entries[i];
	return NULL;
}

/* ---- what has called in ---- */

const struct machine *campaign_machine_of(const struct campaign *c, uint64_t job)
{
	for (size_t i = 0; i < c->n_machines; i++)
		if (c->machines[i].job == job)
			return &c->machines[i].machine;
	return NULL;
}

const struct job *campaign_job(const struct campaign *c, uint64_t id)
{
	for (size_t i = 0; id && i < c->jobs.n_jobs; i++)
		if (c->jobs.jobs[i].id == id)
			return &c->jobs.jobs[i];
	return NULL;
}

/* One that is there, and that no other server of the runbook has. */
static bool is_free(const struct campaign *c, const struct campaign_entry *e, uint64_t id)
{
	const struct job *job = campaign_job(c, id);

	for (size_t i = 0; i < c->n_entries; i++)
		if (&c->entries[i] != e && c->entries[i].state->job == id)
			return false;
	return job && job->wish != LEDGER_RM;
}

/* The first one behind `after` (NULL: of all) that e may mean. */
static const struct campaign_machine *next_match(const struct campaign *c,
	const struct campaign_entry *e, const struct campaign_machine *after)
{
	for (size_t i = after ? (size_t)(after - c->machines) + 1 : 0; i < c->n_machines; i++)
		if (runbook_matches(e->server, &c->machines[i].machine) &&
			is_free(c, e, c->machines[i].job))
			return &c->machines[i];
	return NULL;
}

const struct campaign_machine *campaign_candidate(
	const struct campaign *c, const struct campaign_entry *e)
{
	for (size_t i = 0; e->state->job && i < c->n_machines; i++)
		if (c->machines[i].job == e->state->job)
			return &c->machines[i];
	return next_match(c, e, NULL);
}

const struct campaign_machine *campaign_rival(
	const struct campaign *c, const struct campaign_entry *e)
{
	const struct campaign_machine *first = e->state->job ? NULL : next_match(c, e, NULL);

	return first ? next_match(c, e, first) : NULL;
}

/* A machine is what it is: each is read once. One whose inventory cannot be read is nobody's. */
static int machines_read(struct campaign *c, struct p2v_err *err)
{
	for (size_t i = 0; i < c->jobs.n_jobs; i++) {
		struct machine machine = {0};
		struct campaign_machine *item;
		int r;

		if (campaign_machine_of(c, c->jobs.jobs[i].id))
			continue;
		r = campaign_noun(
			c, c->jobs.jobs[i].id, "machine.json", &model_machine_type, &machine, err);
		if (r == P2V_ENOTFOUND || r == P2V_EFORMAT) {
			p2v_err_clear(err);
			continue;
		}
		if (r < 0)
			return r;
		item = p2v_json_grow((void **)&c->machines, &c->n_machines, sizeof(*item));
		if (!item) {
			model_machine_finish(&machine);
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		}
		*item = (struct campaign_machine){c->jobs.jobs[i].id, machine};
	}
	return 0;
}

static int base_ask(struct campaign *c, struct p2v_err *err)
{
	struct api_server server = {0};
	int r = campaign_get(c, "/v1/server", &control_server_type, &server, err);

	if (r < 0)
		return r;
	c->base = p2v_steal(server.base);
	p2v_json_free(&control_server_type, &server);
	return 0;
}

int campaign_look(struct campaign *c, struct p2v_err *err)
{
	struct jobs jobs = {0};
	int r = c->base ? 0 : base_ask(c, err);

	if (r == 0)
		r = campaign_get(c, "/v1/jobs", &ledger_jobs_type, &jobs, err);
	if (r < 0)
		return r;
	ledger_jobs_finish(&c->jobs);
	c->jobs = jobs;
	for (size_t i = 0; i < c->n_entries; i++)
		c->entries[i].job = campaign_job(c, c->entries[i].state->job);
	return machines_read(c, err);
}

/* ---- one turn ---- */

static int log_open(struct campaign *c, struct p2v_err *err)
{
	p2v_autofree char *dir = NULL, *name = NULL, *path = NULL;
	int r = c->log_fd >= 0 ? 0 : campaign_file(c->path, LOG, &dir, &name, err);

	if (r < 0 || c->log_fd >= 0)
		return r;
	path = p2v_path_join(dir, name);
	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	c->log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return c->log_fd >= 0 ? 0 : p2v_err_errno(err, errno, "%s", path);
}

static int begun_note(struct campaign *c, struct p2v_err *err)
{
	if (c->state.began_s && !c->state.ended_s)
		return 0;
	if (!c->state.began_s)
		c->state.began_s = (uint64_t)time(NULL);
	c->state.ended_s = 0;
	c->dirty = true;
	return campaign_save(c, err);
}

int campaign_turn(struct campaign *c, bool *ret_rests, struct p2v_err *err)
{
	int r = log_open(c, err);

	if (r == 0)
		r = begun_note(c, err);
	if (r == 0)
		r = campaign_look(c, err);
	for (size_t i = 0; r == 0 && i < c->n_entries; i++) {
		if (!c->entries[i].wanted)
			continue;
		r = campaign_entry_step(c, &c->entries[i], err);
		if (r == 0)
			r = campaign_save(c, err);
	}
	*ret_rests = r == 0 && campaign_rests(c);
	if (*ret_rests) {
		c->state.ended_s = (uint64_t)time(NULL);
		c->dirty = true;
		r = campaign_save(c, err);
	}
	return r;
}

/* ---- waves ---- */

static bool entry_rests(const struct campaign_entry *e)
{
	const struct campaign_server *s = e->state;
	bool to_tell = s->step == CAMPAIGN_FAILED && e->server->hooks.failed.n_run &&
		       !(s->hooks & (1u << CAMPAIGN_HOOK_FAILED));

	return e->hook.pid == 0 && campaign_step_rests(s->step) && !to_tell;
}

const char *campaign_blocked_by(const struct campaign *c, const struct campaign_entry *e)
{
	for (size_t i = 0; i < c->n_entries && c->entries[i].wave != e->wave; i++) {
		const struct campaign_entry *before = &c->entries[i];

		if (before->wanted && before->state->step != CAMPAIGN_DONE &&
			!(before->wave->go_on && entry_rests(before)))
			return before->wave->name;
	}
	return NULL;
}

/* Waves behind one that has failed do not begin: they count as at rest. */
bool campaign_rests(const struct campaign *c)
{
	const struct runbook_wave *failed = NULL;

	for (size_t i = 0; i < c->n_entries; i++) {
		const struct campaign_entry *e = &c->entries[i];

		if (!e->wanted)
			continue;
		if (failed && e->wave != failed)
			return true;
		if (!entry_rests(e))
			return false;
		if (e->state->step != CAMPAIGN_DONE && !e->wave->go_on)
			failed = e->wave;
	}
	return true;
}

/* ---- on request ---- */

bool campaign_job_brought_back(const struct job *job)
{
	return job->status == LEDGER_HELD && job->stage < LEDGER_PLANNED;
}

static int entry_retry(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	struct campaign_server *s = e->state;
	int r = campaign_orders_renew(c, e, err);
	/* One without its orders goes on once it has them, one at its gate when it is its turn. */
	bool held = e->job && campaign_job_brought_back(e->job) && s->ordered;

	if (r == 0 && (held || (e->job && (e->job->status == LEDGER_FAILED ||
						  e->job->status == LEDGER_CANCELLED))))
		r = campaign_act(c, s->job, held ? "approve" : "retry", "p2v run --retry", 0, err);
	if (r < 0)
		return r;
	s->step = s->back;
	s->by_job = s->guarded = false;
	s->hooks &= ~(1u << CAMPAIGN_HOOK_FAILED);
	campaign_note(s, NULL);
	c->dirty = true;
	return campaign_save(c, err);
}

int campaign_retry(struct campaign *c, struct p2v_err *err)
{
	int r = campaign_look(c, err);

	for (size_t i = 0; r == 0 && i < c->n_entries; i++) {
		struct campaign_entry *e = &c->entries[i];

		if (e->wanted &&
			(e->state->step == CAMPAIGN_FAILED || e->state->step == CAMPAIGN_ROLLED))
			r = entry_retry(c, e, err);
	}
	return r;
}

/* Its disks are there again as they came. */
static int received_await(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	for (uint64_t from = p2v_now_ms(); p2v_now_ms() - from < ROLLBACK_MS;
		p2v_sleep_ms(LOOK_MS)) {
		int r = p2v_stop_check(err);

		if (r == 0)
			r = campaign_look(c, err);
		if (r < 0)
			return r;
		if (!e->job)
			return p2v_err_set(
				err, P2V_ENOTFOUND, "%s: its job is no more", e->server->name);
		if (e->job->status == LEDGER_FAILED)
			return p2v_err_set(err, P2V_EIO, "%s: %s", e->server->name, e->job->reason);
		if (e->job->wish == LEDGER_NO_WISH && !e->job->running &&
			e->job->stage <= LEDGER_RECEIVED)
			return 0;
	}
	return p2v_err_set(err, P2V_ETIMEDOUT, "%s: was not rolled back in time: p2v job show %s",
		e->server->name, e->state->job_name);
}

static int rolled_note(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	struct campaign_server *s = e->state;

	s->step = CAMPAIGN_ROLLED;
	s->back = CAMPAIGN_COPYING;
	s->hooks = 0;
	s->by_job = s->guarded = false;
	s->rolled = !s->ordered;
	s->final_s = s->approved_s = s->proven_s = s->done_s = 0;
	campaign_note(s, "rolled back: p2v run --retry does it again");
	c->dirty = true;
	return campaign_save(c, err);
}

/* The operator's program that stops the machine, to its end. */
static int rollback_hook(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	const struct runbook_hook *hook = &e->server->cutover.rollback;
	p2v_autofree char *dir = c->base ? p2v_path_join(c->base, e->state->job_name) : strdup("");
	const struct campaign_hook_news news = {1, "rollback", c->book->name, e->wave->name,
		e->server->name, e->state->job, e->state->job_name, dir, NULL};
	int r = hook->n_run ? log_open(c, err) : 1;

	if (r == 0) {
		e->hook.which = CAMPAIGN_HOOK_ROLLBACK;
		r = campaign_hook_start(hook, &news, c->log_fd, &e->hook, err);
	}
	while (r == 0) {
		p2v_sleep_ms(50);
		r = p2v_stop_check(err);
		if (r == 0)
			r = campaign_hook_poll(&e->hook, err);
	}
	return r < 0 ? r : 0;
}

int campaign_rollback(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	int r = campaign_look(c, err);

	if (r < 0)
		return r;
	if (!e->job || e->job->stage < LEDGER_RECEIVED)
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: nothing of it is there that could be rolled back", e->server->name);
	r = rollback_hook(c, e, err);
	if (r == 0 && e->job->stage > LEDGER_RECEIVED && e->job->wish != LEDGER_ROLLBACK)
		r = campaign_act(c, e->job->id, "rollback", "p2v run --rollback", 0, err);
	if (r == 0)
		r = received_await(c, e, err);
	return r < 0 ? r : rolled_note(c, e, err);
}
