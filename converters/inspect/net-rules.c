/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * udev rules that name cards: what 75-persistent-net-generator (Debian, RHEL, SLES until udev 209)
 * wrote into 70-persistent-net.rules and 30-net_persistent_names.rules, and people in its manner;
 * and the files of udev's forerunners. udev(7): a rule is a line of comma-separated key, operator
 * and quoted value.
 */

#include <ctype.h>
#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

/* What a key of a rule says of the card. */
enum meaning { ADDRESS, PATH, DEVPATH, DRIVER, KERNEL, NAMED, ANYTHING };

static const struct {
	const char *key;
	enum meaning meaning;
	const char *true_value; /* a value that says nothing: true of each card */
} keys[] = {
	{"ATTR{address}", ADDRESS, NULL},
	{"ATTRS{address}", ADDRESS, NULL},
	{"SYSFS{address}", ADDRESS, NULL},
	{"KERNELS", PATH, NULL},
	{"ID", PATH, NULL},
	{"PLACE", PATH, NULL},
	{"ENV{ID_PATH}", PATH, NULL},
	{"DEVPATH", DEVPATH, NULL},
	{"ENV{DEVPATH}", DEVPATH, NULL},
	{"ENV{ID_NET_NAME_PATH}", NAMED, NULL},
	{"ENV{ID_NET_NAME_SLOT}", NAMED, NULL},
	{"ENV{ID_NET_NAME_ONBOARD}", NAMED, NULL},
	{"DRIVERS", DRIVER, "?*"},
	{"DRIVER", DRIVER, "?*"},
	{"ENV{ID_NET_DRIVER}", DRIVER, NULL},
	{"KERNEL", KERNEL, NULL},
	{"ATTR{dev_id}", ANYTHING, "0x0"},
	{"ATTR{dev_port}", ANYTHING, "0"},
	{"ATTR{type}", ANYTHING, "1"},
	{"ATTRS{type}", ANYTHING, "1"},
	{"SYSFS{type}", ANYTHING, "1"},
	{"SUBSYSTEM", ANYTHING, "net"},
	{"SUBSYSTEMS", ANYTHING, "pci"},
	{"BUS", ANYTHING, "pci"},
	{"ACTION", ANYTHING, "add"},
	{"NAME", ANYTHING, ""},
};

struct rule {
	struct p2v_span address, name;
	struct net_config c; /* for its matches */
	const char *path;
	struct p2v_span text;
	uint32_t line;
};

static void note(struct rule *rule, const char *key, struct p2v_span value)
{
	net_config_match(&rule->c, key, value, rule->text, rule->path, rule->line);
}

/* "0000:03:00.0" */
static bool is_pci(struct p2v_span s)
{
	static const char form[] = "xxxx:xx:xx.x";

	if (s.n != strlen(form))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)s.p[i]) : s.p[i] != form[i])
			return false;
	return true;
}

/* "/devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/eth0": the last one is the card. */
static struct p2v_span pci_of(struct p2v_span devpath)
{
	struct p2v_span part, pci = {0};

	while (devpath.n) {
		part = p2v_span_until(devpath, '/', &devpath);
		if (is_pci(part))
			pci = part;
	}
	return pci;
}

static void take_match(struct rule *rule, struct p2v_span key, struct p2v_span value)
{
	for (size_t i = 0; i < P2V_N(keys); i++) {
		if (!p2v_span_eq(key, keys[i].key) ||
			(keys[i].true_value && p2v_span_eq(value, keys[i].true_value)))
			continue;
		if (keys[i].meaning == ADDRESS)
			rule->address = value;
		else if (keys[i].meaning == PATH)
			note(rule, "path", value);
		else if (keys[i].meaning == DEVPATH)
			note(rule, "path", pci_of(value));
		else if (keys[i].meaning == NAMED)
			note(rule, "name", value);
		else if (keys[i].meaning == DRIVER)
			note(rule, "driver", value);
		else if (keys[i].meaning == KERNEL && !net_is_pattern(value))
			note(rule, "kernel", value);
		else if (keys[i].meaning == ANYTHING)
			note(rule, "other", value);
		return;
	}
	for (size_t i = 0; i < P2V_N(keys); i++)
		if (p2v_span_eq(key, keys[i].key))
			return;
	note(rule, "other", key);
}

/* SLES 10: IMPORT="/lib/udev/rename_netiface %k eth0". */
static void take_import(struct rule *rule, struct p2v_span value)
{
	struct p2v_span word;

	if (!memmem(value.p, value.n, "rename_netiface", 15))
		return;
	while (p2v_word_next(&value, &word))
		rule->name = word;
}

static void take(struct rule *rule, struct p2v_span key, struct p2v_span op, struct p2v_span value)
{
	bool assigns = p2v_span_eq(op, "=") || p2v_span_eq(op, ":=");

	if (p2v_span_eq(op, "=="))
		take_match(rule, key, value);
	else if (p2v_span_eq(key, "NAME") && assigns)
		rule->name = value;
	else if (p2v_span_starts(key, "IMPORT") && assigns)
		take_import(rule, value);
	/* "not this one" of a card is no way to tell which one. */
	else if (p2v_span_eq(op, "!=") && p2v_span_ends(key, "{address}"))
		note(rule, "other", value);
}

static size_t span_of(struct p2v_span s, const char *chars, bool in)
{
	size_t n = 0;

	while (n < s.n && (memchr(chars, s.p[n], strlen(chars)) != NULL) == in)
		n++;
	return n;
}

/* Takes one KEY op "value" from the front of rest; false where there is none. */
static bool take_next(struct rule *rule, struct p2v_span *rest)
{
	struct p2v_span key, op, value;

	*rest = p2v_span_skip(*rest, span_of(*rest, " \t,\\\r\n", true));
	key = p2v_span_of(rest->p, span_of(*rest, "=!+:- \t", false));
	*rest = p2v_span_skip(*rest, key.n);
	*rest = p2v_span_skip(*rest, span_of(*rest, " \t", true));
	op = p2v_span_of(rest->p, span_of(*rest, "=!+:-", true));
	*rest = p2v_span_skip(*rest, op.n);
	*rest = p2v_span_skip(*rest, span_of(*rest, " \t", true));
	if (!key.n || !op.n || !p2v_span_starts(*rest, "\""))
		return false;
	value = p2v_span_until(p2v_span_skip(*rest, 1), '"', rest);
	take(rule, key, op, value);
	return true;
}

/* A rule names a card where it has a name and something that tells the card; the generator's own
 * with an address alone is sound, others say in their matches what they hang on. */
static int add_rule(struct rule *rule, struct facts_os *os, struct p2v_err *err)
{
	static const char dialect[] = "rule";
	bool tells = net_is_mac(rule->address);
	struct facts_nic *nic;
	int r;

	for (size_t i = 0; i < rule->c.n_matches; i++)
		tells |= strcmp(rule->c.matches[i].key, "other") != 0;
	if (!tells || !rule->name.n || p2v_span_has(rule->name, '%') ||
		p2v_span_has(rule->name, '$'))
		return 0;
	if (rule->c.n_matches == 0)
		return net_pin(os, rule->name, rule->address, dialect, rule->path, err);
	nic = net_nic_new(os, rule->name, dialect, rule->path, err);
	r = nic ? net_kind(nic, "name", err) : P2V_ENOMEM;
	if (r == 0)
		r = net_mac(nic, rule->address, err);
	for (size_t i = 0; r == 0 && i < rule->c.n_matches; i++)
		r = net_match(nic, &rule->c.matches[i], err);
	return r;
}

int net_rules_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span line;
	uint32_t number = 0;
	int r = 0;

	while (r == 0 && p2v_line_next_joined(&text, &line)) {
		struct rule rule = {.path = path, .line = ++number};

		for (size_t i = 0; i < line.n; i++)
			number += line.p[i] == '\n';
		rule.text = line = p2v_span_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		while (take_next(&rule, &line))
			continue;
		r = add_rule(&rule, os, err);
	}
	return r;
}

/* iftab(5) of Ubuntu before 7.04: "eth0 mac 00:11:22:33:44:55 arp 1"; mactab: "eth0 00:11:..". */
int net_iftab_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span line, name, word;
	int r = 0;

	while (r == 0 && p2v_line_next(&text, &line)) {
		if (!p2v_word_next(&line, &name) || name.p[0] == '#' || net_is_pattern(name))
			continue;
		while (r == 0 && p2v_word_next(&line, &word))
			if (net_is_mac(word))
				r = net_pin(os, name, word, "iftab", path, err);
	}
	return r;
}

/* dracut.cmdline(7): ifname=eth0:00:11:22:33:44:55. */
int net_cmdline_parse(const char *cmdline, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_str(cmdline), word, mac, name;
	int r = 0;

	while (r == 0 && p2v_word_next(&rest, &word)) {
		if (!p2v_span_starts(word, "ifname="))
			continue;
		name = p2v_span_until(p2v_span_skip(word, 7), ':', &mac);
		if (name.n && net_is_mac(mac))
			r = net_pin(os, name, mac, "cmdline", "/proc/cmdline", err);
	}
	return r;
}
