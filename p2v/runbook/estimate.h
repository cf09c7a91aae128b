/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_ESTIMATE_H
#define P2V_RUNBOOK_ESTIMATE_H

/*
 * How long a server will be away: its copy (or where it was copied before, its last pass), its
 * conversion and its proof. What was seen goes before what is assumed: a pass that was made before
 * what the runbook says of size and rate; jobs that were proven on this server before the
 * assumption.
 */

#include "p2v/runbook/campaign.h"

#define ESTIMATE_RATE_BYTES (UINT64_C(100) << 20) /* a second, where nothing is said */

/* How long the conversion server takes. */
struct campaign_pace {
	uint64_t convert_s, prove_s;
	size_t n_jobs; /* that this was seen with; 0: it is assumed */
};
int campaign_pace_learn(const struct campaign *c, struct campaign_pace *ret, struct p2v_err *err);

struct campaign_estimate {
	bool known;	/* else nothing says how much there is to copy */
	bool seen;	/* a pass of it was made */
	uint64_t bytes; /* 0: not known */
	uint64_t copy_s;
	uint64_t last_s; /* its last pass; where there is only one, that */
	uint64_t outage_s;
};
struct campaign_estimate campaign_estimate(
	const struct campaign *c, const struct campaign_entry *e, const struct campaign_pace *pace);

/* What the disks of a machine hold at most. */
uint64_t campaign_disk_bytes(const struct machine *machine);

#endif
