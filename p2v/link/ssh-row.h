/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_ROW_H
#define P2V_LINK_SSH_ROW_H

/* The rows behind link_ssh_open, and what they share. For ssh*.c alone. */

#include "p2v/link/ssh.h"

#define SSH_OPEN_MS 20000
/* How long the far program may take to end after it has closed its stdout; to say goodbye. */
#define SSH_EXIT_MS  2000
#define SSH_CLOSE_MS 2000

/* An identity that is larger is none. */
#define SSH_IDENTITY_MAX 65536

/* ret_name: the link's name, put before err by the caller. */
int ssh_libssh2_open(
	const struct link_ssh_spec *spec, const char *name, struct link **ret, struct p2v_err *err);
int ssh_openssh_open(
	const struct link_ssh_spec *spec, const char *name, struct link **ret, struct p2v_err *err);

/* The server's host key, once it is the pinned one of spec, as a line of known_hosts for `host`. */
int ssh_libssh2_hostkey(
	const struct link_ssh_spec *spec, const char *host, char **ret_line, struct p2v_err *err);

/* That the file can be read and holds a private key; else P2V_EINVAL. */
int ssh_identity_check(const char *path, struct p2v_err *err);
int ssh_identity_unusable(const char *path, struct p2v_err *err);
int ssh_identity_refused(const char *path, const char *user, struct p2v_err *err);
int ssh_too_late(struct p2v_err *err);
int ssh_command_refused(const char *command, struct p2v_err *err);
/* The user to log in as: the spec's or the one of this process. P2V_EINVAL where neither is. */
int ssh_user(const struct link_ssh_spec *spec, const char **ret_user, struct p2v_err *err);

#endif
