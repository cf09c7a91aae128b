/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * udev rules that name cards: what 75-persistent-net-generator (Debian, RHEL, SLES until udev 209)
 * wrote into 70-persistent-net.rules and 30-net_persistent_names.rules, and people in its manner.
 * udev(7): a rule is a line of comma-separated key, operator and quoted value.
 */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

struct rule {
	struct p2v_span address, name;
};

/* SYSFS{address} is what udev before 098 called ATTR{address}. */
static void take(struct rule *rule, struct p2v_span key, struct p2v_span op, struct p2v_span value)
{
	static const char *const addresses[] = {
		"ATTR{address}", "ATTRS{address}", "SYSFS{address}"};

	if (p2v_span_eq(op, "==")) {
		for (size_t i = 0; i < P2V_N(addresses); i++)
			if (p2v_span_eq(key, addresses[i]))
				rule->address = value;
	} else if (p2v_span_eq(key, "NAME") && (p2v_span_eq(op, "=") || p2v_span_eq(op, ":="))) {
		rule->name = value;
	}
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

	*rest = p2v_span_skip(*rest, span_of(*rest, " \t,", true));
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

int net_rules_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span line;
	int r = 0;

	while (r == 0 && p2v_line_next(&text, &line)) {
		struct rule rule = {0};

		line = p2v_span_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		while (take_next(&rule, &line))
			continue;
		if (rule.address.n == 17 && rule.name.n && !p2v_span_has(rule.name, '%'))
			r = net_pin(os, rule.name, rule.address, "rule", path, err);
	}
	return r;
}
