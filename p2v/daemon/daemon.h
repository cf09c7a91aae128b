/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DAEMON_DAEMON_H
#define P2V_DAEMON_DAEMON_H

/*
 * p2vd's work: finds jobs below its base, takes them from the ledger, runs their stages as
 * programs, and writes down how they ended. It reads neither what agents send nor guests' file
 * systems.
 *
 * It may be killed at any moment: its programs die with it, each repeats or continues what its
 * predecessor began, and what the ledger has as taken by this host is free again at the next start.
 * It ends in order on a stop request (p2v/core/stop.h).
 */

#include "p2v/control/config.h"

struct daemon_spec {
	const struct server_config *config;
	/* Readable where somebody wrote to the ledger: it is looked at now. -1: none. */
	int poke_fd;
	/* A line for the system's log. */
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

/* Runs until a stop is requested (0). P2V_EREFUSED: another p2vd serves this host. */
int daemon_run(const struct daemon_spec *spec, struct p2v_err *err);

#endif
