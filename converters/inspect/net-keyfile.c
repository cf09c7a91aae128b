/* SPDX-License-Identifier: GPL-3.0-or-later */

/* NetworkManager's keyfiles: nm-settings-keyfile(5). */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

static bool is_key(const struct net_ini *i, const char *section, const char *key)
{
	return p2v_span_eq(i->section, section) && p2v_span_eq(i->key, key);
}

/* "192.0.2.10/24,192.0.2.1", and before 0.9.10 "192.0.2.10;24;192.0.2.1;". */
static void take_address(struct net_config *c, struct p2v_span v)
{
	bool old = p2v_span_has(v, ';') && !p2v_span_has(v, '/');
	struct p2v_span rest, address = p2v_span_until(v, old ? ';' : ',', &rest), mask = {0};

	if (old)
		mask = p2v_span_until(rest, ';', &rest);
	net_config_address(c, p2v_span_trim(address), p2v_span_trim(mask));
	net_config_gateway(c, p2v_span_trim(p2v_span_until(rest, old ? ';' : ',', NULL)));
}

/* route1=0.0.0.0/0,192.0.2.1,100: the default one; route1_options are no route. */
static void take_route(struct net_config *c, const struct net_ini *i)
{
	struct p2v_span gateway, to = p2v_span_until(i->value, ',', &gateway);

	if (p2v_span_eq(to, "0.0.0.0/0") || p2v_span_eq(to, "::/0"))
		net_config_gateway(c, p2v_span_trim(p2v_span_until(gateway, ',', NULL)));
}

/* address1, addresses1, address: of both families. */
static void take_ip(struct net_config *c, const struct net_ini *i)
{
	if (p2v_span_starts(i->key, "address"))
		take_address(c, i->value);
	else if (p2v_span_starts(i->key, "route"))
		take_route(c, i);
	else if (p2v_span_eq(i->key, "gateway"))
		net_config_gateway(c, i->value);
	else if (p2v_span_eq(i->key, "method") && p2v_span_eq(i->section, "ipv4"))
		c->dhcp = p2v_span_eq(i->value, "auto");
}

static void take_connection(struct net_config *c, const struct net_ini *i)
{
	if (p2v_span_eq(i->key, "interface-name"))
		c->name = i->value;
	else if (p2v_span_eq(i->key, "type"))
		c->kind = net_kind_of(i->value);
	else if (p2v_span_eq(i->key, "master") || p2v_span_eq(i->key, "controller"))
		c->master = i->value;
	else if (p2v_span_eq(i->key, "slave-type") || p2v_span_eq(i->key, "port-type"))
		c->master_kind = net_kind_of(i->value);
	else if (p2v_span_eq(i->key, "autoconnect"))
		c->manual = p2v_span_eq(i->value, "false") || p2v_span_eq(i->value, "0");
}

/* [match] lists: name;name; where a '!' or '|' may stand before each. */
static void take_match(struct net_config *c, const struct net_ini *i, const char *path)
{
	if (p2v_span_eq(i->key, "interface-name"))
		net_config_match(c, "name", i->value, i->text, path, i->line);
	else if (p2v_span_eq(i->key, "path"))
		net_config_match(c, "path", i->value, i->text, path, i->line);
	else if (p2v_span_eq(i->key, "driver"))
		net_config_match(c, "driver", i->value, i->text, path, i->line);
}

static void take_ethernet(struct net_config *c, const struct net_ini *i)
{
	if (p2v_span_eq(i->key, "mac-address"))
		c->mac = i->value;
	else if (p2v_span_eq(i->key, "cloned-mac-address"))
		c->clone_mac = i->value;
}

static void take_bond(struct net_config *c, const struct net_ini *i)
{
	if (p2v_span_eq(i->key, "primary"))
		c->primary = i->value;
	else if (p2v_span_eq(i->key, "mode"))
		c->mode = i->value;
	else if (p2v_span_eq(i->key, "interface-name") && !c->name.n)
		c->name = i->value;
}

int net_keyfile_parse(struct p2v_span text, const char *path, const struct net_ids *ids,
	struct facts_os *os, struct p2v_err *err)
{
	struct net_ini i = {.rest = text};
	struct net_config c = {0};

	while (net_ini_next(&i)) {
		if (p2v_span_eq(i.section, "connection"))
			take_connection(&c, &i);
		else if (p2v_span_eq(i.section, "match"))
			take_match(&c, &i, path);
		else if (p2v_span_eq(i.key, "mtu"))
			c.mtu = i.value;
		else if (p2v_span_ends(i.section, "ethernet"))
			take_ethernet(&c, &i);
		else if (p2v_span_eq(i.section, "bond") || p2v_span_eq(i.section, "bridge"))
			take_bond(&c, &i);
		else if (is_key(&i, "team", "config"))
			net_config_team(&c, i.value);
		else if (is_key(&i, "vlan", "id"))
			c.vlan_id = i.value;
		else if (is_key(&i, "vlan", "parent"))
			c.raw_device = i.value;
		else if (is_key(&i, "vlan", "interface-name") && !c.name.n)
			c.name = i.value;
		else if (p2v_span_eq(i.section, "ipv4") || p2v_span_eq(i.section, "ipv6"))
			take_ip(&c, &i);
	}
	c.master = net_ids_find(ids, c.master);
	c.raw_device = net_ids_find(ids, c.raw_device);
	c.master_kind = c.master_kind ? c.master_kind : "bond";
	/* A profile for cards that names none is used for any. */
	if (!c.name.n && !c.mac.n && !c.n_matches && c.kind && strcmp(c.kind, "ethernet") == 0)
		net_config_match(&c, "name", p2v_span_str("*"), p2v_span_str(""), path, 0);
	return net_config_add(&c, path, "networkmanager", os, err);
}

/* What tells one profile from another. */
struct head {
	struct p2v_span uuid, name, priority;
	bool started;
};

static struct head head_of(struct p2v_span text)
{
	struct net_ini i = {.rest = text};
	struct head h = {.started = true};

	while (net_ini_next(&i))
		if (is_key(&i, "connection", "uuid"))
			h.uuid = i.value;
		else if (is_key(&i, "connection", "autoconnect"))
			h.started = net_is_yes(i.value);
		else if (is_key(&i, "connection", "autoconnect-priority"))
			h.priority = i.value;
		else if (p2v_span_eq(i.key, "interface-name") && !p2v_span_eq(i.section, "match"))
			h.name = i.value;
	return h;
}

int net_keyfile_ids(struct p2v_span text, struct net_ids *ids, struct p2v_err *err)
{
	struct head h = head_of(text);

	return net_ids_add(ids, h.uuid, h.name, err);
}

/* -999 to 999, as a number that sorts as text. */
static unsigned rank_of(struct p2v_span priority)
{
	bool below = p2v_span_starts(priority, "-");
	uint64_t n = 0;

	p2v_span_u64(p2v_span_skip(priority, below), 999, &n);
	return below ? 1000 - (unsigned)n : 1000 + (unsigned)n;
}

static void add_rank(const struct head *h, const struct net_ids *times, struct p2v_buf *out)
{
	uint64_t when = 0;

	p2v_span_u64(net_ids_find(times, h->uuid), UINT64_MAX / 2, &when);
	p2v_buf_addf(out, "%04u %019llu ", rank_of(h->priority), (unsigned long long)when);
}

int net_keyfile_used(struct p2v_span text, const char *path, const struct net_ids *times,
	struct net_ids *used, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf rank = {0};
	struct head h = head_of(text);
	int r;

	if (!h.name.n || !h.started)
		return 0;
	add_rank(&h, times, &rank);
	p2v_buf_add_str(&rank, path);
	r = p2v_buf_check(&rank, err);
	return r < 0 ? r : net_ids_last(used, h.name, inspect_span(&rank), err);
}

struct p2v_span net_keyfile_instead(
	struct p2v_span text, const struct net_ids *times, const struct net_ids *used)
{
	p2v_autobuf struct p2v_buf rank = {0};
	struct head h = head_of(text);
	struct p2v_span best = net_ids_find(used, h.name);

	add_rank(&h, times, &rank);
	/* Nobody knows which of equal ones it is: both count. */
	if (p2v_span_same(best, h.name) || rank.failed ||
		(h.started && p2v_span_starts(best, (const char *)rank.data)))
		return (struct p2v_span){0};
	return p2v_span_skip(best, rank.len);
}

/* /var/lib/NetworkManager/timestamps: the profile's number and the second of the epoch. */
int net_keyfile_times(struct p2v_span text, struct net_ids *times, struct p2v_err *err)
{
	struct net_ini i = {.rest = text};
	int r = 0;

	while (r == 0 && net_ini_next(&i))
		if (p2v_span_eq(i.section, "timestamps") && i.key.n)
			r = net_ids_add(times, i.key, i.value, err);
	return r;
}
