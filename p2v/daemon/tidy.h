/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DAEMON_TIDY_H
#define P2V_DAEMON_TIDY_H

/* What p2vd does beside running stages: it says to receivers what they may take, to people why a
 * machine is not received yet, and lets go of jobs whose time is over. */

#include "p2v/control/config.h"

/* p2vd.conf's limits, for receivers below base. */
int daemon_limits_say(const struct server_config *config, struct p2v_err *err);

/* Whose disks come, and who waits to send his, as it was a moment ago. */
struct daemon_arrival {
	char *job;
	uint32_t place; /* 0: it is being received */
};
struct daemon_arrivals {
	struct daemon_arrival *items;
	size_t n;
};
int daemon_arrivals_read(const char *base, struct daemon_arrivals *ret, struct p2v_err *err);
void daemon_arrivals_finish(struct daemon_arrivals *arrivals);
/* Why a job that is waiting waits; malloc'd, NULL for want of memory. */
char *daemon_arrival_reason(
	const struct daemon_arrivals *arrivals, const char *base, const char *job);

/* By the rules of config->retention. What they take out is removed like what people remove: by who
 * takes the job next. Returns how many. */
int daemon_tidy(const struct server_config *config, struct ledger *ledger, struct p2v_err *err);

#endif
