/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_CAMPAIGN_H
#define P2V_RUNBOOK_CAMPAIGN_H

/*
 * A runbook under way: finds the machines that its servers mean, gives p2vd their orders, and opens
 * the gates when it is their turn.
 *
 *	waiting -> copying -> [hot -> final ->] ready -> converting -> proven -> done
 *
 * A turn looks at every server once and never waits: what has to be waited for is asked again at
 * the next turn. All that must outlive a kill is in the state beside the runbook (state.h), which
 * is written before what follows from it is begun.
 *
 * Its turn: all servers of the earlier waves are done (or have failed, where their wave says
 * go_on), and its window is open. Copies and their refreshes do not wait for that.
 */

#include "p2v/model/machine.h"
#include "p2v/runbook/hook.h"
#include "p2v/runbook/state.h"
#include "p2v/store/ledger.h"

/* How p2vd is asked: its API, whichever way it is reached. */
struct campaign_door {
	int (*call)(void *ctx, const char *method, const char *path, const char *json,
		struct p2v_buf *ret, struct p2v_err *err);
	void *ctx;
};

/* Which servers are wanted this time: names of waves or servers. */
struct campaign_wanted {
	const char *from; /* this wave and later ones; or NULL */
	const char *const *only, *const *skip;
	size_t n_only, n_skip;
};

struct campaign_entry {
	const struct runbook_wave *wave;
	const struct runbook_server *server;
	struct campaign_server *state;
	bool wanted;
	bool compared;	       /* its orders with the runbook, by this process */
	const struct job *job; /* in this turn, or NULL */
	struct campaign_hook_run hook;
	uint64_t asked_ms;    /* when the guard looked last */
	uint64_t pass_from_s; /* when the pass that is awaited was begun; 0: not by us */
};

struct campaign_machine {
	uint64_t job;
	struct machine machine;
};

struct campaign {
	const struct runbook *book;
	const char *path; /* of the runbook */
	const struct campaign_door *door;
	struct campaign_state state;
	bool dirty; /* the state, since it was written */
	struct campaign_entry *entries;
	size_t n_entries;
	struct campaign_machine *machines; /* that have called in */
	size_t n_machines;
	struct jobs jobs; /* of this turn */
	char *base;	  /* where p2vd has the job directories; or NULL */
	int log_fd;
};

/* book and path live as long as the campaign. P2V_EINVAL: a name in wanted is none. */
int campaign_begin(struct campaign *c, const struct runbook *book, const char *path,
	const struct campaign_door *door, const struct campaign_wanted *wanted,
	struct p2v_err *err);
/* Ends hooks that run: they are begun anew the next time. */
void campaign_finish(struct campaign *c);
#define p2v_auto_campaign __attribute__((cleanup(campaign_finish)))

/* ret_rests: nothing more will happen by itself. An error is of the server or the disk, and the
 * next turn may do better; what is wrong with one of the servers is in its state. */
int campaign_turn(struct campaign *c, bool *ret_rests, struct p2v_err *err);
/* Jobs and machines as they are now, without doing anything. */
int campaign_look(struct campaign *c, struct p2v_err *err);
/* Servers that have failed or were rolled back go on where they were. */
int campaign_retry(struct campaign *c, struct p2v_err *err);
/* Back to the disks as they were received, to the end. P2V_EREFUSED: there is nothing to bring
 * back. */
int campaign_rollback(struct campaign *c, struct campaign_entry *e, struct p2v_err *err);

struct campaign_entry *campaign_find(struct campaign *c, const char *server);
const struct machine *campaign_machine_of(const struct campaign *c, uint64_t job);
/* In what campaign_look saw; NULL: there is none. */
const struct job *campaign_job(const struct campaign *c, uint64_t id);
/* Its machine, where it has called in already, though nobody has said so yet. */
const struct campaign_machine *campaign_candidate(
	const struct campaign *c, const struct campaign_entry *e);
/* Another one that it may mean as well, or NULL: then a person has to say which. */
const struct campaign_machine *campaign_rival(
	const struct campaign *c, const struct campaign_entry *e);
/* What stands before it: the name of a wave that is not done, or NULL. */
const char *campaign_blocked_by(const struct campaign *c, const struct campaign_entry *e);
/* Nothing more will happen by itself: all are done, or what failed keeps the rest from beginning.
 */
bool campaign_rests(const struct campaign *c);

/* ---- asking p2vd ---- */

/* GET into obj (zeroed). */
int campaign_get(const struct campaign *c, const char *path, const struct p2v_json_type *type,
	void *obj, struct p2v_err *err);
/* All that happened to a job. */
int campaign_history(
	const struct campaign *c, uint64_t job, struct events *ret, struct p2v_err *err);
/* A noun of a job: "receipt", "machine.json". P2V_ENOTFOUND: it is not there (yet). */
int campaign_noun(const struct campaign *c, uint64_t job, const char *noun,
	const struct p2v_json_type *type, void *obj, struct p2v_err *err);
int campaign_act(const struct campaign *c, uint64_t job, const char *action, const char *reason,
	uint32_t priority, struct p2v_err *err);
int campaign_save(struct campaign *c, struct p2v_err *err);

/* ---- for the steps (step.c) ---- */

/* How the reasons begin that we give p2vd. */
#define CAMPAIGN_OURS "p2v run: "

int campaign_entry_step(struct campaign *c, struct campaign_entry *e, struct p2v_err *err);
bool campaign_step_rests(int step);
void campaign_step_to(struct campaign *c, struct campaign_entry *e, enum campaign_step step);
/* Why it waits: written down only where it is another reason than before. Returns 0. */
int campaign_waits(struct campaign *c, struct campaign_entry *e, const char *why);
/* by_job: because its job has failed, so that it goes on with that. */
void campaign_fail(struct campaign *c, struct campaign_entry *e, bool by_job, const char *why);

/* ---- orders (order.c) ---- */

/* Gives p2vd its orders; state->ordered once they are there. Asked again until then. */
int campaign_order(struct campaign *c, struct campaign_entry *e, struct p2v_err *err);
/* The first time that it is called: one that the runbook says something else of by now has no
 * orders. */
void campaign_orders_compare(struct campaign *c, struct campaign_entry *e);
/* One that is to go on after it had failed or was rolled back, likewise: it is brought back to what
 * was received, as orders are for what has not been converted. */
int campaign_orders_renew(struct campaign *c, struct campaign_entry *e, struct p2v_err *err);
/* Held before it comes to the gate of the conversion: rolled back. To approve it opens no gate. */
bool campaign_job_brought_back(const struct job *job);

#endif
