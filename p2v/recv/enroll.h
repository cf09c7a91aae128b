/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_ENROLL_H
#define P2V_RECV_ENROLL_H

/*
 * Who calls, and whether he may send: PROTOCOL.md, "Enrolment". sshd has proved that the caller has
 * the key; what the key may do is decided here.
 */

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/core/span.h"
#include "p2v/model/machine.h"
#include "p2v/recv/peer.h"

struct recv_caller {
	char *key;     /* "ssh-ed25519 AAAA..."; NULL: sshd lets only known ones in, or it is one */
	char *address; /* or NULL */
};

/* keys: recv_spec's. Out of what sshd says in the environment: SSH_USER_AUTH and SSH_CONNECTION. */
int recv_caller_read(const char *keys, struct recv_caller *ret, struct p2v_err *err);
void recv_caller_finish(struct recv_caller *caller);

/* Whether a line of authorized_keys is of the key "TYPE BLOB". For tests, too. */
bool recv_keys_have(struct p2v_span text, const char *key);

/* What sshd's AuthorizedKeysCommand prints for a key; "" where it opens nothing. */
int recv_key_line(const char *base, const char *keys, const char *type, const char *blob,
	struct p2v_buf *out, struct p2v_err *err);

/* Keeps the agent waiting until people have said what the machine is called (ret_name, malloc'd).
 * P2V_EREFUSED: they have not, in time. */
int recv_enroll(struct peer *peer, const char *base, const struct recv_caller *caller,
	const struct machine *m, char **ret_name, struct p2v_err *err);
/* What it was called when it was let in; P2V_EREFUSED: it was not. */
int recv_enrolled_name(struct peer *peer, const char *base, const struct recv_caller *caller,
	char **ret_name, struct p2v_err *err);

#endif
