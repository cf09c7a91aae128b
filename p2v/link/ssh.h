/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_H
#define P2V_LINK_SSH_H

/*
 * A link to a program on another machine through its SSH server.
 *
 * The host key is checked before anything of ours is shown: it must be the pinned one, or stand in
 * the known_hosts file under this host and port. It is never learnt silently.
 *
 *	P2V_EREFUSED   unknown or changed host key (both fingerprints, and what to do); key not
 *		       accepted
 *	P2V_ELINK      unreachable, refused, reset, or lost later
 *	P2V_EINVAL     the identity file cannot be read or is no key
 *	P2V_ENOTFOUND  the far end has no such program (exit status 126, 127; from link_read)
 *
 * When the far program ends with a failure, link_read says so instead of an orderly end, with the
 * last line that it wrote to stderr. A writer learns of it only when what the program had sent
 * before was read, so let somebody read while you write.
 *
 * Two rows do this:
 *
 *	libssh2  in this process; needs nothing installed. Patterns and certificates in known_hosts
 *		 are not used.
 *	openssh  the host's `ssh` as a subprocess: ~/.ssh/config with its aliases and ProxyJump,
 *		 agents, ciphers that libssh2 may lack. Port 22 and no user leave these to the
 *		 configuration. Only known_hosts_file counts, no other list of keys; one for
 *		 port 22 holds for the host's other ports, too. A pinned
 *		 fingerprint is compared over a first connection of libssh2's (once in a process),
 *		 so the server must be reachable without a jump then. The subprocess ends with the
 **thread* that opened the link (p2v/core/proc.h). Call p2v_stop_install or ignore SIGPIPE.
 */

#include "p2v/link/link.h"
#include "p2v/link/ssh-target.h"

enum link_ssh_row {
	LINK_SSH_AUTO, /* by what encrypting costs here: ssh.c */
	LINK_SSH_LIBSSH2,
	LINK_SSH_OPENSSH,
};
/* "auto" (NULL, too), "libssh2", "openssh"; else P2V_EINVAL. */
int link_ssh_row_parse(const char *text, enum link_ssh_row *ret, struct p2v_err *err);

struct link_ssh_spec {
	enum link_ssh_row row;
	const struct link_ssh_target *target; /* target->user NULL: the user of this process */
	/* Private key without passphrase; with openssh also NULL, for those that the user has
	 * configured or that an agent holds. */
	const char *identity_file;
	const char *known_hosts_file; /* or NULL */
	const char *fingerprint;      /* pinned, "SHA256:...", or NULL; one of both is needed */
	const char *command;	      /* a constant, such as "p2v-recv" */
	int connect_timeout_ms;	      /* for all up to the running command; 0: 20 s */
	const char *ciphers, *macs;   /* preferences; NULL: the fastest ones */
};

int link_ssh_open(const struct link_ssh_spec *spec, struct link **ret, struct p2v_err *err);

/* Row, cipher and MAC in use, such as "libssh2 aes128-ctr hmac-sha2-256"; valid until link_free. */
const char *link_ssh_methods(struct link *l);

/* The fingerprint of the key that a server shows now, for a person to compare and confirm. Nothing
 * is authenticated or trusted by this. "SHA256:..." malloc'd. */
int link_ssh_fingerprint(
	const struct link_ssh_target *target, int timeout_ms, char **ret, struct p2v_err *err);

#endif
