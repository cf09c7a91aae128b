/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_QUEUE_H
#define P2V_STORE_QUEUE_H

/*
 * Whose disks may come now. Each receiver is a process of its own and knows of no other, so they
 * meet in the directory below which the jobs lie:
 *
 *	BASE/.limits.json             what p2vd.conf says of transfers; p2vd writes it when it
 *starts BASE/.queue/lock              held while tickets are looked at or changed
 *	BASE/.queue/000000000017.web01   a ticket: its number, and the job that it is for
 *
 * A ticket is alive while its receiver holds a lock on it, so what is killed waits no longer and
 * reserves nothing. It stays for a while all the same: whoever connects again for the job has his
 * old place. A ticket that is admitted names how many bytes its transfer needs; what of that is not
 * yet written is reserved for it.
 *
 * Where there are no limits there is no queue.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

#define STORE_LIMITS ".limits.json"
#define STORE_QUEUE  ".queue"

struct store_limits {
	uint32_t version;	  /* 1 */
	uint32_t receivers;	  /* transfers at once; 0: any number */
	uint64_t keep_free_bytes; /* that no transfer may count on */
	uint64_t quota_bytes;	  /* of all jobs together; 0: none */
	uint64_t job_quota_bytes; /* of one; 0: none */
	/* How long one that there is no room for is passed by others; 0: for ever. */
	uint32_t patience_s;
};

/* P2V_ENOTFOUND: no p2vd has said any. */
int store_limits_load(const char *base, struct store_limits *ret, struct p2v_err *err);
int store_limits_save(const char *base, const struct store_limits *limits, struct p2v_err *err);

struct store_queue;

/* Takes a ticket for a job, or the one that it had. One at a time holds a job's directory, and only
 * he may call this. */
int store_queue_enter(
	const char *base, const char *job, struct store_queue **ret, struct p2v_err *err);
/* The place is kept for a while, unless `done`. NULL is fine. */
void store_queue_leave(struct store_queue *queue, bool done);

struct store_turn {
	bool admitted;	/* it stays so */
	uint32_t place; /* else: from 1 */
	char text[256]; /* why it waits, for people */
};
/*
 * Whether it may send now, `need_bytes` more than its job has. In the order of their numbers; only
 * one that there is no room for is passed by those that there is room for. When it has waited for
 * room as long as patience_s it is passed no more: what gets free is kept for it; unless it needs
 * more than there is in all, for that would keep everybody waiting for nothing.
 */
int store_queue_look(struct store_queue *queue, const struct store_limits *limits,
	uint64_t need_bytes, struct store_turn *ret, struct p2v_err *err);

/* What transfers that are under way may still write. */
uint64_t store_queue_reserved(const char *base);
/* Calls see for each ticket that is alive, in order; place 0: it is admitted. */
int store_queue_list(const char *base,
	int (*see)(void *ctx, const char *job, uint32_t place, struct p2v_err *err), void *ctx,
	struct p2v_err *err);

/* Bytes on disk of what lies below dir; links are not followed. */
uint64_t store_dir_bytes(const char *dir);

#endif
