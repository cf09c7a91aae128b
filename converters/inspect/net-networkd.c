/* SPDX-License-Identifier: GPL-3.0-or-later */

/* systemd.network(5), systemd.netdev(5) and systemd.link(5). */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

/* [Match] keys that a card is told from others by. The rest (Host, Virtualization, ...) is true of
 * each card or of none. */
static const struct {
	const char *name, *key;
} match_keys[] = {
	{"Path", "path"},
	{"Driver", "driver"},
	{"Property", "other"},
	{"Virtualization", "other"},
};

static bool take_match(struct net_config *c, const struct net_ini *i, const char *path)
{
	for (size_t k = 0; k < P2V_N(match_keys); k++)
		if (p2v_span_eq(i->key, match_keys[k].name)) {
			net_config_match(c, match_keys[k].key, i->value, i->text, path, i->line);
			return true;
		}
	return false;
}

struct network {
	struct net_config c;
	struct p2v_span names; /* of cards, patterns among them, or their addresses */
	struct p2v_span vlans[NET_MAX_ADDRESSES];
	size_t n_vlans;
	bool is_primary;
};

static void take_match_of_network(struct network *n, const struct net_ini *i, const char *path)
{
	struct net_config *c = &n->c;

	if (p2v_span_eq(i->key, "Name") || p2v_span_ends(i->key, "MACAddress"))
		n->names = i->value;
	if (p2v_span_eq(i->key, "Name") && !net_is_pattern(i->value))
		c->name = i->value;
	else if (p2v_span_eq(i->key, "Name") || p2v_span_eq(i->key, "OriginalName"))
		net_config_match(c, "name", i->value, i->text, path, i->line);
	else if (p2v_span_eq(i->key, "Type") && p2v_span_eq(i->value, "ether"))
		net_config_match(c, "name", p2v_span_str("*"), i->text, path, i->line);
	else if (p2v_span_eq(i->key, "Type"))
		c->kind = "other";
	else if (p2v_span_ends(i->key, "MACAddress"))
		c->mac = i->value;
	else
		take_match(c, i, path);
}

/* A [Route] to somewhere else is no default route. */
struct route {
	struct p2v_span gateway;
	bool elsewhere;
};

static void end_route(struct net_config *c, struct route *r)
{
	if (r->gateway.n && !r->elsewhere)
		net_config_gateway(c, r->gateway);
	*r = (struct route){0};
}

static void take_route(struct route *r, const struct net_ini *i)
{
	if (p2v_span_eq(i->key, "Gateway"))
		r->gateway = i->value;
	else if (p2v_span_eq(i->key, "Destination"))
		r->elsewhere =
			!p2v_span_eq(i->value, "0.0.0.0/0") && !p2v_span_eq(i->value, "::/0");
}

/* An empty one takes back what the file before the drop-in said. */
static void take_address(struct net_config *c, struct p2v_span v)
{
	if (!v.n)
		c->n_addresses = 0;
	net_config_address(c, v, (struct p2v_span){0});
}

static void take_network(struct network *n, const struct net_ini *i)
{
	static const char *const dhcp[] = {"yes", "true", "ipv4", "both", "on", "1"};
	struct net_config *c = &n->c;

	if (p2v_span_eq(i->key, "Address")) {
		take_address(c, i->value);
	} else if (p2v_span_eq(i->key, "Gateway")) {
		net_config_gateway(c, i->value);
	} else if (p2v_span_eq(i->key, "Bond") || p2v_span_eq(i->key, "Bridge")) {
		c->master = i->value;
		c->master_kind = net_kind_of(i->key);
	} else if (p2v_span_eq(i->key, "VLAN") && n->n_vlans < NET_MAX_ADDRESSES) {
		n->vlans[n->n_vlans++] = i->value;
	} else if (p2v_span_eq(i->key, "PrimarySlave")) {
		n->is_primary = net_is_yes(i->value);
	} else if (p2v_span_eq(i->key, "DHCP")) {
		c->dhcp = false;
		for (size_t k = 0; k < P2V_N(dhcp); k++)
			c->dhcp |= p2v_span_eq(i->value, dhcp[k]);
	}
}

static void read_network(struct network *n, const struct net_file *f)
{
	struct net_ini i = {.rest = f->text};
	struct net_config *c = &n->c;
	struct route route = {0};

	while (net_ini_next(&i)) {
		if (!i.key.n)
			end_route(c, &route);
		else if (p2v_span_eq(i.section, "Match"))
			take_match_of_network(n, &i, f->path);
		else if (p2v_span_eq(i.section, "Network"))
			take_network(n, &i);
		else if (p2v_span_eq(i.section, "Route"))
			take_route(&route, &i);
		else if (p2v_span_eq(i.section, "Address") && p2v_span_eq(i.key, "Address"))
			take_address(c, i.value);
		else if (p2v_span_eq(i.section, "Link") && p2v_span_eq(i.key, "MACAddress"))
			c->clone_mac = i.value;
		else if (p2v_span_eq(i.section, "Link") && p2v_span_eq(i.key, "MTUBytes"))
			c->mtu = i.value;
		else if (p2v_span_eq(i.section, "Link") && p2v_span_eq(i.key, "ActivationPolicy"))
			c->manual =
				p2v_span_ends(i.value, "manual") || p2v_span_ends(i.value, "down");
		else if (p2v_span_eq(i.section, "Link") && p2v_span_eq(i.key, "Unmanaged"))
			c->manual = net_is_yes(i.value);
	}
	end_route(c, &route);
}

/* What is made of the cards that the file is for: each of them by its name, address or pattern. */
static int join_cards(
	const struct network *n, const char *path, struct facts_os *os, struct p2v_err *err)
{
	static const char dialect[] = "networkd";
	struct p2v_span rest = n->c.name.n ? n->c.name : n->names, member;
	struct facts_nic *bond;
	int r = 0;

	while (r == 0 && p2v_word_next(&rest, &member)) {
		for (size_t k = 0; r == 0 && k < n->n_vlans; k++)
			r = net_join(os, n->vlans[k], "vlan", member, dialect, path, err);
		if (r < 0 || !n->c.master.n)
			continue;
		r = net_join(os, n->c.master, n->c.master_kind, member, dialect, path, err);
		bond = r == 0 && n->is_primary ? net_nic(os, n->c.master, dialect, path, err)
					       : NULL;
		if (bond)
			r = net_primary(bond, member, err);
	}
	return r;
}

/* Of several files for one interface the first by its name is used; they are read in that order. */
static bool is_shadowed(const struct facts_os *os, struct p2v_span name)
{
	for (size_t i = 0; name.n && i < os->n_nics; i++)
		if (strcmp(os->nics[i].dialect, "networkd") == 0 && os->nics[i].n_addresses &&
			p2v_span_eq(name, os->nics[i].name))
			return true;
	return false;
}

int net_networkd_parse(
	const struct net_file *files, size_t n_files, struct facts_os *os, struct p2v_err *err)
{
	struct network n = {0};
	struct net_config c;
	int r = 0;

	for (size_t k = 0; k < n_files; k++)
		read_network(&n, &files[k]);
	/* One card has one address; of a list each would do. */
	if (is_shadowed(os, n.c.name))
		return 0;
	if (net_is_pattern(n.c.mac))
		n.c.mac = (struct p2v_span){0};
	c = n.c;
	c.master = (struct p2v_span){0};
	if (n_files)
		r = net_config_add(&c, files[0].path, "networkd", os, err);
	return r == 0 && n_files ? join_cards(&n, files[0].path, os, err) : r;
}

int net_netdev_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct net_ini i = {.rest = text};
	struct net_config c = {.kind = "other"};

	while (net_ini_next(&i)) {
		if (p2v_span_eq(i.section, "NetDev") && p2v_span_eq(i.key, "Name"))
			c.name = i.value;
		else if (p2v_span_eq(i.section, "NetDev") && p2v_span_eq(i.key, "Kind"))
			c.kind = net_kind_of(i.value);
		else if (p2v_span_eq(i.section, "NetDev") && p2v_span_eq(i.key, "MACAddress"))
			c.clone_mac = i.value;
		else if (p2v_span_eq(i.section, "VLAN") && p2v_span_eq(i.key, "Id"))
			c.vlan_id = i.value;
		else if (p2v_span_eq(i.section, "Bond") && p2v_span_eq(i.key, "Mode"))
			c.mode = i.value;
	}
	/* What is made is no card, whatever its kind. */
	if (strcmp(c.kind, "ethernet") == 0)
		c.kind = "other";
	return c.name.n ? net_config_add(&c, path, "networkd", os, err) : 0;
}

/* Lines of the [Link] part that have nothing to do with the name. */
static bool is_setting(const struct net_ini *i)
{
	static const char *const names[] = {"Name", "NamePolicy", "Description", "MACAddressPolicy",
		"AlternativeName", "AlternativeNamesPolicy"};

	for (size_t k = 0; k < P2V_N(names); k++)
		if (p2v_span_eq(i->key, names[k]))
			return false;
	return i->key.n > 0;
}

static int add_settings(struct facts_nic *nic, struct p2v_span text, struct p2v_err *err)
{
	struct net_ini i = {.rest = text};
	int r = 0;

	while (r == 0 && net_ini_next(&i)) {
		char *line;

		if (!p2v_span_eq(i.section, "Link") || !is_setting(&i) ||
			nic->n_settings == NET_MAX_ADDRESSES)
			continue;
		line = p2v_span_dup(i.text);
		if (!line)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		r = p2v_json_add_str(&nic->settings, &nic->n_settings, line, err);
		free(line);
	}
	return r;
}

int net_link_parse(struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct net_ini i = {.rest = text};
	struct net_config c = {0};
	struct facts_nic *nic;
	int r;

	while (net_ini_next(&i)) {
		if (p2v_span_eq(i.section, "Link") && p2v_span_eq(i.key, "Name"))
			c.name = i.value;
		else if (p2v_span_eq(i.section, "Link") && p2v_span_eq(i.key, "NamePolicy"))
			c.mode = i.value;
		else if (p2v_span_eq(i.section, "Link") && p2v_span_eq(i.key, "MTUBytes"))
			c.mtu = i.value;
		else if (p2v_span_eq(i.section, "Match") && p2v_span_ends(i.key, "MACAddress"))
			c.mac = i.value;
		else if (p2v_span_eq(i.section, "Match") && p2v_span_eq(i.key, "OriginalName"))
			net_config_match(&c, "name", i.value, i.text, path, i.line);
		else if (p2v_span_eq(i.section, "Match"))
			take_match(&c, &i, path);
	}
	nic = net_nic_new(os, c.name, "link", path, err);
	r = nic ? net_kind(nic, "name", err) : P2V_ENOMEM;
	if (r == 0)
		net_mtu(nic, c.mtu);
	if (r == 0 && c.mode.n)
		r = net_mode(nic, c.mode, err);
	if (r == 0)
		r = net_mac(nic, c.mac, err);
	/* One card has one address; a list of them names no card, and ours would not name it. */
	if (r == 0 && c.mac.n && !nic->mac)
		net_config_match(&c, "other", c.mac, c.mac, path, 0);
	for (size_t k = 0; r == 0 && k < c.n_matches; k++)
		r = net_match(nic, &c.matches[k], err);
	return r == 0 ? add_settings(nic, text, err) : r;
}
