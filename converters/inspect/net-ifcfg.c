/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * ifcfg files: Red Hat's initscripts (sysconfig.txt) and SUSE's ifcfg(5), which wicked reads, too.
 * They are shell, but as people and tools write them: KEY=value, quoted or not.
 *
 * SUSE's names say what a card is found by: ifcfg-eth0, ifcfg-eth-id-00:11:22:33:44:55,
 * ifcfg-bus-pci-0000:02:01.0. Those of NetworkManager's (nm-settings-ifcfg-rh(5)) say nothing: they
 * are what somebody called the profile.
 */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

/* Addresses and masks belong together by what follows the key: IPADDR_1 and NETMASK_1. */
struct numbered {
	struct p2v_span suffix, address, mask, gateway;
};

struct ifcfg {
	struct net_config c;
	struct numbered numbered[NET_MAX_ADDRESSES];
	size_t n_numbered;
	const char *path;
	bool suse, profile; /* with a number, so NetworkManager's */
};

static struct numbered *numbered(struct ifcfg *f, struct p2v_span suffix)
{
	for (size_t i = 0; i < f->n_numbered; i++)
		if (p2v_span_same(f->numbered[i].suffix, suffix))
			return &f->numbered[i];
	if (f->n_numbered == NET_MAX_ADDRESSES)
		return NULL;
	f->numbered[f->n_numbered].suffix = suffix;
	return &f->numbered[f->n_numbered++];
}

/* IPADDR, NETMASK, PREFIX, PREFIXLEN, GATEWAY with what numbers them. */
static bool take_numbered(struct ifcfg *f, struct p2v_span key, struct p2v_span v)
{
	static const struct {
		const char *prefix;
		size_t offset;
	} keys[] = {
		{"IPADDR", offsetof(struct numbered, address)},
		{"NETMASK", offsetof(struct numbered, mask)},
		{"PREFIXLEN", offsetof(struct numbered, mask)},
		{"PREFIX", offsetof(struct numbered, mask)},
		{"GATEWAY", offsetof(struct numbered, gateway)},
	};

	for (size_t i = 0; i < P2V_N(keys); i++) {
		struct p2v_span suffix;
		struct numbered *n;

		if (!p2v_span_starts(key, keys[i].prefix))
			continue;
		suffix = p2v_span_skip(key, strlen(keys[i].prefix));
		/* Red Hat: IPADDR_START is a range's, GATEWAYDEV no address. */
		if (!f->suse && suffix.n && (suffix.p[0] < '0' || suffix.p[0] > '9'))
			return true;
		n = numbered(f, suffix);
		if (n && v.n)
			memcpy((char *)n + keys[i].offset, &v, sizeof(v));
		return true;
	}
	return false;
}

/* "mode=active-backup miimon=100 primary=eth0" */
static void take_bond_options(struct net_config *c, struct p2v_span v)
{
	struct p2v_span word;

	while (p2v_word_next(&v, &word))
		if (p2v_span_starts(word, "primary="))
			c->primary = p2v_span_skip(word, 8);
		else if (p2v_span_starts(word, "mode="))
			c->mode = p2v_span_skip(word, 5);
}

/* SLES 10 names members by their hardware, too: eth-id-00:11:22:33:44:55. */
static struct p2v_span device(struct p2v_span name)
{
	return p2v_span_starts(name, "eth-id-") ? p2v_span_skip(name, 7) : name;
}

static void take_words(struct net_config *c, struct p2v_span v)
{
	struct p2v_span word;

	while (p2v_word_next(&v, &word))
		net_config_member(c, device(word));
}

static void take_ipv6_list(struct net_config *c, struct p2v_span v)
{
	struct p2v_span word;

	while (p2v_word_next(&v, &word))
		net_config_address(c, word, (struct p2v_span){0});
}

static void set_master(struct net_config *c, struct p2v_span v, const char *kind)
{
	c->master = v;
	c->master_kind = kind;
}

static bool is_dhcp(struct p2v_span v)
{
	return p2v_span_starts(v, "dhcp") || p2v_span_starts(v, "DHCP") || p2v_span_eq(v, "bootp");
}

static void take_rh(struct ifcfg *f, struct p2v_span key, struct p2v_span v)
{
	struct net_config *c = &f->c;

	if (p2v_span_eq(key, "HWADDR"))
		c->mac = v;
	else if (p2v_span_eq(key, "MACADDR"))
		c->clone_mac = v;
	else if (p2v_span_eq(key, "TYPE") || p2v_span_eq(key, "DEVICETYPE"))
		c->kind = net_kind_of(v);
	else if (p2v_span_eq(key, "ONBOOT"))
		c->manual = !net_is_yes(v);
	else if (p2v_span_eq(key, "MASTER") || p2v_span_eq(key, "TEAM_MASTER"))
		set_master(c, v, "bond");
	else if (p2v_span_eq(key, "BRIDGE") || p2v_span_eq(key, "OVS_BRIDGE"))
		set_master(c, v, "bridge");
	else if (p2v_span_eq(key, "BONDING_OPTS"))
		take_bond_options(c, v);
	else if (p2v_span_eq(key, "VLAN") && net_is_yes(v))
		c->kind = "vlan";
	else if (p2v_span_eq(key, "PHYSDEV"))
		c->raw_device = v;
	else if (p2v_span_eq(key, "BOND_IFACES"))
		take_words(c, v);
	else if (p2v_span_eq(key, "TEAM_CONFIG"))
		net_config_team(c, v);
	else if (p2v_span_eq(key, "UUID"))
		f->profile = v.n > 0;
	else if (p2v_span_eq(key, "IPV6ADDR") || p2v_span_eq(key, "IPV6ADDR_SECONDARIES"))
		take_ipv6_list(c, v);
	else if (p2v_span_eq(key, "IPV6_DEFAULTGW"))
		c->gateway6 = p2v_span_until(v, '%', NULL);
}

/* BONDING_SLAVE0, BONDING_SLAVE_0, TEAM_PORT_DEVICE_0: the interface is made of it. */
static void take_member(struct net_config *c, struct p2v_span key, struct p2v_span v)
{
	if (p2v_span_starts(key, "TEAM"))
		c->kind = "bond";
	net_config_member(c, device(v));
}

static void set_team(struct net_config *c, struct p2v_span runner)
{
	c->kind = "bond";
	net_config_team(c, runner);
}

static void take_suse(struct ifcfg *f, struct p2v_span key, struct p2v_span v)
{
	struct net_config *c = &f->c;

	if (p2v_span_eq(key, "LLADDR"))
		c->clone_mac = v;
	else if (p2v_span_eq(key, "STARTMODE"))
		c->manual = p2v_span_eq(v, "manual") || p2v_span_eq(v, "off");
	else if (p2v_span_eq(key, "BONDING_MASTER") && net_is_yes(v))
		c->kind = "bond";
	else if (p2v_span_starts(key, "BONDING_SLAVE") || p2v_span_starts(key, "TEAM_PORT_DEVICE"))
		take_member(c, key, v);
	else if (p2v_span_eq(key, "TEAM_RUNNER"))
		set_team(c, v);
	else if (p2v_span_eq(key, "BONDING_MODULE_OPTS"))
		take_bond_options(c, v);
	else if (p2v_span_eq(key, "BRIDGE") && net_is_yes(v))
		c->kind = "bridge";
	else if (p2v_span_eq(key, "BRIDGE_PORTS"))
		take_words(c, v);
	else if (p2v_span_eq(key, "ETHERDEVICE"))
		c->raw_device = device(v);
	else if (p2v_span_eq(key, "TUNNEL"))
		c->kind = "other";
}

static void read_all(struct ifcfg *f, struct p2v_span text)
{
	struct net_ini i = {.rest = text, .shell = true};

	while (net_ini_next(&i)) {
		struct p2v_span key = i.key;

		if (p2v_span_starts(key, "export "))
			key = p2v_span_trim(p2v_span_skip(key, 7));
		if (p2v_span_eq(key, "DEVICE") && i.value.n)
			f->c.name = i.value;
		else if (p2v_span_eq(key, "BOOTPROTO"))
			f->c.dhcp = is_dhcp(i.value);
		else if (p2v_span_eq(key, "VLAN_ID"))
			f->c.vlan_id = i.value;
		else if (p2v_span_eq(key, "MTU"))
			f->c.mtu = i.value;
		else if (take_numbered(f, key, i.value))
			continue;
		else if (f->suse)
			take_suse(f, key, i.value);
		else
			take_rh(f, key, i.value);
	}
	for (size_t k = 0; k < f->n_numbered; k++) {
		net_config_address(&f->c, f->numbered[k].address, f->numbered[k].mask);
		net_config_gateway(&f->c, f->numbered[k].gateway);
	}
}

/* What SUSE's file names and its slaves' say: a card by its address or its place. */
static void name_by_hardware(struct ifcfg *f, struct p2v_span file)
{
	struct p2v_span name = file;

	if (p2v_span_starts(name, "eth-"))
		name = p2v_span_skip(name, 4);
	if (p2v_span_starts(name, "id-") && net_is_mac(p2v_span_skip(name, 3)))
		f->c.mac = p2v_span_skip(name, 3);
	else if (p2v_span_starts(name, "bus-pci-"))
		/* The file itself has to be called otherwise: line 0. */
		net_config_match(&f->c, "path", p2v_span_skip(name, 4), file, f->path, 0);
	else
		f->c.name = file;
}

/* Red Hat's file without DEVICE=: for the card with that address; a profile without one for any. */
static void name_by_profile(struct ifcfg *f, struct p2v_span file)
{
	bool card = !f->c.kind || strcmp(f->c.kind, "ethernet") == 0;

	if (!card || p2v_span_eq(file, "lo") || (!net_is_mac(f->c.mac) && !f->profile))
		f->c.name = file;
	else if (!f->c.mac.n)
		net_config_match(&f->c, "name", p2v_span_str("*"), p2v_span_str(""), f->path, 0);
}

/* ifcfg-eth0:1 is a further address of eth0. */
int net_ifcfg_parse(struct p2v_span text, const char *path, const char *dialect,
	const struct net_ids *ids, struct facts_os *os, struct p2v_err *err)
{
	struct ifcfg f = {.path = path, .suse = strcmp(dialect, "ifcfg-suse") == 0};
	const char *base = strrchr(path, '/');
	struct p2v_span file = p2v_span_str(base ? base + 1 : path);
	struct p2v_span ignored;
	uint32_t id;

	file = p2v_span_starts(file, "ifcfg-") ? p2v_span_skip(file, 6) : file;
	/* ifcfg-eth0-range0: further addresses, hundreds maybe. */
	if (memmem(file.p, file.n, "-range", 6))
		return 0;
	read_all(&f, text);
	if (f.c.name.n == 0 && f.suse)
		name_by_hardware(&f, file);
	else if (f.c.name.n == 0)
		name_by_profile(&f, file);
	f.c.master = net_ids_find(ids, f.c.master);
	f.c.raw_device = net_ids_find(ids, f.c.raw_device);
	f.c.name = p2v_span_until(f.c.name, ':', NULL);
	if (f.suse && !f.c.raw_device.n && f.c.kind && strcmp(f.c.kind, "bond") != 0 &&
		net_is_vlan_name(f.c.name, &ignored, &id) && p2v_span_starts(f.c.name, "vlan"))
		f.c.kind = "vlan";
	if (p2v_span_eq(f.c.name, "lo"))
		f.c.kind = "loopback";
	return net_config_add(&f.c, path, dialect, os, err);
}

int net_ifcfg_ids(struct p2v_span text, struct net_ids *ids, struct p2v_err *err)
{
	struct net_ini i = {.rest = text, .shell = true};
	struct p2v_span uuid = {0}, name = {0};

	while (net_ini_next(&i))
		if (p2v_span_eq(i.key, "UUID"))
			uuid = i.value;
		else if (p2v_span_eq(i.key, "DEVICE"))
			name = i.value;
	return net_ids_add(ids, uuid, name, err);
}

static int set_gateway(struct facts_address *a, struct p2v_span gateway, struct p2v_err *err)
{
	char *copy;

	if ((a->gateway && *a->gateway) || strcmp(a->method, "static") != 0 ||
		(strchr(a->address, ':') != NULL) != p2v_span_has(gateway, ':'))
		return 0;
	copy = p2v_span_dup(gateway);
	if (!copy)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	free(a->gateway);
	a->gateway = copy;
	return 0;
}

/* The upper bits of two IPv4 texts; only a gateway that a card reaches is its own. */
static bool reaches(const struct facts_address *a, struct p2v_span gateway)
{
	struct p2v_span prefix, own = p2v_span_until(p2v_span_str(a->address), '/', &prefix);
	uint64_t bits = 0;
	uint32_t mask, left = 0, right = 0;

	if (p2v_span_has(gateway, ':'))
		return true;
	if (!p2v_span_u64(prefix, 32, &bits))
		return false;
	mask = bits ? ~UINT32_C(0) << (32 - bits) : 0;
	return net_ip4(own, &left) && net_ip4(gateway, &right) && ((left ^ right) & mask) == 0;
}

/* A value of the shell: what follows a bare word is a comment. */
static struct p2v_span gateway_of(struct p2v_span value)
{
	struct p2v_span word;

	p2v_word_next(&value, &word);
	return p2v_span_unquote(word);
}

int net_routes_parse(struct p2v_span text, struct facts_os *os, struct p2v_err *err)
{
	struct p2v_span line, to, gateway;
	int r = 0;

	while (r == 0 && p2v_line_next(&text, &line)) {
		if (p2v_span_starts(line, "GATEWAY="))
			gateway = gateway_of(p2v_span_skip(line, 8));
		else if (!p2v_word_next(&line, &to) || !p2v_span_eq(to, "default") ||
			 !p2v_word_next(&line, &gateway))
			continue;
		if (p2v_span_eq(gateway, "via") && !p2v_word_next(&line, &gateway))
			continue;
		for (size_t i = 0; i < os->n_nics; i++)
			for (size_t k = 0; r == 0 && k < os->nics[i].n_addresses; k++)
				if (reaches(&os->nics[i].addresses[k], gateway))
					r = set_gateway(&os->nics[i].addresses[k], gateway, err);
	}
	return r;
}
