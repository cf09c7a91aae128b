/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_HOSTKEY_H
#define P2V_LINK_SSH_HOSTKEY_H

/*
 * Is this the server that we mean? The one place that decides it. For ssh-*.c alone.
 *
 * A server has several host keys of different kinds and shows one, which the client may choose. So
 * the kinds under which the host stands in known_hosts are asked for first; and a pinned
 * fingerprint, which does not say its kind, is looked for with one connection per kind (`round`).
 *
 * known_hosts as OpenSSH writes it, hashed names too. Under port 22 a host stands with its plain
 * name, under another as [name]:port; an entry for one port is none for another. Lines marked
 * @revoked are heeded, for whatever host they stand; lines marked @cert-authority, names with "!"
 * and patterns ("*", "?") are not used.
 */

#include <libssh2.h>

#include "p2v/link/ssh.h"

#define SSH_HOSTKEY_ROUNDS 5

struct ssh_known {
	LIBSSH2_KNOWNHOSTS *known, *revoked; /* freed before the session */
	char *host;			     /* as known_hosts writes it */
};

/* Reads spec->known_hosts_file (NULL: nothing is known). */
int ssh_known_load(struct ssh_known *k, LIBSSH2_SESSION *session, const struct link_ssh_spec *spec,
	struct p2v_err *err);
void ssh_known_finish(struct ssh_known *k);

/* Before the handshake: which kind of key to ask for. A pinned key asks for kind `round` alone. */
int ssh_hostkey_prefer(struct ssh_known *k, LIBSSH2_SESSION *session,
	const struct link_ssh_spec *spec, unsigned round, struct p2v_err *err);
/* After the handshake, before anything else: 0, or P2V_EREFUSED. */
int ssh_hostkey_check(struct ssh_known *k, LIBSSH2_SESSION *session,
	const struct link_ssh_spec *spec, struct p2v_err *err);

/* The sentence of ssh_hostkey_check, for a key that somebody else did not accept: of kind `wire`
 * ("ssh-ed25519"), with this fingerprint. */
int ssh_hostkey_refuse(
	const struct link_ssh_spec *spec, const char *wire, const char *shown, struct p2v_err *err);
/* The key that was shown as a line of known_hosts, for `host`. malloc'd; NULL: no key, no memory.
 */
char *ssh_hostkey_line(LIBSSH2_SESSION *session, const char *host);

/* "SHA256:..." of the key that was shown, as ssh-keygen -l prints it. */
#define SSH_FINGERPRINT_MAX 64
int ssh_hostkey_fingerprint(
	LIBSSH2_SESSION *session, char out[SSH_FINGERPRINT_MAX], struct p2v_err *err);

#endif
