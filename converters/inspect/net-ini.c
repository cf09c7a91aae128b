/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Lines of keys and values, and the interface that one or more such files describe. */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

static struct p2v_span first_word(struct p2v_span text)
{
	struct p2v_span word;

	p2v_word_next(&text, &word);
	return word;
}

static uint32_t count_ends(struct p2v_span line)
{
	uint32_t n = 0;

	for (size_t i = 0; i < line.n; i++)
		n += line.p[i] == '\n';
	return n;
}

bool net_ini_next(struct net_ini *i)
{
	struct p2v_span line;

	while (p2v_line_next_joined(&i->rest, &line)) {
		i->line += 1 + i->joined;
		i->joined = count_ends(line);
		i->text = line = p2v_span_trim(line);
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			i->section = p2v_span_until(p2v_span_skip(line, 1), ']', NULL);
			i->key = i->value = (struct p2v_span){0};
			return true;
		}
		i->key = p2v_span_trim(p2v_span_until(line, '=', &i->value));
		i->value = p2v_span_trim(i->value);
		/* A comment may stand behind a quoted value in a file that is shell. */
		if (i->value.n > 1 && (i->value.p[0] == '"' || i->value.p[0] == '\'') &&
			memchr(i->value.p + 1, i->value.p[0], i->value.n - 1))
			i->value = p2v_span_until(p2v_span_skip(i->value, 1), i->value.p[0], NULL);
		else if (i->shell)
			i->value = first_word(i->value);
		return true;
	}
	return false;
}

bool net_is_yes(struct p2v_span value)
{
	static const char *const words[] = {"yes", "true", "on", "1", "y"};

	for (size_t i = 0; i < P2V_N(words); i++)
		if (value.n == strlen(words[i]) && strncasecmp(value.p, words[i], value.n) == 0)
			return true;
	return false;
}

static const struct {
	const char *word, *kind;
} kinds[] = {
	{"bond", "bond"},
	{"team", "bond"},
	{"bridge", "bridge"},
	{"ovsbridge", "bridge"},
	{"ovsbond", "bond"},
	{"vlan", "vlan"},
	{"loopback", "loopback"},
	{"ethernet", "ethernet"},
	{"802-3-ethernet", "ethernet"},
	{"ether", "ethernet"},
	{"wifi", "other"},
	{"wireless", "other"},
	{"802-11-wireless", "other"},
	{"infiniband", "other"},
	{"dummy", "other"},
	{"veth", "other"},
	{"tun", "other"},
	{"tap", "other"},
	{"tunnel", "other"},
	{"ip-tunnel", "other"},
	{"ipip", "other"},
	{"sit", "other"},
	{"gre", "other"},
	{"gretap", "other"},
	{"ipsec", "other"},
	{"vxlan", "other"},
	{"macvlan", "other"},
	{"ipvlan", "other"},
	{"vrf", "other"},
	{"wireguard", "other"},
	{"vpn", "other"},
	{"modem", "other"},
	{"gsm", "other"},
	{"pppoe", "other"},
	{"xdsl", "other"},
	{"ovsport", "ethernet"}, /* Red Hat's word for a card in a bridge */
	{"ovstunnel", "other"},
	{"ovspatchport", "other"},
	{"ovs-bridge", "bridge"}, /* NetworkManager's; its ports are between bridge and card */
	{"ovs-port", "bridge"},
	{"ovs-interface", "other"},
	{"macsec", "other"},
	{"bluetooth", "other"},
	{"cdma", "other"},
	{"adsl", "other"},
	{"generic", "other"},
	{"hsr", "other"},
	{"ovsintport", "other"},
};

const char *net_kind_of(struct p2v_span word)
{
	for (size_t i = 0; i < P2V_N(kinds); i++)
		if (word.n == strlen(kinds[i].word) &&
			strncasecmp(word.p, kinds[i].word, word.n) == 0)
			return kinds[i].kind;
	return "ethernet";
}

void net_config_address(struct net_config *c, struct p2v_span address, struct p2v_span mask)
{
	if (c->n_addresses == NET_MAX_ADDRESSES || address.n == 0)
		return;
	c->address[c->n_addresses] = address;
	c->mask[c->n_addresses++] = mask;
}

void net_config_member(struct net_config *c, struct p2v_span member)
{
	if (c->n_members < NET_MAX_ADDRESSES && member.n)
		c->members[c->n_members++] = member;
}

void net_config_members(struct net_config *c, struct p2v_span words)
{
	struct p2v_span word;

	while (p2v_word_next(&words, &word))
		net_config_member(c, word);
}

void net_config_match(struct net_config *c, const char *key, struct p2v_span value,
	struct p2v_span text, const char *path, uint32_t line)
{
	if (c->n_matches < NET_MAX_MATCHES && value.n)
		c->matches[c->n_matches++] = (struct net_match){
			.key = key, .value = value, .text = text, .path = path, .line = line};
}

void net_config_team(struct net_config *c, struct p2v_span conf)
{
	if (memmem(conf.p, conf.n, "lacp", 4))
		c->mode = p2v_span_str("lacp");
}

void net_config_gateway(struct net_config *c, struct p2v_span gateway)
{
	if (p2v_span_has(gateway, ':'))
		c->gateway6 = gateway;
	else if (gateway.n)
		c->gateway = gateway;
}

static int add_matches(struct facts_nic *n, const struct net_config *c, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_matches; i++)
		r = net_match(n, &c->matches[i], err);
	return r;
}

static int add_addresses(struct facts_nic *n, const struct net_config *c, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_addresses; i++) {
		bool six = p2v_span_has(c->address[i], ':');

		r = net_address(n, "static", c->address[i], c->mask[i].n ? c->mask[i] : c->netmask,
			six ? c->gateway6 : c->gateway, err);
	}
	if (r == 0 && c->dhcp)
		r = net_address(n, "dhcp", c->name, c->name, (struct p2v_span){0}, err);
	return r;
}

static int add_vlan(struct facts_nic *n, const struct net_config *c, struct p2v_err *err)
{
	struct p2v_span base = {0};
	uint32_t by_name = 0;
	uint64_t id = 0;
	bool named = net_is_vlan_name(c->name, &base, &by_name);

	if (!c->vlan_id.n && !c->raw_device.n && !(c->kind && strcmp(c->kind, "vlan") == 0) &&
		!(named && base.n))
		return 0;
	n->vlan_id = p2v_span_u64(c->vlan_id, 4094, &id) ? (uint32_t)id : by_name;
	if (net_kind(n, "vlan", err) < 0)
		return P2V_ENOMEM;
	base = c->raw_device.n ? c->raw_device : base;
	return base.n ? net_member(n, base, err) : 0;
}

int net_config_add(const struct net_config *c, const char *path, const char *dialect,
	struct facts_os *os, struct p2v_err *err)
{
	struct facts_nic *n;
	int r;

	if (c->name.n == 0 && c->mac.n == 0 && c->n_matches == 0)
		return 0;
	n = net_nic(os, c->name, dialect, path, err);
	if (!n)
		return err ? err->kind : P2V_ENOMEM;
	n->manual = c->manual;
	net_mtu(n, c->mtu);
	r = net_mac(n, c->mac, err);
	if (r == 0)
		r = net_clone_mac(n, c->clone_mac, err);
	if (r == 0 && c->primary.n)
		r = net_primary(n, c->primary, err);
	if (r == 0 && c->mode.n)
		r = net_mode(n, c->mode, err);
	if (r == 0 && c->kind)
		r = net_kind(n, p2v_span_eq(c->name, "lo") ? "loopback" : c->kind, err);
	for (size_t i = 0; r == 0 && i < c->n_members; i++)
		r = net_member(n, c->members[i], err);
	if (r == 0)
		r = add_vlan(n, c, err);
	if (r == 0)
		r = add_matches(n, c, err);
	if (r == 0)
		r = add_addresses(n, c, err);
	/* net_join() may move n. */
	return r == 0 && c->master.n ? net_join(os, c->master, c->master_kind,
					       c->name.n ? c->name : c->mac, dialect, path, err)
				     : r;
}
