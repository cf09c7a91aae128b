/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_KEY_H
#define P2V_CONTROL_KEY_H

/*
 * Which SSH keys agents may come with: lines of an authorized_keys file (sshd(8)) that is p2vd's. A
 * key starts p2v-recv and nothing else; it has a name, for people, and may end on a day or be good
 * from some addresses alone. sshd reads the file at each login: a key that is revoked is so at
 * once.
 */

#include "p2v/core/json.h"

struct key {
	char *name, *type;
	char *fingerprint;  /* SHA256:..., as ssh-keygen -l has it */
	char *from, *until; /* addresses as sshd(8) takes them; YYYYMMDD; or NULL */
};
extern const struct p2v_json_type control_key_type;

struct keys {
	uint32_t version; /* 1 */
	struct key *keys;
	size_t n_keys;
};
extern const struct p2v_json_type control_keys_type;

/* What is asked for: a public key as ssh-keygen(1) writes it. */
struct key_request {
	char *name, *public_key, *from, *until;
};
extern const struct p2v_json_type control_key_request_type;

struct key_revoke {
	char *key; /* its name or fingerprint */
};
extern const struct p2v_json_type control_key_revoke_type;

/* One line of such a file. P2V_ENOTFOUND: none (blank, a comment); P2V_EFORMAT: no key. */
int control_key_parse(const char *line, size_t n, struct key *ret, struct p2v_err *err);
/* base: of the jobs. P2V_EINVAL; P2V_EEXIST: the name or the key is there. One at a time writes. */
int control_key_add(const char *path, const char *base, const struct key_request *request,
	struct key *ret, struct p2v_err *err);
/* ret_text: what was taken out, malloc'd. P2V_ENOTFOUND. */
int control_key_revoke(const char *path, const char *key, char **ret_text, struct p2v_err *err);
int control_key_list(const char *path, struct keys *ret, struct p2v_err *err);
void control_keys_finish(struct keys *keys);
#define p2v_auto_keys __attribute__((cleanup(control_keys_finish)))

#endif
