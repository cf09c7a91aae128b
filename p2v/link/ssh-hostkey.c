/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-hostkey.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/link/ssh-method.h"

#define FILE_MAX_BYTES ((size_t)4 << 20)
#define KEY_MAX_BYTES  8192

/* The kinds of host keys, best first: libssh2's number of what was shown, its mask in known_hosts,
 * and the names on the wire. */
static const struct key_kind {
	int type, mask;
	const char *name, *wire;
} kinds[SSH_HOSTKEY_ROUNDS] = {
	{LIBSSH2_HOSTKEY_TYPE_ED25519, LIBSSH2_KNOWNHOST_KEY_ED25519, "ED25519", "ssh-ed25519"},
	{LIBSSH2_HOSTKEY_TYPE_ECDSA_256, LIBSSH2_KNOWNHOST_KEY_ECDSA_256, "ECDSA",
		"ecdsa-sha2-nistp256"},
	{LIBSSH2_HOSTKEY_TYPE_ECDSA_384, LIBSSH2_KNOWNHOST_KEY_ECDSA_384, "ECDSA",
		"ecdsa-sha2-nistp384"},
	{LIBSSH2_HOSTKEY_TYPE_ECDSA_521, LIBSSH2_KNOWNHOST_KEY_ECDSA_521, "ECDSA",
		"ecdsa-sha2-nistp521"},
	{LIBSSH2_HOSTKEY_TYPE_RSA, LIBSSH2_KNOWNHOST_KEY_SSHRSA, "RSA",
		"rsa-sha2-512,rsa-sha2-256,ssh-rsa"},
};

static const struct key_kind *kind_of(int type)
{
	for (size_t i = 0; i < P2V_N(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

static int no_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static void fingerprint_of(const void *key, size_t n, char out[SSH_FINGERPRINT_MAX])
{
	unsigned char hash[EVP_MAX_MD_SIZE], text[SSH_FINGERPRINT_MAX];

	if (EVP_Digest(key, n, hash, NULL, EVP_sha256(), NULL) != 1) {
		snprintf(out, SSH_FINGERPRINT_MAX, "unknown");
		return;
	}
	/* 32 bytes are 43 digits and one '=' that OpenSSH does not print. */
	EVP_EncodeBlock(text, hash, 32);
	snprintf(out, SSH_FINGERPRINT_MAX, "SHA256:%.43s", (const char *)text);
}

int ssh_hostkey_fingerprint(
	LIBSSH2_SESSION *session, char out[SSH_FINGERPRINT_MAX], struct p2v_err *err)
{
	size_t n;
	int type;
	const char *key = libssh2_session_hostkey(session, &n, &type);

	if (!key)
		return p2v_err_set(err, P2V_ELINK, "the server showed no host key");
	fingerprint_of(key, n, out);
	return 0;
}

/* Of a known_hosts entry, whose key is in base64. */
static void fingerprint_of_entry(
	const struct libssh2_knownhost *entry, char out[SSH_FINGERPRINT_MAX])
{
	unsigned char key[KEY_MAX_BYTES];
	size_t n = strlen(entry->key);
	int len = n / 4 * 3 <= sizeof(key)
			  ? EVP_DecodeBlock(key, (const unsigned char *)entry->key, (int)n)
			  : -1;

	for (size_t i = n; len > 0 && i > 0 && entry->key[i - 1] == '='; i--)
		len--;
	if (len > 0)
		fingerprint_of(key, (size_t)len, out);
	else
		snprintf(out, SSH_FINGERPRINT_MAX, "unknown");
}

/* ---- known_hosts ---- */

/*
 * A line that libssh2 cannot read (a newer kind of key) trusts nobody, so it is passed over. It is
 * given the three words that count, and a NUL: of a line that ends with its key and a LF, 1.10 cuts
 * the key's last letter off. A "!" it would take for a part of the name; a name of one or two
 * letters for a hashed one, so that stands twice.
 */
static int known_add(LIBSSH2_KNOWNHOSTS *into, struct p2v_span hosts, struct p2v_span kind,
	struct p2v_span key, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf line = {0};
	int r;

	if (hosts.n <= 2)
		p2v_buf_addf(&line, "%.*s,", (int)hosts.n, hosts.p);
	p2v_buf_addf(&line, "%.*s %.*s %.*s", (int)hosts.n, hosts.p, (int)kind.n, kind.p,
		(int)key.n, key.p);
	r = p2v_buf_check(&line, err);
	if (r == 0)
		libssh2_knownhost_readline(
			into, (char *)line.data, line.len, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
	return r;
}

static int known_add_line(struct ssh_known *k, struct p2v_span rest, struct p2v_err *err)
{
	struct p2v_span hosts, kind, key;
	bool revoked;

	if (!p2v_word_next(&rest, &hosts) || p2v_span_starts(hosts, "#"))
		return 0;
	revoked = p2v_span_eq(hosts, "@revoked");
	if (revoked)
		p2v_word_next(&rest, &hosts);
	if (!p2v_word_next(&rest, &kind) || !p2v_word_next(&rest, &key))
		return 0;
	if (revoked)
		return known_add(k->revoked, p2v_span_str("revoked"), kind, key, err);
	if (p2v_span_starts(hosts, "@") || p2v_span_has(hosts, '!'))
		return 0;
	return known_add(k->known, hosts, kind, key, err);
}

int ssh_known_load(struct ssh_known *k, LIBSSH2_SESSION *session, const struct link_ssh_spec *spec,
	struct p2v_err *err)
{
	const struct link_ssh_target *t = spec->target;
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;
	int r;

	k->known = libssh2_knownhost_init(session);
	k->revoked = libssh2_knownhost_init(session);
	k->host =
		t->port == LINK_SSH_PORT ? strdup(t->host) : p2v_strf("[%s]:%u", t->host, t->port);
	if (!k->known || !k->revoked || !k->host)
		return no_memory(err);
	if (!spec->known_hosts_file)
		return 0;
	r = p2v_file_read(spec->known_hosts_file, FILE_MAX_BYTES, &text, err);
	if (r < 0)
		return r;
	rest = p2v_span_of(text.data, text.len);
	while (r == 0 && p2v_line_next(&rest, &line))
		r = known_add_line(k, line, err);
	return r;
}

void ssh_known_finish(struct ssh_known *k)
{
	if (k->known)
		libssh2_knownhost_free(k->known);
	if (k->revoked)
		libssh2_knownhost_free(k->revoked);
	free(k->host);
	*k = (struct ssh_known){0};
}

static int known_ask(LIBSSH2_KNOWNHOSTS *hosts, const char *host, const char *key, size_t n,
	int mask, struct libssh2_knownhost **ret_entry)
{
	return libssh2_knownhost_checkp(hosts, host, -1, key, n,
		LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | mask, ret_entry);
}

/* Whether the host has an entry of this kind: any other key is then a mismatch. */
static bool known_has_kind(const struct ssh_known *k, const struct key_kind *kind)
{
	struct libssh2_knownhost *entry = NULL;

	return known_ask(k->known, k->host, "x", 1, kind->mask, &entry) ==
	       LIBSSH2_KNOWNHOST_CHECK_MISMATCH;
}

static void wire_add(struct p2v_buf *list, const char *wire)
{
	if (list->len)
		p2v_buf_add_str(list, ",");
	p2v_buf_add_str(list, wire);
}

int ssh_hostkey_prefer(struct ssh_known *k, LIBSSH2_SESSION *session,
	const struct link_ssh_spec *spec, unsigned round, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf list = {0};
	int r;

	if (spec->fingerprint) {
		wire_add(&list, kinds[round].wire);
	} else {
		for (size_t i = 0; i < P2V_N(kinds); i++)
			if (known_has_kind(k, &kinds[i]))
				wire_add(&list, kinds[i].wire);
		for (size_t i = 0; i < P2V_N(kinds); i++)
			if (!known_has_kind(k, &kinds[i]))
				wire_add(&list, kinds[i].wire);
	}
	r = p2v_buf_check(&list, err);
	if (r < 0)
		return r;
	return ssh_method_prefer(session, LIBSSH2_METHOD_HOSTKEY, (char *)list.data, err);
}

/* ---- the decision ---- */

static int refuse_revoked(const char *shown, const struct link_ssh_spec *spec, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EREFUSED, "its host key %s is marked @revoked in %s", shown,
		spec->known_hosts_file);
}

static int refuse_unknown(const char *kind, const char *shown, const struct ssh_known *k,
	const struct link_ssh_spec *spec, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EREFUSED,
		"its host key is not known: it shows %s %s, %s has no key for '%s'. Compare with "
		"`ssh-keygen -l` of the key on the server itself, then add the key to that file",
		kind, shown, spec->known_hosts_file ? spec->known_hosts_file : "no file", k->host);
}

static int refuse_changed(const char *expected, const char *shown, const char *where,
	const char *advice, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EREFUSED,
		"its host key is another than the known one: expected %s (%s), it shows %s. "
		"Someone may stand in between. If the server was reinstalled, %s",
		expected, where, shown, advice);
}

/* Of any host: a key that leaked is no better elsewhere. So patterns need no reading. */
static bool is_revoked(const struct ssh_known *k, const char *shown)
{
	struct libssh2_knownhost *entry = NULL;
	char text[SSH_FINGERPRINT_MAX];

	while (libssh2_knownhost_get(k->revoked, &entry, entry) == 0) {
		fingerprint_of_entry(entry, text);
		if (strcmp(text, shown) == 0)
			return true;
	}
	return false;
}

static int refuse(const struct ssh_known *k, const struct link_ssh_spec *spec,
	const struct key_kind *kind, const char *shown, struct p2v_err *err)
{
	struct libssh2_knownhost *entry = NULL;
	char expected[SSH_FINGERPRINT_MAX];

	if (is_revoked(k, shown))
		return refuse_revoked(shown, spec, err);
	if (spec->fingerprint)
		return refuse_changed(
			spec->fingerprint, shown, "pinned", "give its new fingerprint", err);
	if (!kind)
		return refuse_unknown("a key of unknown kind", shown, k, spec, err);
	if (known_ask(k->known, k->host, "x", 1, kind->mask, &entry) !=
		LIBSSH2_KNOWNHOST_CHECK_MISMATCH)
		return refuse_unknown(kind->name, shown, k, spec, err);
	fingerprint_of_entry(entry, expected);
	return refuse_changed(
		expected, shown, spec->known_hosts_file, "replace its line in that file", err);
}

int ssh_hostkey_refuse(
	const struct link_ssh_spec *spec, const char *wire, const char *shown, struct p2v_err *err)
{
	LIBSSH2_SESSION *session = libssh2_session_init_ex(NULL, NULL, NULL, NULL);
	struct ssh_known k = {0};
	const struct key_kind *kind = NULL;
	int r = session ? ssh_known_load(&k, session, spec, err) : no_memory(err);

	for (size_t i = 0; i < P2V_N(kinds); i++)
		if (strstr(kinds[i].wire, wire))
			kind = &kinds[i];
	if (r == 0)
		r = refuse(&k, spec, kind, shown, err);
	ssh_known_finish(&k);
	if (session)
		libssh2_session_free(session);
	return r;
}

int ssh_hostkey_check(struct ssh_known *k, LIBSSH2_SESSION *session,
	const struct link_ssh_spec *spec, struct p2v_err *err)
{
	struct libssh2_knownhost *entry = NULL;
	char shown[SSH_FINGERPRINT_MAX];
	const struct key_kind *kind;
	const char *key;
	bool good;
	size_t n;
	int type, r = ssh_hostkey_fingerprint(session, shown, err);

	if (r < 0)
		return r;
	key = libssh2_session_hostkey(session, &n, &type);
	kind = kind_of(type);
	if (spec->fingerprint)
		good = strcmp(spec->fingerprint, shown) == 0;
	else
		good = kind && known_ask(k->known, k->host, key, n, kind->mask, &entry) ==
				       LIBSSH2_KNOWNHOST_CHECK_MATCH;
	return good && !is_revoked(k, shown) ? 0 : refuse(k, spec, kind, shown, err);
}

char *ssh_hostkey_line(LIBSSH2_SESSION *session, const char *host)
{
	unsigned char text[KEY_MAX_BYTES];
	size_t n;
	int type;
	const char *key = libssh2_session_hostkey(session, &n, &type);
	struct p2v_span wire = p2v_span_of(key, key ? n : 0);
	uint32_t n_wire;

	/* The blob begins with its own name: RFC 4253 section 6.6. */
	if (wire.n < 4 || n > sizeof(text) / 2)
		return NULL;
	memcpy(&n_wire, wire.p, sizeof(n_wire));
	n_wire = be32toh(n_wire);
	if (n_wire > wire.n - 4)
		return NULL;
	EVP_EncodeBlock(text, (const unsigned char *)key, (int)n);
	return p2v_strf("%s %.*s %s\n", host, (int)n_wire, wire.p + 4, (const char *)text);
}
