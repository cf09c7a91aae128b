/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a turn does with one server: a function for each step. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/output.h"
#include "p2v/model/receipt.h"
#include "p2v/runbook/campaign.h"
#include "p2v/runbook/guard.h"

#define GUARD_EVERY_MS 10000

static uint64_t now_s(void)
{
	return (uint64_t)time(NULL);
}

bool campaign_step_rests(int step)
{
	return step == CAMPAIGN_DONE || step == CAMPAIGN_FAILED || step == CAMPAIGN_ROLLED;
}

void campaign_step_to(struct campaign *c, struct campaign_entry *e, enum campaign_step step)
{
	e->state->step = (int)step;
	campaign_note(e->state, NULL);
	c->dirty = true;
}

int campaign_waits(struct campaign *c, struct campaign_entry *e, const char *why)
{
	const char *old = e->state->note ? e->state->note : "";

	if (strcmp(old, why) != 0) {
		campaign_note(e->state, why);
		c->dirty = true;
	}
	return 0;
}

void campaign_fail(struct campaign *c, struct campaign_entry *e, bool by_job, const char *why)
{
	e->state->back = e->state->step;
	e->state->by_job = by_job;
	e->state->hooks &= ~(1u << CAMPAIGN_HOOK_FAILED);
	campaign_step_to(c, e, CAMPAIGN_FAILED);
	campaign_note(e->state, why);
}

/* ---- programs of the operator's ---- */

static bool hook_done(const struct campaign_entry *e, enum campaign_hook which)
{
	return campaign_hook_of(e->server, which)->n_run == 0 ||
	       (e->state->hooks & (1u << which)) != 0;
}

static void log_line(const struct campaign *c, const struct campaign_entry *e, const char *what)
{
	char now[32];
	p2v_autofree char *line = NULL;

	p2v_now_text(now);
	line = p2v_strf("%s %s: %s\n", now, e->server->name, what);
	/* A log that cannot be written is no reason to stop. */
	if (line && write(c->log_fd, line, strlen(line)) < 0)
		return;
}

static int hook_begin(
	struct campaign *c, struct campaign_entry *e, enum campaign_hook which, struct p2v_err *err)
{
	const struct campaign_server *s = e->state;
	p2v_autofree char *dir =
		c->base && s->job_name ? p2v_path_join(c->base, s->job_name) : NULL;
	const struct campaign_hook_news news = {1, campaign_hook_words[which], c->book->name,
		e->wave->name, e->server->name, s->job, s->job_name, dir, s->note};
	struct p2v_err why = {0};
	/* What it is begun for is written down first. */
	int r = campaign_save(c, err);

	if (r < 0)
		return r;
	log_line(c, e, campaign_hook_words[which]);
	e->hook.which = which;
	if (which == CAMPAIGN_HOOK_REFRESH || which == CAMPAIGN_HOOK_FINAL)
		e->pass_from_s = now_s();
	if (campaign_hook_start(
		    campaign_hook_of(e->server, which), &news, c->log_fd, &e->hook, &why) == 0)
		return 0;
	if (which == CAMPAIGN_HOOK_FAILED)
		e->state->hooks |= 1u << which;
	else if (which == CAMPAIGN_HOOK_REFRESH)
		e->state->refreshed_s = now_s();
	else
		campaign_fail(c, e, false, why.text);
	return 0;
}

static void hook_failed(struct campaign *c, struct campaign_entry *e, const char *why)
{
	switch (e->hook.which) {
	case CAMPAIGN_HOOK_REFRESH:
		/* The next one may do better, and the last pass sends what is missing. */
		e->state->refreshed_s = now_s();
		campaign_waits(c, e, why);
		break;
	case CAMPAIGN_HOOK_FAILED:
		e->state->hooks |= 1u << CAMPAIGN_HOOK_FAILED;
		break;
	default:
		e->state->guarded = false;
		campaign_fail(c, e, false, why);
	}
	c->dirty = true;
}

static int hook_tend(struct campaign *c, struct campaign_entry *e)
{
	struct p2v_err why = {0};
	int r = campaign_hook_poll(&e->hook, &why);

	if (r == 0)
		return 0;
	e->hook.pid = 0;
	if (r < 0) {
		log_line(c, e, why.text);
		hook_failed(c, e, why.text);
		return 0;
	}
	if (e->hook.which == CAMPAIGN_HOOK_REFRESH)
		e->state->refreshed_s = now_s();
	else
		e->state->hooks |= 1u << e->hook.which;
	c->dirty = true;
	return 0;
}

/* ---- its turn ---- */

static bool window_open(const struct campaign_entry *e)
{
	time_t now = time(NULL);
	struct tm local;

	localtime_r(&now, &local);
	for (size_t i = 0; i < e->server->n_window; i++) {
		struct window window;

		if (control_window_parse(e->server->window[i], &window, NULL) == 0 &&
			control_window_open(&window, &local))
			return true;
	}
	return e->server->n_window == 0;
}

static char *window_reason(const struct campaign_entry *e)
{
	p2v_autobuf struct p2v_buf text = {0};

	p2v_buf_add_str(&text, "waits for its window");
	for (size_t i = 0; i < e->server->n_window; i++)
		p2v_buf_addf(&text, "%s %s", i ? " or" : ",", e->server->window[i]);
	return p2v_buf_take_str(&text);
}

/* True where it may go on; else its note says what it waits for. */
static bool is_its_turn(struct campaign *c, struct campaign_entry *e, bool window)
{
	const char *before = campaign_blocked_by(c, e);
	p2v_autofree char *why = NULL;

	if (!before && (!window || window_open(e)))
		return true;
	why = before ? p2v_strf("waits for wave %s", before) : window_reason(e);
	campaign_waits(c, e, why ? why : "waits");
	return false;
}

/* A person's: names of hosts have no blank, and what we ask for says so. */
static bool by_person(const struct event *event)
{
	return strchr(event->who, ' ') &&
	       strncmp(event->text, CAMPAIGN_OURS, strlen(CAMPAIGN_OURS)) != 0;
}

/* Whether somebody holds it, or wished to have it back, and has not approved of it since. */
static int held_by_person(
	struct campaign *c, const struct campaign_entry *e, bool *ret, struct p2v_err *err)
{
	p2v_auto_events struct events events = {0};
	int r = campaign_history(c, e->state->job, &events, err);

	*ret = false;
	for (size_t i = 0; r == 0 && i < events.n_events; i++) {
		const struct event *event = &events.events[i];

		if (by_person(event) &&
			(strcmp(event->what, "hold") == 0 || strcmp(event->what, "rollback") == 0))
			*ret = true;
		else if (strcmp(event->what, "approve") == 0 || strcmp(event->what, "retry") == 0)
			*ret = false;
	}
	return r;
}

/* Lets a job that is held go on, unless a person holds it. True in ret: it goes. */
static int let_go(struct campaign *c, struct campaign_entry *e, bool *ret, struct p2v_err *err)
{
	p2v_autofree char *why = NULL;
	bool person;
	int r = held_by_person(c, e, &person, err);

	*ret = false;
	if (r < 0)
		return r;
	if (person) {
		why = p2v_strf(
			"held by a person: p2v job approve %s lets it go on", e->state->job_name);
		return campaign_waits(c, e, why ? why : "held by a person");
	}
	r = campaign_act(c, e->state->job, "approve", CAMPAIGN_OURS "it is its turn", 0, err);
	/* Somebody was faster, or it is not held any more. */
	if (r == P2V_EREFUSED) {
		p2v_err_clear(err);
		return 0;
	}
	*ret = r == 0;
	return r;
}

/* ---- the steps ---- */

/* Two of them: a serial number that the maker never set, or one machine by two names. */
static int both_match(struct campaign *c, struct campaign_entry *e,
	const struct campaign_machine *one, const struct campaign_machine *other)
{
	p2v_autofree char *why = p2v_strf(
		"job %llu (%s) and job %llu (%s) both match: say more in match, or remove one",
		(unsigned long long)one->job, one->machine.name, (unsigned long long)other->job,
		other->machine.name);

	return campaign_waits(c, e, why ? why : "two machines match");
}

static int step_waiting(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	const struct campaign_machine *m = campaign_candidate(c, e);
	const struct campaign_machine *other = campaign_rival(c, e);
	const struct job *job = m ? campaign_job(c, m->job) : NULL;

	(void)err;
	if (!job)
		return campaign_waits(c, e, "no machine that matches has called in");
	if (other)
		return both_match(c, e, m, other);
	e->state->job = job->id;
	free(e->state->job_name);
	e->state->job_name = strdup(job->name);
	e->state->seen_s = now_s();
	e->state->ordered = e->state->rolled = false;
	campaign_step_to(c, e, CAMPAIGN_COPYING);
	return 0;
}

/* The receipt counts from the first pass on: a further one is measured from when its program began.
 */
static uint64_t pass_took_ms(const struct campaign_entry *e, const struct receipt *receipt)
{
	uint64_t from = e->pass_from_s			   ? e->pass_from_s
			: e->state->step == CAMPAIGN_FINAL ? e->state->final_s
							   : 0;

	if (e->state->passes == 0)
		return receipt->duration_ms;
	return from ? (now_s() - from) * 1000 : e->state->pass_ms;
}

/* A pass has ended since the last look. */
static int receipt_look(
	struct campaign *c, struct campaign_entry *e, bool *ret_new, struct p2v_err *err)
{
	p2v_auto_receipt struct receipt receipt = {0};
	const char *old = e->state->receipt ? e->state->receipt : "";
	int r = campaign_noun(c, e->state->job, "receipt", &model_receipt_type, &receipt, err);

	*ret_new = false;
	if (r == P2V_ENOTFOUND) { /* it is under way */
		p2v_err_clear(err);
		return 0;
	}
	if (r < 0 || !receipt.finished || strcmp(receipt.finished, old) == 0)
		return r;
	free(e->state->receipt);
	e->state->receipt = p2v_steal(receipt.finished);
	e->state->pass_ms = pass_took_ms(e, &receipt);
	e->state->passes++;
	*ret_new = c->dirty = true;
	return 0;
}

static int step_copying(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	bool new;
	int r = e->state->ordered ? 0 : campaign_order(c, e, err);

	if (r < 0 || !e->state->ordered)
		return r;
	if (e->job->stage == LEDGER_WAITING)
		return campaign_waits(c, e, "its agent sends");
	r = receipt_look(c, e, &new, err);
	if (r < 0)
		return r;
	e->state->copied_s = now_s();
	campaign_step_to(c, e, runbook_cuts_over(e->server) ? CAMPAIGN_HOT : CAMPAIGN_READY);
	return 0;
}

/* The outage begins. */
static int final_begin(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	int r;

	/* Somebody had the hot copy converted, as a rehearsal: a further pass needs it back. */
	if (e->job->stage > LEDGER_PLANNED) {
		r = campaign_act(c, e->state->job, "rollback",
			CAMPAIGN_OURS "its last pass is to come", 0, err);
		return r == P2V_EREFUSED ? (p2v_err_clear(err), 0) : r;
	}
	free(e->state->final_receipt);
	e->state->final_receipt = e->state->receipt ? strdup(e->state->receipt) : NULL;
	e->state->final_s = now_s();
	campaign_step_to(c, e, CAMPAIGN_FINAL);
	return 0;
}

/* p2vd leaves its directory alone: an agent that comes meanwhile would be refused. */
static bool job_rests(const struct job *job)
{
	return !job->running && job->wish == LEDGER_NO_WISH &&
	       (job->status == LEDGER_HELD || job->stage == LEDGER_PROVEN);
}

static bool refresh_due(const struct campaign_entry *e)
{
	uint64_t last = e->state->refreshed_s > e->state->copied_s ? e->state->refreshed_s
								   : e->state->copied_s;

	return e->server->cutover.refresh.n_run &&
	       now_s() >= last + e->server->cutover.refresh_min * UINT64_C(60);
}

static int step_hot(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	p2v_autofree char *why = NULL;
	bool new;
	int r = receipt_look(c, e, &new, err);

	if (r < 0)
		return r;
	if (e->job->stage == LEDGER_WAITING)
		return campaign_waits(c, e, "its agent sends what has changed");
	if (!job_rests(e->job))
		return campaign_waits(c, e, "is looked at: what has to be changed");
	if (is_its_turn(c, e, true)) {
		if (!runbook_approves(e->server, "final") ||
			campaign_approved(c->path, e->server->name, e->state->copied_s))
			return final_begin(c, e, err);
		why = p2v_strf("waits for approval before its last pass: p2v run --approve %s",
			e->server->name);
		campaign_waits(c, e, why ? why : "waits for approval");
	}
	return refresh_due(e) ? hook_begin(c, e, CAMPAIGN_HOOK_REFRESH, err) : 0;
}

static int step_final(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	const char *before = e->state->final_receipt ? e->state->final_receipt : "";
	bool new;
	int r;

	if (!hook_done(e, CAMPAIGN_HOOK_FINAL))
		return hook_begin(c, e, CAMPAIGN_HOOK_FINAL, err);
	r = receipt_look(c, e, &new, err);
	if (r < 0)
		return r;
	if (e->job->stage == LEDGER_WAITING || !e->state->receipt ||
		strcmp(e->state->receipt, before) == 0)
		return campaign_waits(c, e, "its last pass is on the way");
	campaign_step_to(c, e, CAMPAIGN_READY);
	return 0;
}

static int convert_begin(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	p2v_autofree char *why = NULL;
	bool went;
	int r;

	/* One whose outage has begun is not kept waiting for a window. */
	if (!is_its_turn(c, e, !runbook_cuts_over(e->server)))
		return 0;
	if (!hook_done(e, CAMPAIGN_HOOK_BEFORE))
		return hook_begin(c, e, CAMPAIGN_HOOK_BEFORE, err);
	if (runbook_approves(e->server, "conversion")) {
		why = p2v_strf("waits for approval before the conversion: p2v job approve %s",
			e->state->job_name);
		return campaign_waits(c, e, why ? why : "waits for approval");
	}
	r = let_go(c, e, &went, err);
	if (r == 0 && went) {
		e->state->approved_s = now_s();
		campaign_step_to(c, e, CAMPAIGN_CONVERTING);
	}
	return r;
}

/* A job that is planned and ready may merely not have come to its gate: p2vd is busy. */
static bool gate_passed(const struct job *job)
{
	return job->stage > LEDGER_PLANNED ||
	       (job->stage == LEDGER_PLANNED && job->status == LEDGER_READY &&
		       !(job->gates & LEDGER_GATE_CONVERSION));
}

static int step_ready(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	bool went;

	if (gate_passed(e->job)) {
		e->state->approved_s = now_s();
		campaign_step_to(c, e, CAMPAIGN_CONVERTING); /* a person was faster */
		return 0;
	}
	if (e->job->status == LEDGER_HELD && e->job->stage == LEDGER_PLANNED)
		return convert_begin(c, e, err);
	if (e->job->status == LEDGER_HELD)
		return let_go(c, e, &went, err);
	return campaign_waits(c, e, "is looked at: what has to be changed");
}

static int step_converting(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	p2v_autofree char *why = NULL;
	bool went;

	if (e->job->stage == LEDGER_PROVEN && e->job->status == LEDGER_READY) {
		e->state->proven_s = now_s();
		campaign_step_to(c, e, CAMPAIGN_PROVEN);
		return 0;
	}
	if (e->job->status != LEDGER_HELD)
		return campaign_waits(c, e,
			e->job->stage < LEDGER_CONVERTED ? "is converted"
			: e->job->stage < LEDGER_EMITTED ? "becomes a virtual machine"
							 : "is started in isolation");
	if (e->job->stage == LEDGER_CONVERTED && runbook_approves(e->server, "emission")) {
		why = p2v_strf("waits for approval before the emission: p2v job approve %s",
			e->state->job_name);
		return campaign_waits(c, e, why ? why : "waits for approval");
	}
	return let_go(c, e, &went, err);
}

static int nic_ask(struct guard_question *q, const char *mac, char *const *addresses, size_t n,
	struct p2v_err *err)
{
	int r = mac ? p2v_json_add_str(&q->macs, &q->n_macs, mac, err) : 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = p2v_json_add_str(&q->addresses, &q->n_addresses, addresses[i], err);
	return r;
}

/* Addresses that it had while the agent ran, and those that its system gives itself. */
static int question_make(const struct campaign *c, const struct campaign_entry *e,
	struct guard_question *q, struct p2v_err *err)
{
	const struct machine *machine = campaign_machine_of(c, e->state->job);
	p2v_auto_output struct output output = {0};
	int r = campaign_noun(c, e->state->job, "output.json", &model_output_type, &output, err);

	for (size_t i = 0; r == 0 && machine && i < machine->n_nics; i++)
		r = nic_ask(q, machine->nics[i].mac, machine->nics[i].addresses,
			machine->nics[i].n_addresses, err);
	for (size_t i = 0; r == 0 && i < output.n_nics; i++)
		r = nic_ask(q, output.nics[i].mac, output.nics[i].addresses,
			output.nics[i].n_addresses, err);
	return r;
}

/* True in ret: nobody answers in its place. Asked again and again until then. */
static int guard_look(struct campaign *c, struct campaign_entry *e, bool *ret, struct p2v_err *err)
{
	guard_auto_question struct guard_question q = {0};
	p2v_autofree char *who = NULL, *note = NULL;
	struct p2v_err why = {0};
	int r;

	*ret = false;
	if (e->asked_ms && p2v_now_ms() - e->asked_ms < GUARD_EVERY_MS)
		return 0;
	e->asked_ms = p2v_now_ms();
	r = question_make(c, e, &q, &why);
	if (r == P2V_ELINK || r == P2V_ETIMEDOUT)
		return p2v_err_set(err, r, "%s", why.text);
	if (r == 0)
		r = guard_ask(e->server->cutover.interface, &q, &who, &why);
	if (r == P2V_ECANCELED)
		return 0;
	if (r < 0) {
		campaign_fail(c, e, false, why.text);
		return 0;
	}
	*ret = !who;
	if (!who)
		return 0;
	note = p2v_strf(
		"not handed over: the physical machine still answers (%s): switch it off", who);
	return campaign_waits(c, e, note ? note : "the physical machine still answers");
}

static int handover_begin(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	bool clear = e->state->guarded;
	int r = clear ? 0 : guard_look(c, e, &clear, err);

	if (r < 0 || !clear)
		return r;
	/* Whoever is killed from here on must not take the virtual machine for the physical one. */
	e->state->guarded = c->dirty = true;
	campaign_waits(c, e, "is handed over");
	return hook_begin(c, e, CAMPAIGN_HOOK_HANDOVER, err);
}

static int step_proven(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	int r = 0;

	if (!hook_done(e, CAMPAIGN_HOOK_AFTER))
		return hook_begin(c, e, CAMPAIGN_HOOK_AFTER, err);
	if (!hook_done(e, CAMPAIGN_HOOK_HANDOVER))
		return handover_begin(c, e, err);
	if (e->server->cutover.handover.n_run)
		r = campaign_act(c, e->state->job, "handover", "p2v run", 0, err);
	if (r < 0 && r != P2V_EREFUSED)
		return r;
	p2v_err_clear(err);
	e->state->done_s = now_s();
	campaign_step_to(c, e, CAMPAIGN_DONE);
	return 0;
}

static int step_failed(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	if (e->state->by_job && e->job && e->job->status != LEDGER_FAILED &&
		e->job->status != LEDGER_CANCELLED) {
		campaign_step_to(
			c, e, (enum campaign_step)e->state->back); /* somebody has it tried again */
		return 0;
	}
	return hook_done(e, CAMPAIGN_HOOK_FAILED) ? 0 : hook_begin(c, e, CAMPAIGN_HOOK_FAILED, err);
}

static int step_none(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	(void)c;
	(void)e;
	(void)err;
	return 0;
}

static int (*const steps[])(struct campaign *c, struct campaign_entry *e, struct p2v_err *err) = {
	[CAMPAIGN_WAITING] = step_waiting,
	[CAMPAIGN_COPYING] = step_copying,
	[CAMPAIGN_HOT] = step_hot,
	[CAMPAIGN_FINAL] = step_final,
	[CAMPAIGN_READY] = step_ready,
	[CAMPAIGN_CONVERTING] = step_converting,
	[CAMPAIGN_PROVEN] = step_proven,
	[CAMPAIGN_DONE] = step_none,
	[CAMPAIGN_FAILED] = step_failed,
	[CAMPAIGN_ROLLED] = step_none,
};

/* Its job is gone: it waits for its machine anew. */
static void job_lost(struct campaign *c, struct campaign_entry *e)
{
	struct campaign_server *s = e->state;

	s->job = 0;
	s->hooks = s->passes = 0;
	s->ordered = s->rolled = s->guarded = s->by_job = false;
	s->seen_s = s->copied_s = s->refreshed_s = s->final_s = s->approved_s = s->proven_s = 0;
	free(p2v_steal(s->receipt));
	free(p2v_steal(s->final_receipt));
	campaign_step_to(c, e, CAMPAIGN_WAITING);
	campaign_note(s, "its job was removed");
}

int campaign_entry_step(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	const struct campaign_server *s = e->state;

	if (e->hook.pid)
		return hook_tend(c, e);
	if (s->job && !e->job && s->step != CAMPAIGN_DONE && s->step != CAMPAIGN_ROLLED) {
		job_lost(c, e);
		return 0;
	}
	if (e->job && !campaign_step_rests(s->step) &&
		(e->job->status == LEDGER_FAILED || e->job->status == LEDGER_CANCELLED)) {
		campaign_fail(c, e, true,
			*e->job->reason			     ? e->job->reason
			: e->job->status == LEDGER_CANCELLED ? "cancelled"
							     : "failed");
		return 0;
	}
	if (s->step == CAMPAIGN_COPYING || s->step == CAMPAIGN_HOT || s->step == CAMPAIGN_READY)
		campaign_orders_compare(c, e);
	if (!s->ordered && (s->step == CAMPAIGN_HOT || s->step == CAMPAIGN_READY))
		return campaign_order(c, e, err);
	return steps[s->step](c, e, err);
}
