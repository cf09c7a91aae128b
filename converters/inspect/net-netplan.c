/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * netplan(5). What stands under "ethernets:" and the like is an identifier, which is the
 * card's name only where there is no "match:"; members are told by identifiers, and all files
 * together are one configuration: another file may say more of one.
 */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/yaml-tree.h"

#define MAX_DEVICES ((size_t)256)

struct netplan {
	struct p2v_yaml_tree *tree;
	const char *path;
	const struct net_ids *ids;
};

static struct p2v_span get(struct netplan *np, int node, const char *key)
{
	return p2v_yaml_scalar(np->tree, p2v_yaml_get(np->tree, node, key));
}

static void take_match(struct netplan *np, int match, struct net_config *c)
{
	static const char *const keys[] = {"driver", "name"};

	c->mac = get(np, match, "macaddress");
	for (size_t k = 0; k < P2V_N(keys); k++) {
		int key = p2v_yaml_get_key(np->tree, match, keys[k]), one;
		int value = p2v_yaml_get(np->tree, match, keys[k]);
		struct p2v_span name = p2v_yaml_scalar(np->tree, value);

		if (k == 1 && name.n && !net_is_pattern(name)) {
			c->name = name;
			continue;
		}
		for (size_t i = 0; (one = p2v_yaml_item_at(np->tree, value, i)); i++)
			net_config_match(c, keys[k], p2v_yaml_scalar(np->tree, one),
				p2v_yaml_written(np->tree, key, value), np->path,
				p2v_yaml_line(np->tree, key));
	}
}

static void take_addresses(struct netplan *np, int node, struct net_config *c)
{
	int list = p2v_yaml_get(np->tree, node, "addresses"), one, labelled;
	struct p2v_span none = {0};

	for (size_t i = 0; (one = p2v_yaml_item_at(np->tree, list, i)); i++) {
		/* "10.0.0.2/8:" with a label or a lifetime below it. */
		labelled = p2v_yaml_key_at(np->tree, one, 0);
		net_config_address(c, p2v_yaml_scalar(np->tree, labelled ? labelled : one), none);
	}
	net_config_gateway(c, get(np, node, "gateway4"));
	net_config_gateway(c, get(np, node, "gateway6"));
	list = p2v_yaml_get(np->tree, node, "routes");
	for (size_t i = 0; (one = p2v_yaml_item_at(np->tree, list, i)); i++) {
		struct p2v_span to = get(np, one, "to");

		if (p2v_span_eq(to, "default") || p2v_span_eq(to, "0.0.0.0/0") ||
			p2v_span_eq(to, "::/0"))
			net_config_gateway(c, get(np, one, "via"));
	}
	c->dhcp = net_is_yes(get(np, node, "dhcp4"));
	c->manual = p2v_yaml_get(np->tree, node, "activation-mode") != 0;
}

static void take_members(struct netplan *np, int node, struct net_config *c)
{
	int list = p2v_yaml_get(np->tree, node, "interfaces"), one;
	int parameters = p2v_yaml_get(np->tree, node, "parameters");

	for (size_t i = 0; (one = p2v_yaml_item_at(np->tree, list, i)); i++)
		net_config_member(c, net_ids_find(np->ids, p2v_yaml_scalar(np->tree, one)));
	c->primary = net_ids_find(np->ids, get(np, parameters, "primary"));
	c->mode = get(np, parameters, "mode");
	c->vlan_id = get(np, node, "id");
	c->raw_device = net_ids_find(np->ids, get(np, node, "link"));
}

/* What a card is found by: an empty match is any card. */
static void name_device(struct netplan *np, struct p2v_span id, int node, struct net_config *c)
{
	int match = p2v_yaml_get(np->tree, node, "match");
	struct p2v_span set_name = get(np, node, "set-name"), known = net_ids_find(np->ids, id);

	if (match)
		take_match(np, match, c);
	else if (net_is_mac(known))
		c->mac = known;
	else if (net_is_pattern(known))
		net_config_match(c, "name", known, p2v_span_str(""), np->path, 0);
	else
		c->name = known;
	/* The name that it has is looked for; it gets another. */
	if (match && set_name.n && c->name.n)
		net_config_match(c, "name", c->name, p2v_span_str(""), np->path, 0);
	if (set_name.n)
		c->name = set_name;
	if (match && !c->name.n && !c->mac.n && !c->n_matches)
		net_config_match(c, "name", p2v_span_str("*"), p2v_span_str(""), np->path, 0);
}

static int read_device(struct netplan *np, struct p2v_span id, int node, const char *kind,
	struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span set_name = get(np, node, "set-name");
	struct net_config c = {.kind = kind};
	int r = 0;

	name_device(np, id, node, &c);
	c.clone_mac = get(np, node, "macaddress");
	c.mtu = get(np, node, "mtu");
	take_addresses(np, node, &c);
	take_members(np, node, &c);
	/* netplan makes a .link file of it, and a rule. */
	if (set_name.n && c.mac.n)
		r = net_pin(os, set_name, c.mac, "netplan", np->path, err);
	return r == 0 ? net_config_add(&c, np->path, "netplan", os, err) : r;
}

/* Cards first: the others name them. */
static const struct {
	const char *section, *kind;
} sections[] = {
	{"ethernets", "ethernet"},
	{"wifis", "other"},
	{"modems", "other"},
	{"dummy-devices", "other"},
	{"virtual-ethernets", "other"},
	{"bonds", "bond"},
	{"bridges", "bridge"},
	{"vlans", "vlan"},
	{"tunnels", "other"},
	{"vrfs", "other"},
};

/* The i-th of a section; false behind the last. */
static bool device_at(struct netplan *np, int section, size_t i, struct p2v_span *ret_id, int *ret)
{
	int key = i < MAX_DEVICES ? p2v_yaml_key_at(np->tree, section, i) : 0;

	*ret_id = p2v_yaml_scalar(np->tree, key);
	*ret = p2v_yaml_value_at(np->tree, section, i);
	return key != 0;
}

static int read_section(
	struct netplan *np, int section, const char *kind, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span id;
	int r = 0, node;

	for (size_t i = 0; r == 0 && device_at(np, section, i, &id, &node); i++)
		if (id.n && !p2v_span_eq(id, "renderer"))
			r = read_device(np, id, node, kind, os, err);
	return r;
}

static int open_tree(
	struct netplan *np, struct p2v_span text, int *ret_network, struct p2v_err *err)
{
	int r = p2v_yaml_tree_new(text, &np->tree, err);

	if (r < 0)
		return p2v_err_wrap(err, r, "%s", np->path);
	*ret_network = p2v_yaml_get(np->tree, p2v_yaml_root(np->tree), "network");
	return 0;
}

/* What a card that is found by something else than its name is for those that are made of it. */
static struct p2v_span called(struct netplan *np, struct p2v_span id, int node)
{
	int match = p2v_yaml_get(np->tree, node, "match");
	struct p2v_span set_name = get(np, node, "set-name"), name = get(np, match, "name"),
			mac = get(np, match, "macaddress");

	return set_name.n ? set_name : name.n ? name : mac.n ? mac : match ? p2v_span_str("*") : id;
}

int net_netplan_ids(
	struct p2v_span text, const char *path, struct net_ids *ids, struct p2v_err *err)
{
	struct netplan np = {.path = path};
	struct p2v_span id, name;
	int network, cards, node, r = open_tree(&np, text, &network, err);

	if (r < 0)
		return r;
	cards = p2v_yaml_get(np.tree, network, "ethernets");
	for (size_t i = 0; r == 0 && device_at(&np, cards, i, &id, &node); i++) {
		name = called(&np, id, node);
		if (!p2v_span_same(name, id))
			r = net_ids_add(ids, id, name, err);
	}
	p2v_yaml_tree_free(np.tree);
	return r;
}

bool net_netplan_tells(struct p2v_span text)
{
	struct netplan np = {.path = ""};
	int network = 0;

	if (open_tree(&np, text, &network, NULL) == 0)
		p2v_yaml_tree_free(np.tree);
	return network != 0;
}

int net_netplan_parse(struct p2v_span text, const char *path, const struct net_ids *ids,
	struct facts_os *os, struct p2v_err *err)
{
	struct netplan np = {.path = path, .ids = ids};
	int network, r = open_tree(&np, text, &network, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < P2V_N(sections); i++)
		r = read_section(&np, p2v_yaml_get(np.tree, network, sections[i].section),
			sections[i].kind, os, err);
	p2v_yaml_tree_free(np.tree);
	return r;
}
