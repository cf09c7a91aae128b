/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Small dialects: dhcpcd.conf(5) and netctl's profiles. */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

/* "interface eth0", then "static ip_address=192.0.2.10/24" and "static routers=192.0.2.1". */
int net_dhcpcd_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span line, word, none = {0};
	struct net_config c = {0};
	int r = 0;

	while (r == 0 && p2v_line_next(&text, &line)) {
		if (!p2v_word_next(&line, &word) || word.p[0] == '#')
			continue;
		if (p2v_span_eq(word, "interface")) {
			r = net_config_add(&c, path, "dhcpcd", os, err);
			c = (struct net_config){0};
			p2v_word_next(&line, &c.name);
		} else if (p2v_span_eq(word, "static")) {
			struct p2v_span value,
				key = p2v_span_until(p2v_span_trim(line), '=', &value);

			if (p2v_span_ends(key, "ip_address") || p2v_span_ends(key, "ip6_address"))
				net_config_address(&c, value, none);
			else if (p2v_span_eq(key, "routers"))
				net_config_gateway(&c, p2v_span_until(value, ' ', NULL));
		}
	}
	return r == 0 ? net_config_add(&c, path, "dhcpcd", os, err) : r;
}

/* The words of a shell array, or of one word: ('a' "b") -> a, b. */
static bool array_next(struct p2v_span *rest, struct p2v_span *ret)
{
	while (p2v_word_next(rest, ret)) {
		if (p2v_span_starts(*ret, "("))
			*ret = p2v_span_skip(*ret, 1);
		if (p2v_span_ends(*ret, ")"))
			ret->n--;
		*ret = p2v_span_unquote(*ret);
		if (ret->n)
			return true;
	}
	return false;
}

static void take_netctl(struct net_config *c, const struct net_ini *i)
{
	struct p2v_span rest = i->value, word, none = {0};

	if (p2v_span_eq(i->key, "Interface"))
		c->name = i->value;
	else if (p2v_span_eq(i->key, "Connection"))
		c->kind = net_kind_of(i->value);
	else if (p2v_span_eq(i->key, "VLANID"))
		c->vlan_id = i->value;
	else if (p2v_span_eq(i->key, "IP"))
		c->dhcp = p2v_span_eq(i->value, "dhcp");
	else if (p2v_span_eq(i->key, "Gateway") || p2v_span_eq(i->key, "Gateway6"))
		net_config_gateway(c, i->value);
	else if (p2v_span_eq(i->key, "Address") || p2v_span_eq(i->key, "Address6"))
		while (array_next(&rest, &word))
			net_config_address(c, word, none);
	else if (p2v_span_eq(i->key, "BindsToInterfaces"))
		while (array_next(&rest, &word))
			net_config_member(c, word);
}

int net_netctl_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct net_ini i = {.rest = text};
	struct net_config c = {0};

	while (net_ini_next(&i))
		take_netctl(&c, &i);
	return c.name.n ? net_config_add(&c, path, "netctl", os, err) : 0;
}
