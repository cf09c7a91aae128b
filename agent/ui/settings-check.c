/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The form of each setting's value. What only the machine can tell (a card that it has not) is said
 * where it is used.
 */
#include <arpa/inet.h>
#include <string.h>

#include "agent/source/source.h"
#include "agent/ui/net.h"
#include "agent/ui/settings.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/span.h"
#include "p2v/link/ssh.h"

#define HEX	      "0123456789abcdefABCDEF"
#define BASE64	      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define LEVEL_MAX     19
#define VLAN_MAX      4094
#define SECONDS_MAX   86400000
#define SHA256_HEX    64
#define SHA256_BASE64 43 /* without the '=' at its end */

static int unlike(const char *value, const char *example, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EINVAL, "'%.80s' is not like %s", value, example);
}

static bool is_address(const char *text, int family)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(family, text, bytes) == 1;
}

/* prefix, n characters of an alphabet, suffix: nothing else. */
static bool is_digest(
	const char *value, const char *prefix, const char *alphabet, size_t n, const char *suffix)
{
	struct p2v_span v = p2v_span_str(value);

	if (!p2v_span_starts(v, prefix) || v.n < strlen(prefix) + n)
		return false;
	value += strlen(prefix);
	return strspn(value, alphabet) == n && strcmp(value + n, suffix) == 0;
}

/* ---- one for each setting whose value has a form ---- */

static int server(const char *value, struct p2v_err *err)
{
	struct link_ssh_target target;
	int r = link_ssh_target_parse(value, &target, err);

	if (r == 0)
		link_ssh_target_finish(&target);
	return r;
}

static int host_key(const char *value, struct p2v_err *err)
{
	return is_digest(value, "SHA256:", BASE64, SHA256_BASE64, "")
		       ? 0
		       : unlike(value, "SHA256: and 43 letters, as 'ssh-keygen -l' prints it", err);
}

static int name(const char *value, struct p2v_err *err)
{
	char clean[65];

	source_name_clean(value, clean);
	return strcmp(value, clean) == 0
		       ? 0
		       : p2v_err_set(err, P2V_EINVAL,
				 "'%.80s' is not made of 1 to 64 letters, digits, dots and dashes",
				 value);
}

static int compress(const char *value, struct p2v_err *err)
{
	static const char *const words[] = {"none", "fast", "auto"};
	uint64_t level;

	for (size_t i = 0; i < P2V_N(words); i++)
		if (strcmp(value, words[i]) == 0)
			return 0;
	return p2v_num_parse(value, "", 1, LEVEL_MAX, &level, NULL) == 0
		       ? 0
		       : p2v_err_set(err, P2V_EINVAL,
				 "'%.40s' is not none, fast, auto or a level from 1 to %d", value,
				 LEVEL_MAX);
}

static int link_row(const char *value, struct p2v_err *err)
{
	enum link_ssh_row row;

	return link_ssh_row_parse(value, &row, err);
}

static int address(const char *value, struct p2v_err *err)
{
	struct p2v_span length, ip = p2v_span_until(p2v_span_str(value), '/', &length);
	p2v_autofree char *text = p2v_span_dup(ip);
	bool v6 = text && strchr(text, ':');
	uint64_t bits = 0;

	if (!text)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (is_address(text, v6 ? AF_INET6 : AF_INET) &&
		p2v_span_u64(length, v6 ? 128 : 32, &bits) && bits)
		return 0;
	return unlike(value, "10.0.0.7/24 or 2001:db8::7/64", err);
}

static int one_address(const char *value, struct p2v_err *err)
{
	return is_address(value, AF_INET) || is_address(value, AF_INET6)
		       ? 0
		       : unlike(value, "10.0.0.1 or 2001:db8::1", err);
}

static int bond(const char *value, struct p2v_err *err)
{
	/* As ip-link(8) knows them. */
	static const char *const modes[] = {"balance-rr", "active-backup", "balance-xor",
		"broadcast", "802.3ad", "balance-tlb", "balance-alb"};
	__attribute__((cleanup(ui_bond_finish))) struct ui_bond b = {0};
	int r = ui_bond_parse(value, &b, err);

	for (size_t i = 0; r == 0 && i < P2V_N(modes); i++)
		if (strcmp(b.mode, modes[i]) == 0)
			return 0;
	return r < 0 ? r
		     : p2v_err_set(err, P2V_EINVAL,
			       "'%.40s' is no way to bond cards; active-backup is the one that "
			       "asks nothing of the switch",
			       b.mode);
}

static int config(const char *value, struct p2v_err *err)
{
	struct p2v_span url = p2v_span_str(value);

	return p2v_span_starts(url, "https://") || p2v_span_starts(url, "http://")
		       ? 0
		       : unlike(value, "https://10.0.0.5/campaign", err);
}

static int config_digest(const char *value, struct p2v_err *err)
{
	return is_digest(value, "sha256:", HEX, SHA256_HEX, "")
		       ? 0
		       : unlike(value, "sha256: and 64 hexadecimal digits", err);
}

static int config_key(const char *value, struct p2v_err *err)
{
	return is_digest(value, "sha256//", BASE64, SHA256_BASE64, "=")
		       ? 0
		       : unlike(value, "sha256// and 44 letters, as curl's --pinnedpubkey takes it",
				 err);
}

static int disk(const char *value, struct p2v_err *err)
{
	return value[0] == '/' ? 0 : unlike(value, "/dev/sda", err);
}

static int vlan(const char *value, struct p2v_err *err)
{
	uint64_t id;

	return p2v_num_parse(value, "a VLAN", 0, VLAN_MAX, &id, err);
}

static int rate(const char *value, struct p2v_err *err)
{
	uint64_t bytes;

	return p2v_num_parse_bytes(value, "a rate", &bytes, err);
}

static int seconds(const char *value, struct p2v_err *err)
{
	uint64_t s;

	return p2v_num_parse(value, "a time", 0, SECONDS_MAX, &s, err);
}

/* ---- the table ---- */

static const char *const start_words[] = {"now", "ask", NULL};
static const char *const until_words[] = {"proven", "copied", NULL};
static const char *const after_words[] = {"poweroff", "reboot", "wait", NULL};
static const char *const failure_words[] = {"retry", "wait", "poweroff", "reboot", NULL};

/* The value is one of some words, or has a form; of the others anything may be said. */
static const struct row {
	const char *name;
	const char *const *words;
	int (*check)(const char *value, struct p2v_err *err);
} rows[] = {
	{"server", NULL, server},
	{"host-key", NULL, host_key},
	{"name", NULL, name},
	{"disk", NULL, disk},
	{"limit", NULL, rate},
	{"compress", NULL, compress},
	{"link", NULL, link_row},
	{"address", NULL, address},
	{"gateway", NULL, one_address},
	{"dns", NULL, one_address},
	{"vlan", NULL, vlan},
	{"bond", NULL, bond},
	{"config", NULL, config},
	{"config-digest", NULL, config_digest},
	{"config-key", NULL, config_key},
	{"start", start_words, NULL},
	{"delay", NULL, seconds},
	{"until", until_words, NULL},
	{"after", after_words, NULL},
	{"on-failure", failure_words, NULL},
	{"retry", NULL, seconds},
};

static int word_check(const char *value, const char *const *words, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf all = {0};

	for (size_t i = 0; words[i]; i++) {
		if (strcmp(value, words[i]) == 0)
			return 0;
		p2v_buf_addf(&all, "%s%s", i ? ", " : "", words[i]);
	}
	return p2v_err_set(err, P2V_EINVAL, "'%.40s' is none of %s", value,
		all.data ? (const char *)all.data : "the words it may be");
}

int ui_setting_check(const char *setting, const char *value, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(rows); i++) {
		int r;

		if (strcmp(rows[i].name, setting) != 0)
			continue;
		r = rows[i].words ? word_check(value, rows[i].words, err)
				  : rows[i].check(value, err);
		return r < 0 ? p2v_err_wrap(err, r, "%s", setting) : 0;
	}
	return 0;
}
