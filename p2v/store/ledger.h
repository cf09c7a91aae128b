/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_LEDGER_H
#define P2V_STORE_LEDGER_H

/*
 * The ledger: how far each job is, who works on it, what is to become of it, and who did what. In
 * SQLite (one conversion server) or PostgreSQL (several that share the work).
 *
 *	waiting -> received -> inspected -> planned -> converted -> emitted -> proven      stage
 *	ready | held | failed | cancelled                                                 status
 *
 * The job directory is the truth about a stage (its noun is there); the ledger is the truth about
 * everything else. A job's directory lies below the base of its pool: whoever serves a pool has its
 * directories, by a shared file system or because he is alone.
 *
 * Fencing: to take a job gives a lease with a number that only ever grows, and a time by the data
 * base's clock after which another may take the job. What is written about a job that is taken
 *names the lease, and is refused (P2V_ECANCELED, nothing changed) where it is no longer the last
 *one.
 *
 * A handle belongs to one thread. Times are seconds since 1970.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

enum ledger_stage {
	LEDGER_WAITING, /* the agent has not sent all */
	LEDGER_RECEIVED,
	LEDGER_INSPECTED,
	LEDGER_PLANNED,
	LEDGER_CONVERTED,
	LEDGER_EMITTED,
	LEDGER_PROVEN,
};
extern const char *const ledger_stage_words[];

enum ledger_status { LEDGER_READY, LEDGER_HELD, LEDGER_FAILED, LEDGER_CANCELLED };
extern const char *const ledger_status_words[];

/* The reason of a proven job that has been handed over. */
#define LEDGER_HANDED_OVER "handed over"

/* What has to be done before anything else. */
enum ledger_wish { LEDGER_NO_WISH, LEDGER_ROLLBACK, LEDGER_RM };
extern const char *const ledger_wish_words[];

/* Where a job waits for an approval. */
enum ledger_gate { LEDGER_GATE_CONVERSION = 1, LEDGER_GATE_EMISSION = 2 };

struct job {
	uint64_t id;
	char *name; /* of the machine and of its directory */
	char *pool;
	char *state;  /* for people: the status where it is not ready, else the stage */
	int stage;    /* enum ledger_stage */
	int status;   /* enum ledger_status */
	char *reason; /* why it waits, is held or has failed; or "" */
	uint32_t gates, priority, tries;
	int wish;	       /* enum ledger_wish */
	uint64_t not_before_s; /* it is not taken until then; 0 */
	uint32_t place; /* in the queue of its pool, from 1; 0: not in it, or not asked for */
	bool running;
	char *owner; /* who has it or had it last; or "" */
	uint64_t lease, lease_until_s;
	char *step; /* what the worker says that it does; or "" */
	uint64_t done, total;
	char *unit;
	uint64_t created_s, changed_s;
};
extern const struct p2v_json_type ledger_job_type;

struct jobs {
	uint32_t version; /* 1 */
	uint64_t now_s;	  /* by the data base's clock */
	struct job *jobs;
	size_t n_jobs;
};
extern const struct p2v_json_type ledger_jobs_type;

/* Who did what; never changed and never removed with its job. */
struct event {
	uint64_t id, job; /* job 0: the server itself */
	char *name;
	uint64_t at_s;
	char *who;  /* "operator root", "p2vd host1", ... */
	char *what; /* a word: taken, finished, hold, approve, ... */
	char *text;
};
struct events {
	uint32_t version; /* 1 */
	struct event *events;
	size_t n_events;
	bool more; /* as many as were asked for: there may be later ones */
};
extern const struct p2v_json_type ledger_events_type;

struct ledger;

/* `where`: p2v/store/db.h. Makes what is missing and brings an older schema up to date.
 * P2V_EREFUSED where a newer p2v has written it. */
int store_ledger_open(const char *where, struct ledger **ret, struct p2v_err *err);
void store_ledger_free(struct ledger *ledger);
P2V_DEFINE_CLEANUP(struct ledger *, store_ledger_free);
/* A consistent copy in a new file, while others write. */
int store_ledger_backup(struct ledger *ledger, const char *path, struct p2v_err *err);

/* ---- jobs ---- */

/* Jobs by number, with their places in the queues. */
int store_ledger_jobs(struct ledger *ledger, struct jobs *ret, struct p2v_err *err);
/* By number, or by name (the newest where several pools have one of it); P2V_ENOTFOUND. */
int store_ledger_job(
	struct ledger *ledger, const char *id_or_name, struct job *ret, struct p2v_err *err);

/* What is seen of a job in its directory. */
struct ledger_seen {
	const char *name, *pool;
	enum ledger_stage stage;
	uint32_t gates, priority; /* for a job that is new */
};
/* A job directory was found: makes its job, or brings the stage of one that is waiting, or that
 * went back to waiting (a second pass), up to date; what is under way or past that is left alone.
 * Returns 1 where something changed. */
int store_ledger_seen(struct ledger *ledger, const struct ledger_seen *seen, const char *who,
	struct p2v_err *err);

/* Why a job that is waiting waits; no event. Returns 1 where it was another reason. */
int store_ledger_remark(struct ledger *ledger, const char *pool, const char *name,
	const char *reason, struct p2v_err *err);

/*
 * What an operator may ask for, by its word: hold, approve, retry, cancel, rollback, handover (he
 * has started the machine where it belongs), rm. `text` is
 * his reason, or NULL; ret: the job afterwards. P2V_EREFUSED where the job's state does not allow
 * it, P2V_EINVAL for no such word.
 */
int store_ledger_act(struct ledger *ledger, uint64_t job, const char *action, const char *who,
	const char *text, struct job *ret, struct p2v_err *err);
int store_ledger_priority(struct ledger *ledger, uint64_t job, uint32_t priority, const char *who,
	struct p2v_err *err);

struct ledger_order {
	uint64_t job;
	uint32_t gates; /* that the job waits at, too */
	/* Puts what is ordered into its directory; nobody takes the job meanwhile. */
	int (*place)(void *ctx, struct p2v_err *err);
	void *ctx;
};
/* P2V_EREFUSED where it is past that, or something is done to it now: what is ordered for it has to
 * come before. */
int store_ledger_order(struct ledger *ledger, const struct ledger_order *order, const char *who,
	struct job *ret, struct p2v_err *err);

/* The words, ended by NULL. */
extern const char *const store_ledger_actions[];

/* ---- work ---- */

struct lease {
	uint64_t job, number;
	const char *owner;
};

/*
 * Takes the job that is next: ready (or something is wished of it), of this pool, not taken, its
 * time come; by priority, then by age. wishes_only: what is merely ready waits. One transaction. 1:
 * ret is taken until lease_s from now; 0: there is none.
 */
int store_ledger_take(struct ledger *ledger, const char *owner, const char *pool, uint32_t lease_s,
	bool wishes_only, struct job *ret, struct p2v_err *err);

struct ledger_progress {
	const char *step, *unit;
	uint64_t done, total;
};
/* Keeps it, and says how far it is. ret: the job as it is now: another may have cancelled it. */
int store_ledger_renew(struct ledger *ledger, const struct lease *lease, uint32_t lease_s,
	const struct ledger_progress *progress, struct job *ret, struct p2v_err *err);

struct ledger_outcome {
	enum ledger_stage stage;
	/* ready: go on. It stays held or cancelled where it became so meanwhile; failed stays. */
	enum ledger_status status;
	const char *reason;
	uint32_t tries;
	uint32_t wait_s;  /* nobody takes it for so long */
	bool wish_done;	  /* what was wished for has been done */
	const char *what; /* the event's word; NULL: no event */
};
/* Gives it back. */
int store_ledger_give(struct ledger *ledger, const struct lease *lease,
	const struct ledger_outcome *outcome, struct p2v_err *err);
/* Gives it back for ever: the job is no more. */
int store_ledger_forget(struct ledger *ledger, const struct lease *lease, struct p2v_err *err);
/* Everything that `owner` has is free again: he starts anew, and is alone of his name. Returns how
 * many. */
int store_ledger_release(struct ledger *ledger, const char *owner, struct p2v_err *err);

/* ---- the audit log ---- */

int store_ledger_note(struct ledger *ledger, const struct job *job, const char *who,
	const char *what, const char *text, struct p2v_err *err);
/* At most `most` events after the one with the number `after`, oldest first; job 0: of all. */
int store_ledger_events(struct ledger *ledger, uint64_t job, uint64_t after, uint32_t most,
	struct events *ret, struct p2v_err *err);

void ledger_job_finish(struct job *job);
void ledger_jobs_finish(struct jobs *jobs);
void ledger_events_finish(struct events *events);
#define p2v_auto_job	__attribute__((cleanup(ledger_job_finish)))
#define p2v_auto_jobs	__attribute__((cleanup(ledger_jobs_finish)))
#define p2v_auto_events __attribute__((cleanup(ledger_events_finish)))

#endif
