/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/token.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/random.h>

#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/model/check.h"

#define FILE_MOST  ((size_t)256 << 10)
#define KEY_BYTES  32
#define HASH_BYTES 32

static const char *const role_words[] = {"viewer", "operator", "admin"};

static const struct p2v_json_field token_fields[] = {
	P2V_JSON_STR(struct token, role, 0),
	P2V_JSON_STR(struct token, name, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type token_type = {"token", sizeof(struct token), token_fields};
static const struct p2v_json_field tokens_fields[] = {
	P2V_JSON_U32(struct tokens, version, 0),
	P2V_JSON_OBJS(struct tokens, tokens, 0, &token_type),
	P2V_JSON_END,
};
const struct p2v_json_type control_tokens_type = {"tokens", sizeof(struct tokens), tokens_fields};

int control_role_parse(const char *word, enum api_role *ret, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(role_words); i++)
		if (strcmp(role_words[i], word) == 0) {
			*ret = (enum api_role)i;
			return 0;
		}
	return p2v_err_set(
		err, P2V_EINVAL, "'%.40s' is no role: viewer, operator and admin are", word);
}

static int hash_of(const char *token, char ret_hex[2 * HASH_BYTES + 1], struct p2v_err *err)
{
	uint8_t hash[HASH_BYTES];

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, token, strlen(token), hash) < 0)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "SHA-256 is not to be had");
	p2v_hex(hash, sizeof(hash), ret_hex);
	return 0;
}

struct line {
	struct p2v_span role, name, hash, all;
};

/* The next line that is one; a comment or a damaged one gives nobody anything. */
static bool line_next(struct p2v_span *rest, struct line *ret)
{
	struct p2v_span line;

	while (p2v_line_next(rest, &line)) {
		struct p2v_span words = line, more;
		struct line got = {.all = line};

		if (!p2v_span_starts(line, "#") && p2v_word_next(&words, &got.role) &&
			p2v_word_next(&words, &got.name) && p2v_word_next(&words, &got.hash) &&
			!p2v_word_next(&words, &more)) {
			*ret = got;
			return true;
		}
	}
	return false;
}

/* A file that is not there has no tokens. */
static int file_read(const char *path, struct p2v_buf *ret, struct p2v_err *err)
{
	int r = p2v_file_exists(path) ? p2v_file_read(path, FILE_MOST, ret, err) : 0;

	p2v_buf_add_str(ret, "");
	return r < 0 ? r : p2v_buf_check(ret, err);
}

static int file_write(const char *path, const struct p2v_buf *text, struct p2v_err *err)
{
	const char *slash = strrchr(path, '/');
	p2v_autofree char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");

	if (!dir)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	/* Readable for p2vd, which is not root; it holds no secrets. */
	return p2v_publish_bytes(dir, slash ? slash + 1 : path, text->data, text->len, 0644, err);
}

int control_token_add(const char *path, enum api_role role, const char *name,
	char ret[CONTROL_TOKEN_BYTES], struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	char token[CONTROL_TOKEN_BYTES], hash[2 * HASH_BYTES + 1];
	uint8_t key[KEY_BYTES];
	struct p2v_span rest;
	struct line line;
	int r = file_read(path, &text, err);

	if (r == 0 && !model_name_ok(name))
		r = p2v_err_set(err, P2V_EINVAL, "'%.80s' is not a name", name);
	if (r < 0)
		return r;
	rest = p2v_span_of(text.data, text.len);
	while (line_next(&rest, &line))
		if (p2v_span_eq(line.name, name))
			return p2v_err_set(err, P2V_EEXIST, "%s: has a token already", name);
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return p2v_err_errno(err, errno, "random bytes");
	p2v_hex(key, sizeof(key), token);
	r = hash_of(token, hash, err);
	if (r < 0)
		return r;
	p2v_buf_addf(&text, "%s %s %s\n", role_words[role], name, hash);
	r = p2v_buf_check(&text, err);
	if (r == 0)
		r = file_write(path, &text, err);
	if (r == 0)
		memcpy(ret, token, CONTROL_TOKEN_BYTES);
	return r;
}

int control_token_revoke(const char *path, const char *name, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0}, left = {0};
	struct p2v_span rest;
	struct line line;
	bool found = false;
	int r = file_read(path, &text, err);

	if (r < 0)
		return r;
	rest = p2v_span_of(text.data, text.len);
	while (line_next(&rest, &line)) {
		if (p2v_span_eq(line.name, name)) {
			found = true;
			continue;
		}
		p2v_buf_add(&left, line.all.p, line.all.n);
		p2v_buf_add_str(&left, "\n");
	}
	if (!found)
		return p2v_err_set(err, P2V_ENOTFOUND, "%.80s: has no token", name);
	p2v_buf_add_str(&left, "");
	r = p2v_buf_check(&left, err);
	return r < 0 ? r : file_write(path, &left, err);
}

int control_token_list(const char *path, struct tokens *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct tokens tokens = {.version = 1};
	struct p2v_span rest;
	struct line line;
	int r = file_read(path, &text, err);

	if (r < 0)
		return r;
	rest = p2v_span_of(text.data, text.len);
	while (r == 0 && line_next(&rest, &line)) {
		struct token *token =
			p2v_json_grow((void **)&tokens.tokens, &tokens.n_tokens, sizeof(*token));

		if (token) {
			token->role = p2v_span_dup(line.role);
			token->name = p2v_span_dup(line.name);
		}
		if (!token || !token->role || !token->name)
			r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (r < 0)
		p2v_json_free(&control_tokens_type, &tokens);
	else
		*ret = tokens;
	return r;
}

int control_token_check(const char *path, const char *token, enum api_role *ret_role,
	char **ret_name, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	char hash[2 * HASH_BYTES + 1];
	struct p2v_span rest;
	struct line line;
	int r = file_read(path, &text, err);

	if (r == 0)
		r = hash_of(token, hash, err);
	if (r < 0)
		return r;
	rest = p2v_span_of(text.data, text.len);
	while (line_next(&rest, &line)) {
		p2v_autofree char *role = p2v_span_dup(line.role);
		enum api_role is;

		/* What is compared are digests: how far they agree tells nobody anything. */
		if (!p2v_span_eq(line.hash, hash) || !role ||
			control_role_parse(role, &is, NULL) < 0)
			continue;
		*ret_name = p2v_span_dup(line.name);
		*ret_role = is;
		return *ret_name ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return p2v_err_set(err, P2V_EREFUSED, "no token, or one that is nobody's");
}
