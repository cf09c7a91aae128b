/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/key.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/model/check.h"

#define FILE_MOST  ((size_t)4 << 20)
#define LINE_MOST  16384
#define HASH_BYTES 32

static const struct p2v_json_field key_fields[] = {
	P2V_JSON_STR(struct key, name, 0),
	P2V_JSON_STR(struct key, type, 0),
	P2V_JSON_STR(struct key, fingerprint, 0),
	P2V_JSON_STR(struct key, from, 0),
	P2V_JSON_STR(struct key, until, 0),
	P2V_JSON_END,
};
const struct p2v_json_type control_key_type = {"key", sizeof(struct key), key_fields};
static const struct p2v_json_field keys_fields[] = {
	P2V_JSON_U32(struct keys, version, 0),
	P2V_JSON_OBJS(struct keys, keys, 0, &control_key_type),
	P2V_JSON_END,
};
const struct p2v_json_type control_keys_type = {"keys", sizeof(struct keys), keys_fields};
static const struct p2v_json_field request_fields[] = {
	P2V_JSON_STR(struct key_request, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct key_request, public_key, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct key_request, from, 0),
	P2V_JSON_STR(struct key_request, until, 0),
	P2V_JSON_END,
};
const struct p2v_json_type control_key_request_type = {
	"key_request", sizeof(struct key_request), request_fields};
static const struct p2v_json_field revoke_fields[] = {
	P2V_JSON_STR(struct key_revoke, key, P2V_JSON_REQUIRED),
	P2V_JSON_END,
};
const struct p2v_json_type control_key_revoke_type = {
	"key_revoke", sizeof(struct key_revoke), revoke_fields};

static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521", "ssh-rsa", "sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com"};

void control_keys_finish(struct keys *keys)
{
	p2v_json_free(&control_keys_type, keys);
}

/* ---- one key ---- */

static bool type_known(struct p2v_span word)
{
	for (size_t i = 0; i < P2V_N(types); i++)
		if (p2v_span_eq(word, types[i]))
			return true;
	return false;
}

/* The blob begins with the type's name (RFC 4253, 6.6): so a line says what it holds. */
static bool blob_is(const gnutls_datum_t *blob, struct p2v_span type)
{
	struct p2v_rd rd = p2v_rd_init(blob->data, blob->size);
	uint32_t n = p2v_rd_be32(&rd);
	const uint8_t *name = p2v_rd_bytes(&rd, n);

	return name && rd.left > 0 && p2v_span_same(p2v_span_of(name, n), type);
}

static char *fingerprint_of(struct p2v_span type, struct p2v_span base64)
{
	const gnutls_datum_t text = {(unsigned char *)(uintptr_t)base64.p, (unsigned)base64.n};
	gnutls_datum_t blob = {0}, digest = {0};
	uint8_t hash[HASH_BYTES];
	char *print = NULL;

	if (gnutls_base64_decode2(&text, &blob) < 0)
		return NULL;
	if (blob_is(&blob, type) &&
		gnutls_hash_fast(GNUTLS_DIG_SHA256, blob.data, blob.size, hash) == 0 &&
		gnutls_base64_encode2(&(gnutls_datum_t){hash, sizeof(hash)}, &digest) == 0) {
		while (digest.size && digest.data[digest.size - 1] == '=')
			digest.size--;
		print = p2v_strf("SHA256:%.*s", (int)digest.size, (char *)digest.data);
	}
	gnutls_free(digest.data);
	gnutls_free(blob.data);
	return print;
}

/* Up to a blank that is not within quotes, as sshd(8) has it. */
static struct p2v_span options_take(struct p2v_span *rest)
{
	struct p2v_span all = p2v_span_trim(*rest);
	bool quoted = false;
	size_t i = 0;

	for (; i < all.n && (quoted || (all.p[i] != ' ' && all.p[i] != '\t')); i++) {
		if (all.p[i] == '\\' && i + 1 < all.n && all.p[i + 1] == '"')
			i++;
		else if (all.p[i] == '"')
			quoted = !quoted;
	}
	i = i < all.n ? i : all.n;
	*rest = p2v_span_skip(all, i);
	return p2v_span_of(all.p, i);
}

/* The value of NAME="VALUE" among them; NULL: it is not there. Only what we write ourselves. */
static char *option_value(struct p2v_span options, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i + n + 2 < options.n; i++) {
		struct p2v_span at = p2v_span_skip(options, i), after;

		if ((i > 0 && options.p[i - 1] != ',') || !p2v_span_starts(at, name) ||
			at.p[n] != '=' || at.p[n + 1] != '"')
			continue;
		return p2v_span_dup(p2v_span_until(p2v_span_skip(at, n + 2), '"', &after));
	}
	return NULL;
}

static int no_key(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EFORMAT,
		"this is no public key as ssh-keygen(1) writes it: TYPE BASE64 [NAME]");
}

static int key_parse(struct p2v_span line, struct key *key, struct p2v_err *err)
{
	struct p2v_span rest = line, type, base64, options = {0};

	if (!p2v_word_next(&rest, &type))
		return P2V_ENOTFOUND;
	if (!type_known(type)) {
		rest = line;
		options = options_take(&rest);
		if (!p2v_word_next(&rest, &type) || !type_known(type))
			return no_key(err);
	}
	if (!p2v_word_next(&rest, &base64) || base64.n > LINE_MOST)
		return no_key(err);
	key->fingerprint = fingerprint_of(type, base64);
	if (!key->fingerprint)
		return no_key(err);
	key->type = p2v_span_dup(type);
	key->name = p2v_span_dup(p2v_span_trim(rest));
	key->from = option_value(options, "from");
	key->until = option_value(options, "expiry-time");
	return key->type && key->name ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int control_key_parse(const char *line, size_t n, struct key *ret, struct p2v_err *err)
{
	struct p2v_span text = p2v_span_trim(p2v_span_of(line, n));
	struct key key = {0};
	int r;

	if (!text.n || *text.p == '#')
		return P2V_ENOTFOUND;
	/* A zero byte would end the texts that are made of it. */
	if (p2v_span_has(text, '\0') || p2v_span_has(text, '\n'))
		return no_key(err);
	r = key_parse(text, &key, err);
	if (r < 0)
		p2v_json_free(&control_key_type, &key);
	else
		*ret = key;
	return r;
}

/* ---- the file ---- */

/* One that is not there has no keys. */
static int file_read(const char *path, struct p2v_buf *ret, struct p2v_err *err)
{
	return p2v_file_exists(path) ? p2v_file_read(path, FILE_MOST, ret, err) : 0;
}

/* sshd reads it as the migration user, who is p2vd's. */
static int file_write(const char *path, const struct p2v_buf *text, struct p2v_err *err)
{
	const char *slash = strrchr(path, '/');
	p2v_autofree char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	int r = p2v_buf_check(text, err);

	if (!dir)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return r < 0 ? r
		     : p2v_publish_bytes(
			       dir, slash ? slash + 1 : path, text->data, text->len, 0600, err);
}

int control_key_list(const char *path, struct keys *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	p2v_auto_keys struct keys keys = {.version = 1};
	struct p2v_span rest, line;
	int r = file_read(path, &text, err);

	rest = p2v_span_of(text.data, text.len);
	while (r == 0 && p2v_line_next(&rest, &line)) {
		struct key key = {0}, *to;

		/* What is no key opens nothing. */
		if (control_key_parse(line.p, line.n, &key, NULL) < 0)
			continue;
		to = p2v_json_grow((void **)&keys.keys, &keys.n_keys, sizeof(*to));
		if (to)
			*to = key;
		else
			r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	*ret = keys;
	keys = (struct keys){0};
	return 0;
}

/* ---- adding ---- */

static int request_check(const struct key_request *q, struct p2v_err *err)
{
	if (!model_name_ok(q->name))
		return p2v_err_set(err, P2V_EINVAL, "'%.80s' is not a name", q->name);
	if (q->until && (strlen(q->until) != 8 || strspn(q->until, "0123456789") != 8))
		return p2v_err_set(err, P2V_EINVAL, "until: '%.40s' is not YYYYMMDD", q->until);
	if (q->from &&
		(!*q->from || strspn(q->from, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
					      "UVWXYZ0123456789.:/,-*?!") != strlen(q->from)))
		return p2v_err_set(err, P2V_EINVAL,
			"from: '%.80s' is not like 10.0.0.0/24,192.0.2.7", q->from);
	return 0;
}

static int keys_check(const struct keys *keys, const struct key *key, struct p2v_err *err)
{
	for (size_t i = 0; i < keys->n_keys; i++) {
		const struct key *k = &keys->keys[i];

		if (strcmp(k->name, key->name) == 0)
			return p2v_err_set(err, P2V_EEXIST,
				"%s: a key of this name is there: revoke it, or name the new one "
				"otherwise",
				key->name);
		if (strcmp(k->fingerprint, key->fingerprint) == 0)
			return p2v_err_set(err, P2V_EEXIST, "the key %s is there as %s",
				k->fingerprint, k->name);
	}
	return 0;
}

static void line_add(struct p2v_buf *out, const char *base, const struct key_request *q,
	struct p2v_span type, struct p2v_span base64)
{
	/* sshd_config's ForceCommand says the same: this is for a sshd without. */
	p2v_buf_addf(out, "restrict,command=\"p2v-recv --dir %s\"", base);
	if (q->from)
		p2v_buf_addf(out, ",from=\"%s\"", q->from);
	if (q->until)
		p2v_buf_addf(out, ",expiry-time=\"%s\"", q->until);
	p2v_buf_addf(out, " %.*s %.*s %s\n", (int)type.n, type.p, (int)base64.n, base64.p, q->name);
}

int control_key_add(const char *path, const char *base, const struct key_request *request,
	struct key *ret, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_str(request->public_key), type, base64;
	p2v_autobuf struct p2v_buf text = {0}, line = {0};
	p2v_auto_keys struct keys keys = {0};
	struct key key = {0};
	int r = request_check(request, err);

	if (r == 0 && strpbrk(base, "\"\\ \t\r\n"))
		r = p2v_err_set(err, P2V_EINVAL, "base: '%.200s' cannot be in such a line", base);
	/* No options of the asker's: only what stands behind them. */
	if (r == 0 && (!p2v_word_next(&rest, &type) || !p2v_word_next(&rest, &base64) ||
			      !type_known(type)))
		r = no_key(err);
	if (r < 0)
		return r == P2V_EFORMAT ? p2v_err_wrap(err, P2V_EINVAL, "public_key") : r;
	line_add(&line, base, request, type, base64);
	r = p2v_buf_check(&line, err);
	if (r == 0 && control_key_parse((char *)line.data, line.len, &key, err) < 0)
		r = p2v_err_wrap(err, P2V_EINVAL, "public_key");
	if (r == 0)
		r = control_key_list(path, &keys, err);
	if (r == 0)
		r = keys_check(&keys, &key, err);
	if (r == 0)
		r = file_read(path, &text, err);
	p2v_buf_add(&text, line.data, line.len);
	if (r == 0)
		r = file_write(path, &text, err);
	if (r < 0)
		p2v_json_free(&control_key_type, &key);
	else
		*ret = key;
	return r;
}

/* ---- revoking ---- */

static bool key_is(const struct key *key, const char *named)
{
	return strcmp(key->name, named) == 0 || strcmp(key->fingerprint, named) == 0;
}

int control_key_revoke(const char *path, const char *named, char **ret_text, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0}, left = {0};
	p2v_autofree char *gone = NULL;
	struct p2v_span rest, line;
	int r = file_read(path, &text, err);

	if (r < 0)
		return r;
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line)) {
		struct key key = {0};

		if (control_key_parse(line.p, line.n, &key, NULL) == 0 && key_is(&key, named)) {
			free(gone);
			gone = p2v_strf("%s %s", key.name, key.fingerprint);
		} else {
			p2v_buf_add(&left, line.p, line.n);
			p2v_buf_add_str(&left, "\n");
		}
		p2v_json_free(&control_key_type, &key);
	}
	if (!gone)
		return p2v_err_set(err, P2V_ENOTFOUND, "%.80s: there is no such key", named);
	p2v_buf_add_str(&left, "");
	r = file_write(path, &left, err);
	if (r == 0)
		*ret_text = p2v_steal(gone);
	return r;
}
