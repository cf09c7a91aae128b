/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_TOKEN_H
#define P2V_CONTROL_TOKEN_H

/*
 * Who may ask over the network. A token is 32 random bytes; the file holds a line for each: role,
 * name, and the SHA-256 of the token, so that who reads it has no token. It is read for each
 * request: a token that is revoked is so at once.
 */

#include "p2v/control/api.h"

#define CONTROL_TOKEN_BYTES 65 /* as text, with its NUL */

struct token {
	char *role, *name;
};
struct tokens {
	uint32_t version; /* 1 */
	struct token *tokens;
	size_t n_tokens;
};
extern const struct p2v_json_type control_tokens_type;

/* "viewer", "operator", "admin"; P2V_EINVAL. */
int control_role_parse(const char *word, enum api_role *ret, struct p2v_err *err);

/* Adds one of this name; ret is the only copy of it. P2V_EEXIST. One at a time writes the file. */
int control_token_add(const char *path, enum api_role role, const char *name,
	char ret[CONTROL_TOKEN_BYTES], struct p2v_err *err);
int control_token_revoke(const char *path, const char *name, struct p2v_err *err);
int control_token_list(const char *path, struct tokens *ret, struct p2v_err *err);
/* P2V_EREFUSED: nobody's. ret_name: malloc'd. */
int control_token_check(const char *path, const char *token, enum api_role *ret_role,
	char **ret_name, struct p2v_err *err);

#endif
