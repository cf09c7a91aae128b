/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_STATE_H
#define P2V_RUNBOOK_STATE_H

/*
 * How far a campaign is: RUNBOOK.state.json beside the runbook, written by rename at each step. It
 * holds only what cannot be asked for again: the jobs on the server are the truth about themselves.
 * Times are seconds since 1970; 0: not yet.
 */

#include "p2v/core/json.h"

enum campaign_step {
	CAMPAIGN_WAITING,    /* no machine that matches has called in */
	CAMPAIGN_COPYING,    /* its disks are on their way, or looked at */
	CAMPAIGN_HOT,	     /* they are there; it still runs, and is refreshed */
	CAMPAIGN_FINAL,	     /* its last pass is on the way: the outage has begun */
	CAMPAIGN_READY,	     /* all is there; waits for its wave, its window, a person */
	CAMPAIGN_CONVERTING, /* and being proven */
	CAMPAIGN_PROVEN,     /* being handed over */
	CAMPAIGN_DONE,
	CAMPAIGN_FAILED,
	CAMPAIGN_ROLLED, /* rolled back on request: rests until it is retried */
};
extern const char *const campaign_step_words[];

struct campaign_server {
	char *name;
	int step; /* enum campaign_step */
	int back; /* where one that failed goes on */
	uint64_t job;
	char *job_name;
	char *note;  /* why it waits or has failed, for people; or NULL */
	bool by_job; /* it failed because its job did */
	bool ordered;
	bool rolled;	/* it had gone on without its orders, and was brought back for them */
	bool guarded;	/* nobody answered in its place, and its handover was begun */
	uint32_t hooks; /* done, a bit each (hook.h) */
	uint32_t passes;
	uint64_t pass_ms;	       /* how long the last one took */
	char *receipt, *final_receipt; /* when the last pass ended, and the last hot one */
	uint64_t seen_s, copied_s, refreshed_s, final_s, approved_s, proven_s, done_s;
};

struct campaign_state {
	uint32_t version; /* 1 */
	char *name;	  /* of the runbook */
	uint64_t began_s, ended_s;
	struct campaign_server *servers; /* in the runbook's order */
	size_t n_servers;
};
extern const struct p2v_json_type campaign_state_type;

/* The state beside the runbook; an empty one where there is none yet. P2V_EREFUSED: it is of
 * another runbook. */
int campaign_state_load(const char *runbook_path, const char *name, struct campaign_state *ret,
	struct p2v_err *err);
int campaign_state_save(
	const struct campaign_state *state, const char *runbook_path, struct p2v_err *err);
void campaign_state_finish(struct campaign_state *state);
#define p2v_auto_campaign_state __attribute__((cleanup(campaign_state_finish)))

/* The server's state, added where it is new; NULL for want of memory. */
struct campaign_server *campaign_server_of(struct campaign_state *state, const char *name);
/* Replaces its note; NULL: none. */
void campaign_note(struct campaign_server *server, const char *text);

/* One p2v run at a time works on a runbook: P2V_EREFUSED. ret_fd: the lock, to be closed. */
int campaign_lock(const char *runbook_path, int *ret_fd, struct p2v_err *err);
/* A person has said that the server's last pass may begin: a line "TIME NAME" in
 * RUNBOOK.approved. */
int campaign_approve(const char *runbook_path, const char *server, struct p2v_err *err);
/* Whether somebody has since then. */
bool campaign_approved(const char *runbook_path, const char *server, uint64_t since_s);

/* RUNBOOK less its .yaml or .yml, with this at its end: "weekend" ".state.json"; and its folder. */
int campaign_file(const char *runbook_path, const char *suffix, char **ret_dir, char **ret_name,
	struct p2v_err *err);

#endif
