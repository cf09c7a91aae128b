/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_UNIT_LINK_SERVER_H
#define P2V_TESTS_UNIT_LINK_SERVER_H

/* A private sshd (tests/e2e/lib/sshd.py) in a directory of its own. */

#include <stdio.h>
#include <sys/types.h>

#include "p2v/link/ssh.h"

struct server {
	pid_t pid;
	FILE *in, *out;
	char *dir;
	char target[128], identity[128], known_hosts[128], fingerprint[128];
	struct link_ssh_target parsed;
	struct link_ssh_spec spec; /* as a right user would give it: by known_hosts */
};

/* script: the path of sshd.py. config: one line more for sshd_config. Fails the test on error. */
void server_start(struct server *s, const char *script, const char *command, const char *config);
void server_kill(struct server *s); /* the daemon and all sessions, at once */
void server_stop(struct server *s);

#endif
