/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_LOG_H
#define P2V_LINK_SSH_LOG_H

/*
 * What OpenSSH's client says, and what the far program says on stderr. Two pipes, and a thread that
 * reads both all the time, so that neither program waits. For ssh-openssh.c alone.
 *
 * The client is told to log at DEBUG1 to `log_fd`, apart from stderr (-E). Its lines are for
 * people and may change: what is not recognised is kept as the last words, nothing more. Whether
 * the server and the user are who they should be is decided in the client, not by these lines.
 */

#include <stdbool.h>

#include "p2v/core/err.h"
#include "p2v/link/link.h"

#define SSH_LOG_WORD 128

struct ssh_log_facts {
	bool authenticated;  /* the far command is being run */
	bool host_refused;   /* the host key is not the known one */
	bool key_accepted;   /* the server would take the key */
	bool exited, killed; /* the far program: with a status; by a signal */
	bool command_refused;
	char key_kind[SSH_LOG_WORD], fingerprint[SSH_LOG_WORD]; /* the host key, as shown */
	char cipher[SSH_LOG_WORD], mac[SSH_LOG_WORD];
	char last[LINK_WORDS_MAX];  /* the client's last words */
	char words[LINK_WORDS_MAX]; /* the far program's */
};

struct ssh_log;

int ssh_log_new(struct ssh_log **ret, struct p2v_err *err);
/* Ends the thread, too. NULL is fine. */
void ssh_log_free(struct ssh_log *log);
/* The ends to write to, for the client; the log keeps them until it is told. */
int ssh_log_stderr_fd(const struct ssh_log *log);
int ssh_log_fd(const struct ssh_log *log);
/* Waits until the user is authenticated, timeout_ms at most. */
bool ssh_log_wait(struct ssh_log *log, int timeout_ms);
/* The client has ended: reads what it left behind, and ends the thread. */
void ssh_log_stop(struct ssh_log *log);
void ssh_log_facts(struct ssh_log *log, struct ssh_log_facts *ret);

#endif
