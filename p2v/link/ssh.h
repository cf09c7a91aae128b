/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_H
#define P2V_LINK_SSH_H

/*
 * A link to a program on another machine through its SSH server.
 *
 * The host key is checked before anything of ours is shown: it must be the pinned one, or stand in
 * the known_hosts file under this host and port. It is never learnt silently.
 *
 *	P2V_EREFUSED  unknown or changed host key (both fingerprints, and what to do); key not
 *accepted P2V_ELINK     unreachable, refused, reset, or lost later P2V_EINVAL    the identity file
 *cannot be read or is no key P2V_ENOTFOUND the far end has no such program (exit status 126, 127;
 *from link_read)
 *
 * When the far program ends with a failure, link_read says so instead of an orderly end, with the
 * last line that it wrote to stderr. A writer learns of it only when what the program had sent
 * before was read, so let somebody read while you write.
 */

#include "p2v/link/link.h"
#include "p2v/link/ssh-target.h"

struct link_ssh_spec {
	const struct link_ssh_target *target; /* target->user NULL: the user of this process */
	const char *identity_file;	      /* private key without passphrase */
	const char *known_hosts_file;	      /* or NULL */
	const char *fingerprint;    /* pinned, "SHA256:...", or NULL; one of both is needed */
	const char *command;	    /* a constant, such as "p2v-recv" */
	int connect_timeout_ms;	    /* for all up to the running command; 0: 20 s */
	const char *ciphers, *macs; /* preferences; NULL: the fastest that libssh2 has */
};

int link_ssh_open(const struct link_ssh_spec *spec, struct link **ret, struct p2v_err *err);

/* Cipher and MAC in use, such as "aes128-ctr hmac-sha2-256"; valid until link_free. */
const char *link_ssh_methods(struct link *l);

/* The fingerprint of the key that a server shows now, for a person to compare and confirm. Nothing
 * is authenticated or trusted by this. "SHA256:..." malloc'd. */
int link_ssh_fingerprint(
	const struct link_ssh_target *target, int timeout_ms, char **ret, struct p2v_err *err);

#endif
