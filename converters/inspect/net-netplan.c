/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * netplan(5). What stands under "ethernets:" and the like is an identifier, which is the
 * card's name only where there is no "match:"; members are told by identifiers.
 */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/yaml-tree.h"

#define MAX_DEVICES ((size_t)256)

struct netplan {
	struct p2v_yaml_tree *tree;
	const char *path;
	/* What members call a card, and the name or address that it has. */
	struct p2v_span ids[NET_MAX_ADDRESSES], names[NET_MAX_ADDRESSES];
	size_t n_ids;
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

static struct p2v_span name_of(const struct netplan *np, struct p2v_span id)
{
	for (size_t i = 0; i < np->n_ids; i++)
		if (p2v_span_same(np->ids[i], id))
			return np->names[i];
	return id;
}

static void take_members(struct netplan *np, int node, struct net_config *c)
{
	int list = p2v_yaml_get(np->tree, node, "interfaces"), one;
	int parameters = p2v_yaml_get(np->tree, node, "parameters");

	for (size_t i = 0; (one = p2v_yaml_item_at(np->tree, list, i)); i++)
		net_config_member(c, name_of(np, p2v_yaml_scalar(np->tree, one)));
	c->primary = name_of(np, get(np, parameters, "primary"));
	c->mode = get(np, parameters, "mode");
	c->vlan_id = get(np, node, "id");
	c->raw_device = name_of(np, get(np, node, "link"));
}

static int read_device(struct netplan *np, struct p2v_span id, int node, const char *kind,
	struct facts_os *os, struct p2v_err *err)
{
	int match = p2v_yaml_get(np->tree, node, "match");
	struct p2v_span set_name = get(np, node, "set-name");
	struct net_config c = {.kind = kind, .name = match ? (struct p2v_span){0} : id};
	int r = 0;

	if (match)
		take_match(np, match, &c);
	if (set_name.n)
		c.name = set_name;
	/* An empty match is any card. */
	if (match && !c.name.n && !c.mac.n && !c.n_matches)
		net_config_match(&c, "name", p2v_span_str("*"), p2v_span_str(""), np->path, 0);
	if (np->n_ids < NET_MAX_ADDRESSES && (c.name.n || c.mac.n)) {
		np->ids[np->n_ids] = id;
		np->names[np->n_ids++] = c.name.n ? c.name : c.mac;
	}
	c.clone_mac = get(np, node, "macaddress");
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

static int read_section(
	struct netplan *np, int section, const char *kind, struct facts_os *os, struct p2v_err *err)
{
	int r = 0, key;

	for (size_t i = 0; r == 0 && i < MAX_DEVICES; i++) {
		struct p2v_span id;

		key = p2v_yaml_key_at(np->tree, section, i);
		if (!key)
			break;
		id = p2v_yaml_scalar(np->tree, key);
		if (id.n && !p2v_span_eq(id, "renderer"))
			r = read_device(
				np, id, p2v_yaml_value_at(np->tree, section, i), kind, os, err);
	}
	return r;
}

int net_netplan_parse(struct p2v_span text, const char *path, struct facts_os *os,
	bool *ret_managed, struct p2v_err *err)
{
	struct netplan np = {.path = path};
	int r = p2v_yaml_tree_new(text, &np.tree, err), network;

	if (r < 0)
		return p2v_err_wrap(err, r, "%s", path);
	network = p2v_yaml_get(np.tree, p2v_yaml_root(np.tree), "network");
	*ret_managed = network != 0;
	for (size_t i = 0; r == 0 && i < P2V_N(sections); i++)
		r = read_section(&np, p2v_yaml_get(np.tree, network, sections[i].section),
			sections[i].kind, os, err);
	p2v_yaml_tree_free(np.tree);
	return r;
}
