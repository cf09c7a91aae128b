/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_RUNBOOK_H
#define P2V_RUNBOOK_RUNBOOK_H

/*
 * A runbook: which servers become virtual machines in which order, and what each is to become. YAML
 * that people write; a table and a page of rules (rule.h) are its reader, its check and its
 * published JSON schema.
 *
 *	name: spring
 *	defaults:
 *	  window: sat,sun 20:00-06:00
 *	waves:
 *	- name: web
 *	  servers:
 *	  - name: web01
 *	    match: {serial: CZ1234}
 *	    memory: 8G
 */

#include <stdio.h>

#include "p2v/control/window.h"
#include "p2v/core/json.h"
#include "p2v/model/orders.h"

/* A machine is the one meant where all that is said here is true of it; nothing said: its name is.
 */
struct runbook_match {
	char *serial, *uuid, *mac, *name;
};

/* A program with its arguments: no shell. What it gets on its standard input: hook.h. */
struct runbook_hook {
	char **run;
	size_t n_run;
	uint32_t timeout_s; /* 0: 600 */
};

struct runbook_hooks {
	struct runbook_hook before; /* before the conversion begins */
	struct runbook_hook after;  /* once it is proven */
	struct runbook_hook failed;
};

/* The outage is the last pass and what follows, where earlier ones copied the running server. */
struct runbook_cutover {
	uint32_t refresh_min;	      /* how often `refresh` is run until the last pass; 0: never */
	struct runbook_hook refresh;  /* sends what has changed while the server runs */
	struct runbook_hook final;    /* stops the server and has it send its last pass */
	struct runbook_hook handover; /* starts the virtual machine where it belongs */
	struct runbook_hook rollback; /* stops it there again */
	char *interface; /* of this host, where the physical machine must not answer then */
};

struct runbook_server {
	char *name;
	struct runbook_match match;
	char *target, *format, *root, *memory, *bandwidth;
	char *virtio_win, *virtio_win_digest;
	uint32_t cpus, priority;
	char **leave_out, **keys, **window, **approve;
	size_t n_leave_out, n_keys, n_window, n_approve;
	struct orders_network *networks;
	size_t n_networks;
	struct orders_check *checks;
	size_t n_checks;
	char *size; /* what is used on its disks, and what its link gives in a second: for */
	char *rate; /* the estimate alone, until it has been copied once */
	struct runbook_hooks hooks;
	struct runbook_cutover cutover;
};

struct runbook_wave {
	char *name;
	bool go_on; /* the next wave begins although one of this has failed */
	struct runbook_server *servers;
	size_t n_servers;
};

struct runbook {
	uint32_t version; /* 1, or absent */
	char *name;
	struct runbook_server
		defaults; /* for what a server does not say itself; no name, no match */
	struct runbook_wave *waves;
	size_t n_waves;
};

extern const struct p2v_json_type runbook_type, runbook_server_type, runbook_match_type,
	runbook_wave_type, runbook_hook_type, runbook_cutover_type;

/* Every wrong thing is P2V_EFORMAT with its line, the server's name and what is right. What comes
 * is whole: defaults are filled in. */
int runbook_decode(const void *text, size_t n, struct runbook *ret, struct p2v_err *err);
int runbook_load(const char *path, struct runbook *ret, struct p2v_err *err);
void runbook_finish(struct runbook *runbook);
#define p2v_auto_runbook __attribute__((cleanup(runbook_finish)))

/* Whether a person has to approve of it before `point`: final, conversion, emission. */
bool runbook_approves(const struct runbook_server *server, const char *point);
/* There is a pass before the last one. */
bool runbook_cuts_over(const struct runbook_server *server);
/* What the conversion server is told. The orders are empty before; `hold` always has the
 * conversion: whoever runs the runbook opens that gate. */
int runbook_orders(const struct runbook_server *server, struct orders *ret, struct p2v_err *err);
/* The JSON schema (draft 2020-12) of a runbook, as JSON or YAML reads it. */
int runbook_schema(struct p2v_buf *out, struct p2v_err *err);
/* p2v-runbook(5). */
int runbook_manual(FILE *out, struct p2v_err *err);

#endif
