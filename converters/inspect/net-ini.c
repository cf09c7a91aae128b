/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Dialects of keys and values: systemd.network(5), NetworkManager's keyfiles, and the ifcfg files
 * of Red Hat and SUSE. Gathers the keys that matter in one struct, whatever the file calls them.
 */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

#define MAX_ADDRESSES 32

struct gathered {
	struct p2v_span name, mac, kind, gateway, netmask, vlan_id, raw_device, master;
	struct p2v_span address[MAX_ADDRESSES];
	size_t n_addresses;
	bool dhcp;
};

/* One key of a dialect: its section ("" where there are none), its name, where it goes. */
struct key {
	const char *section, *name;
	void (*take)(struct gathered *g, struct p2v_span value);
};

static void take_name(struct gathered *g, struct p2v_span v)
{
	g->name = v;
}

static void take_mac(struct gathered *g, struct p2v_span v)
{
	g->mac = v;
}

static void take_kind(struct gathered *g, struct p2v_span v)
{
	g->kind = v;
}

static void take_gateway(struct gathered *g, struct p2v_span v)
{
	g->gateway = v;
}

static void take_netmask(struct gathered *g, struct p2v_span v)
{
	g->netmask = v;
}

static void take_vlan(struct gathered *g, struct p2v_span v)
{
	g->vlan_id = v;
	g->kind = p2v_span_str("vlan");
}

static void take_raw(struct gathered *g, struct p2v_span v)
{
	g->raw_device = v;
}

static void take_master(struct gathered *g, struct p2v_span v)
{
	g->master = v;
}

static void take_address(struct gathered *g, struct p2v_span v)
{
	if (g->n_addresses < MAX_ADDRESSES)
		g->address[g->n_addresses++] = v;
}

/* "192.0.2.10/24,192.0.2.1": address and gateway. */
static void take_pair(struct gathered *g, struct p2v_span v)
{
	struct p2v_span gateway;

	take_address(g, p2v_span_until(v, ',', &gateway));
	if (gateway.n)
		g->gateway = p2v_span_until(gateway, ',', NULL);
}

static void take_dhcp(struct gathered *g, struct p2v_span v)
{
	g->dhcp = p2v_span_eq(v, "yes") || p2v_span_eq(v, "true") || p2v_span_eq(v, "ipv4") ||
		  p2v_span_eq(v, "dhcp") || p2v_span_eq(v, "dhcp4") || p2v_span_eq(v, "auto") ||
		  p2v_span_eq(v, "bootp");
}

static const struct key networkd_keys[] = {
	{"Match", "Name", take_name},
	{"Match", "MACAddress", take_mac},
	{"Match", "PermanentMACAddress", take_mac},
	{"Network", "DHCP", take_dhcp},
	{"Network", "Address", take_address},
	{"Network", "Gateway", take_gateway},
	{"Address", "Address", take_address},
	{"Route", "Gateway", take_gateway},
	{NULL, NULL, NULL},
};

static const struct key keyfile_keys[] = {
	{"connection", "interface-name", take_name},
	{"connection", "type", take_kind},
	{"connection", "master", take_master},
	{"connection", "controller", take_master},
	{"ethernet", "mac-address", take_mac},
	{"802-3-ethernet", "mac-address", take_mac},
	{"vlan", "id", take_vlan},
	{"vlan", "parent", take_raw},
	{"ipv4", "method", take_dhcp},
	{"ipv4", "address1", take_pair},
	{"ipv4", "address2", take_pair},
	{"ipv4", "gateway", take_gateway},
	{NULL, NULL, NULL},
};

/* systemd.link(5). */
static const struct key link_keys[] = {
	{"Match", "MACAddress", take_mac},
	{"Match", "PermanentMACAddress", take_mac},
	{"Link", "Name", take_name},
	{NULL, NULL, NULL},
};

static const struct key ifcfg_keys[] = {
	{"", "DEVICE", take_name},
	{"", "HWADDR", take_mac},
	{"", "TYPE", take_kind},
	{"", "BOOTPROTO", take_dhcp},
	{"", "IPADDR", take_address},
	{"", "IPADDR0", take_address},
	{"", "NETMASK", take_netmask},
	{"", "PREFIX", take_netmask},
	{"", "PREFIXLEN", take_netmask},
	{"", "GATEWAY", take_gateway},
	{"", "MASTER", take_master},
	{"", "VLAN_ID", take_vlan},
	{"", "PHYSDEV", take_raw},
	{"", "ETHERDEVICE", take_raw},
	{NULL, NULL, NULL},
};

static void gather(struct p2v_span text, const struct key *keys, struct gathered *g)
{
	struct p2v_span line, section = p2v_span_str(""), name, value;

	while (p2v_line_next(&text, &line)) {
		line = p2v_span_trim(line);
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			section = p2v_span_until(p2v_span_skip(line, 1), ']', NULL);
			continue;
		}
		name = p2v_span_trim(p2v_span_until(line, '=', &value));
		value = p2v_span_unquote(p2v_span_trim(value));
		for (const struct key *k = keys; k->name; k++)
			if (p2v_span_eq(section, k->section) && p2v_span_eq(name, k->name))
				k->take(g, value);
	}
}

/* The words for a kind, in any case. */
static const char *kind_of(struct p2v_span word)
{
	static const char *const kinds[] = {"bond", "bridge", "vlan", "loopback"};

	for (size_t i = 0; i < P2V_N(kinds); i++)
		if (word.n == strlen(kinds[i]) && strncasecmp(word.p, kinds[i], word.n) == 0)
			return kinds[i];
	return "ethernet";
}

static int join_master(const struct gathered *g, const char *path, const char *dialect,
	struct facts_os *os, struct p2v_err *err)
{
	struct facts_nic *bond = net_nic(os, g->master, dialect, path, err);
	int r = bond ? 0 : P2V_ENOMEM;

	if (r == 0 && strcmp(bond->kind, "ethernet") == 0)
		r = net_kind(bond, "bond", err);
	return r < 0 ? r : net_member(bond, g->name, err);
}

static int add(const struct gathered *g, const char *path, const char *dialect, struct facts_os *os,
	struct p2v_err *err)
{
	struct facts_nic *n;
	uint64_t id;
	int r;

	if (g->name.n == 0 && g->mac.n == 0)
		return 0;
	n = net_nic(os, g->name, dialect, path, err);
	if (!n)
		return err ? err->kind : P2V_ENOMEM;
	r = net_mac(n, g->mac, err);
	if (r == 0 && g->kind.n)
		r = net_kind(n, kind_of(g->kind), err);
	if (r == 0 && p2v_span_eq(g->name, "lo"))
		r = net_kind(n, "loopback", err);
	if (p2v_span_u64(g->vlan_id, 4094, &id))
		n->vlan_id = (uint32_t)id;
	if (r == 0 && g->raw_device.n)
		r = net_member(n, g->raw_device, err);
	for (size_t i = 0; r == 0 && i < g->n_addresses; i++)
		r = net_address(n, "static", g->address[i], g->netmask, g->gateway, err);
	if (r == 0 && g->dhcp && g->n_addresses == 0)
		r = net_address(n, "dhcp", g->name, g->name, g->name, err);
	return r == 0 && g->master.n ? join_master(g, path, dialect, os, err) : r;
}

int net_networkd_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct gathered g = {0};

	gather(text, networkd_keys, &g);
	/* Patterns and lists of names name no one card. */
	if (p2v_span_has(g.name, '*') || p2v_span_has(g.name, ' ') || p2v_span_has(g.name, '?'))
		return 0;
	return add(&g, path, "networkd", os, err);
}

int net_keyfile_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct gathered g = {0};

	gather(text, keyfile_keys, &g);
	return add(&g, path, "networkmanager", os, err);
}

int net_ifcfg_parse(struct p2v_span text, const char *path, const char *dialect,
	struct facts_os *os, struct p2v_err *err)
{
	struct gathered g = {0};
	const char *name = strrchr(path, '/');

	gather(text, ifcfg_keys, &g);
	name = name ? strchr(name, '-') : NULL;
	if (g.name.n == 0 && name)
		g.name = p2v_span_str(name + 1);
	return add(&g, path, dialect, os, err);
}

int net_link_parse(struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct gathered g = {0};

	gather(text, link_keys, &g);
	/* One card has one address; a list of them, or none, names no card. */
	return g.name.n && g.mac.n == 17 ? net_pin(os, g.name, g.mac, "link", path, err) : 0;
}
