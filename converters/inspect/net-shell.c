/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Dialects that are variables of a shell script: Gentoo's netifrc (conf.d/net) and Slackware's
 * rc.inet1.conf. As people write them: name=value, quoted over several lines or not, name=("a"
 * "b"); nothing is expanded.
 */

#include <ctype.h>
#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

#define MAX_CARDS ((size_t)32)

struct assignment {
	struct p2v_span name, value;
};

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '[' || c == ']';
}

/* From an opening bracket to its end; one within quotes is none. */
static size_t list_length(struct p2v_span s)
{
	char quote = '\0';

	for (size_t i = 1; i < s.n; i++)
		if (quote)
			quote = s.p[i] == quote ? '\0' : quote;
		else if (s.p[i] == '"' || s.p[i] == '\'')
			quote = s.p[i];
		else if (s.p[i] == ')')
			return i + 1;
	return s.n;
}

/* The value at the start of s, without what stands around it; *ret_taken: with it. */
static struct p2v_span read_value(struct p2v_span s, size_t *ret_taken)
{
	const char *end;
	size_t n = 0;

	if (s.n && (*s.p == '"' || *s.p == '\'')) {
		end = memchr(s.p + 1, *s.p, s.n - 1);
		*ret_taken = end ? (size_t)(end - s.p) + 1 : s.n;
		return p2v_span_of(s.p + 1, *ret_taken - (end ? 2 : 1));
	}
	if (s.n && *s.p == '(') {
		*ret_taken = list_length(s);
		return p2v_span_of(s.p + 1, *ret_taken - (s.p[*ret_taken - 1] == ')' ? 2 : 1));
	}
	while (n < s.n && !isspace((unsigned char)s.p[n]) && s.p[n] != ';' && s.p[n] != '#')
		n++;
	*ret_taken = n;
	return p2v_span_of(s.p, n);
}

/* The next "name=value" at the start of a line. */
static bool next_assignment(struct p2v_span *rest, struct assignment *ret)
{
	while (rest->n) {
		size_t n = 0, taken = 0;

		while (rest->n && isspace((unsigned char)*rest->p))
			*rest = p2v_span_skip(*rest, 1);
		while (n < rest->n && is_name(rest->p[n]))
			n++;
		if (n && n < rest->n && rest->p[n] == '=') {
			ret->name = p2v_span_of(rest->p, n);
			*rest = p2v_span_skip(*rest, n + 1);
			ret->value = read_value(*rest, &taken);
			*rest = p2v_span_skip(*rest, taken);
			return true;
		}
		p2v_span_until(*rest, '\n', rest);
	}
	return false;
}

/* The items of a value: lines, or what is quoted in a list. */
static bool next_item(struct p2v_span *rest, struct p2v_span *ret)
{
	while (rest->n && isspace((unsigned char)*rest->p))
		*rest = p2v_span_skip(*rest, 1);
	if (!rest->n)
		return false;
	if (*rest->p == '"' || *rest->p == '\'')
		*ret = p2v_span_until(p2v_span_skip(*rest, 1), *rest->p, rest);
	else
		*ret = p2v_span_trim(p2v_span_until(*rest, '\n', rest));
	return true;
}

struct cards {
	struct net_config card[MAX_CARDS];
	size_t n;
};

static void add_members(struct net_config *c, const char *kind, struct p2v_span names)
{
	struct p2v_span word;

	c->kind = kind;
	while (p2v_word_next(&names, &word))
		net_config_member(c, p2v_span_unquote(word));
}

static int add_all(const struct cards *all, const char *path, const char *dialect,
	struct facts_os *os, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->n; i++)
		r = net_config_add(&all->card[i], path, dialect, os, err);
	return r;
}

/* Gentoo. The variable says '_' where the interface's name has what no variable's has: of VLANs it
 * is known what that was. */
static struct net_config *netifrc_card(struct cards *all, struct p2v_span name)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct p2v_span have = all->card[i].name;
		bool same = have.n == name.n;

		for (size_t k = 0; same && k < name.n; k++)
			same = have.p[k] == name.p[k] || (name.p[k] == '_' && !is_name(have.p[k]));
		if (same)
			return &all->card[i];
	}
	if (all->n == MAX_CARDS)
		return NULL;
	all->card[all->n].name = name;
	return &all->card[all->n++];
}

/* "192.0.2.10/24", "192.0.2.10 netmask 255.255.255.0 brd 192.0.2.255", "dhcp". */
static void take_config(struct net_config *c, struct p2v_span value)
{
	struct p2v_span item, word, mask;

	while (next_item(&value, &item)) {
		struct p2v_span address = {0};

		mask = (struct p2v_span){0};
		while (p2v_word_next(&item, &word))
			if (p2v_span_eq(word, "netmask"))
				p2v_word_next(&item, &mask);
			else if (p2v_span_eq(word, "brd") || p2v_span_eq(word, "broadcast"))
				p2v_word_next(&item, &word);
			else if (p2v_span_starts(word, "dhcp"))
				c->dhcp = true;
			else if (!address.n)
				address = word;
			else
				net_config_address(c, word, (struct p2v_span){0});
		net_config_address(c, address, mask);
	}
}

/* "default via 192.0.2.1", "default gw 192.0.2.1" */
static void take_routes(struct net_config *c, struct p2v_span value)
{
	struct p2v_span item, word;

	while (next_item(&value, &item))
		if (p2v_word_next(&item, &word) && p2v_span_eq(word, "default") &&
			p2v_word_next(&item, &word) && p2v_word_next(&item, &word))
			net_config_gateway(c, word);
}

static void take_netifrc(struct cards *all, const struct assignment *a)
{
	struct p2v_span name, key = p2v_span_until(a->name, '_', &name);
	struct net_config *c = name.n ? netifrc_card(all, name) : NULL;

	if (!c)
		return;
	if (p2v_span_eq(key, "config"))
		take_config(c, a->value);
	else if (p2v_span_eq(key, "routes"))
		take_routes(c, a->value);
	else if (p2v_span_eq(key, "bridge"))
		add_members(c, "bridge", a->value);
	else if (p2v_span_eq(key, "slaves"))
		add_members(c, "bond", a->value);
	else if (p2v_span_eq(key, "mode"))
		c->mode = a->value;
	else if (p2v_span_eq(key, "mac"))
		c->clone_mac = a->value;
}

static bool is_netifrc(struct p2v_span name)
{
	static const char *const keys[] = {
		"config_", "routes_", "bridge_", "slaves_", "mode_", "mac_"};

	for (size_t i = 0; i < P2V_N(keys); i++)
		if (p2v_span_starts(name, keys[i]))
			return true;
	return false;
}

/* vlans_eth0="7 8" makes eth0.7 and eth0.8, whose names are put together in `names`. */
static int make_vlans(
	struct p2v_span text, struct cards *all, struct p2v_buf *names, struct p2v_err *err)
{
	struct p2v_span rest = text, word;
	struct assignment a;
	size_t lengths[MAX_CARDS], n = 0, at = 0;
	int r;

	while (next_assignment(&rest, &a))
		while (p2v_span_starts(a.name, "vlans_") && n < MAX_CARDS &&
			p2v_word_next(&a.value, &word)) {
			struct p2v_span card = p2v_span_skip(a.name, strlen("vlans_"));

			p2v_buf_addf(names, "%.*s.%.*s", (int)card.n, card.p, (int)word.n, word.p);
			lengths[n++] = card.n + 1 + word.n;
		}
	r = p2v_buf_check(names, err);
	for (size_t i = 0; r == 0 && i < n; at += lengths[i++])
		all->card[all->n++].name = p2v_span_of((const char *)names->data + at, lengths[i]);
	return r;
}

int net_netifrc_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf names = {0};
	struct cards all = {0};
	struct assignment a;
	struct p2v_span rest = text;
	int r = make_vlans(text, &all, &names, err);

	while (r == 0 && next_assignment(&rest, &a))
		if (is_netifrc(a.name))
			take_netifrc(&all, &a);
	return r == 0 ? add_all(&all, path, "netifrc", os, err) : r;
}

/* Slackware: IPADDR[0]="192.0.2.10". */
static void take_rc_inet1(struct cards *all, const struct assignment *a, struct p2v_span masks[])
{
	struct p2v_span index, key = p2v_span_until(a->name, '[', &index), word, rest = a->value;
	struct net_config *c;
	uint64_t i;

	if (!p2v_span_u64(p2v_span_until(index, ']', NULL), MAX_CARDS - 1, &i) || !rest.n)
		return;
	c = &all->card[i];
	if (p2v_span_eq(key, "IFNAME"))
		c->name = rest;
	else if (p2v_span_eq(key, "IPADDR") || p2v_span_eq(key, "IPADDRS") ||
		 p2v_span_eq(key, "IP6ADDRS"))
		while (p2v_word_next(&rest, &word))
			net_config_address(c, word, (struct p2v_span){0});
	else if (p2v_span_eq(key, "NETMASK"))
		masks[i] = rest;
	else if (p2v_span_eq(key, "USE_DHCP"))
		c->dhcp = net_is_yes(rest);
	else if (p2v_span_eq(key, "HWADDR"))
		c->clone_mac = rest;
	else if (p2v_span_eq(key, "BRNICS"))
		add_members(c, "bridge", rest);
	else if (p2v_span_eq(key, "BONDNICS"))
		add_members(c, "bond", rest);
	else if (p2v_span_eq(key, "BONDMODE"))
		c->mode = rest;
}

int net_rc_inet1_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	char usual[MAX_CARDS][8];
	struct p2v_span masks[MAX_CARDS] = {{0}}, rest = text;
	struct cards all = {.n = MAX_CARDS};
	struct assignment a;
	int r;

	while (next_assignment(&rest, &a))
		take_rc_inet1(&all, &a, masks);
	for (size_t i = 0; i < MAX_CARDS; i++) {
		struct net_config *c = &all.card[i];

		c->netmask = masks[i];
		snprintf(usual[i], sizeof(usual[i]), "eth%zu", i);
		/* A row of the table that nobody filled in. */
		if (!c->name.n && (c->n_addresses || c->dhcp))
			c->name = p2v_span_str(usual[i]);
	}
	r = add_all(&all, path, "rc.inet1", os, err);
	return r == 0 ? net_routes_parse(text, os, err) : r;
}
