/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_STATUS_H
#define P2V_STORE_STATUS_H

/*
 * JOB/status.json: what p2vd has to say of a job to those who may see its directory and not the
 * ledger, which is p2v-recv on behalf of an agent that stays to watch. It is no noun: it is not
 * durable, and nothing follows from it. Its time is when p2vd last looked at the job.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/json.h"

#define STORE_STATUS "status.json"

struct store_status {
	uint32_t version;  /* 1 */
	const char *state; /* struct job's */
	bool running;
	const char *step;   /* what its worker does; or NULL */
	const char *reason; /* why it waits, is held or has failed; or NULL */
	uint64_t done, total;
};

/* P2V_ENOTFOUND: no p2vd has seen it. */
int store_status_load(const char *dir, struct store_status *ret, struct p2v_err *err);
/* The texts are lent. Whoever may read the directory may read it. */
int store_status_write(const char *dir, const struct store_status *status, struct p2v_err *err);
/* "I looked at it again." Nothing where there is none. */
void store_status_touch(const char *dir);
/* How long ago that was; UINT64_MAX where there is none. */
uint64_t store_status_age_s(const char *dir);
void store_status_drop(const char *dir);
void store_status_finish(struct store_status *status);
#define p2v_auto_status __attribute__((cleanup(store_status_finish)))

#endif
