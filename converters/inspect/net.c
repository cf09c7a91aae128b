/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"

static int no_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static int set(char **to, struct p2v_span s, struct p2v_err *err)
{
	char *copy = p2v_span_dup(s);

	if (!copy)
		return no_memory(err);
	free(*to);
	*to = copy;
	return 0;
}

struct facts_nic *net_nic_new(struct facts_os *os, struct p2v_span name, const char *dialect,
	const char *path, struct p2v_err *err)
{
	struct facts_nic *nic;

	if (os->n_nics == NET_MAX_NICS) {
		p2v_err_set(err, P2V_EFORMAT, "more than %zu interfaces", NET_MAX_NICS);
		return NULL;
	}
	nic = p2v_json_grow((void **)&os->nics, &os->n_nics, sizeof(*nic));
	if (!nic) {
		no_memory(err);
		return NULL;
	}
	if (set(&nic->name, name, err) < 0 || set(&nic->dialect, p2v_span_str(dialect), err) < 0 ||
		set(&nic->path, p2v_span_str(path), err) < 0 || net_kind(nic, "ethernet", err) < 0)
		return NULL;
	return nic;
}

struct facts_nic *net_nic(struct facts_os *os, struct p2v_span name, const char *dialect,
	const char *path, struct p2v_err *err)
{
	for (size_t i = 0; name.n && i < os->n_nics; i++)
		if (p2v_span_eq(name, os->nics[i].name) &&
			strcmp(os->nics[i].dialect, dialect) == 0 &&
			(!os->nics[i].kind || strcmp(os->nics[i].kind, "name") != 0))
			return &os->nics[i];
	return net_nic_new(os, name, dialect, path, err);
}

int net_kind(struct facts_nic *nic, const char *kind, struct p2v_err *err)
{
	return set(&nic->kind, p2v_span_str(kind), err);
}

int net_pin(struct facts_os *os, struct p2v_span name, struct p2v_span mac, const char *dialect,
	const char *path, struct p2v_err *err)
{
	struct facts_nic *nic = NULL;
	int r;

	/* Several cards may have had a name, one after the other: each has its entry. */
	for (size_t i = 0; i < os->n_nics && !nic; i++)
		if (p2v_span_eq(name, os->nics[i].name) &&
			strcmp(os->nics[i].dialect, dialect) == 0 &&
			strcmp(os->nics[i].path, path) == 0 && os->nics[i].mac &&
			mac.n == strlen(os->nics[i].mac) &&
			strncasecmp(mac.p, os->nics[i].mac, mac.n) == 0)
			return 0;
	nic = net_nic_new(os, name, dialect, path, err);
	if (!nic)
		return err ? err->kind : P2V_ENOMEM;
	r = net_kind(nic, "name", err);
	return r < 0 ? r : net_mac(nic, mac, err);
}

bool net_ip4(struct p2v_span text, uint32_t *ret)
{
	char copy[INET_ADDRSTRLEN];
	struct in_addr a;

	if (text.n == 0 || text.n >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET, copy, &a) != 1)
		return false;
	*ret = ntohl(a.s_addr);
	return true;
}

/* 255.255.255.0 -> 24; a mask with holes is none. */
static bool mask_prefix(struct p2v_span mask, uint64_t *ret)
{
	uint32_t bits;

	if (p2v_span_u64(mask, 128, ret))
		return true;
	if (!net_ip4(mask, &bits))
		return false;
	if ((~bits & (~bits + 1)) != 0)
		return false;
	*ret = (uint64_t)__builtin_popcount(bits);
	return true;
}

/* What an IPv4 address without a mask meant before there were masks. */
static unsigned class_prefix(const struct in_addr *a)
{
	uint32_t first = ntohl(a->s_addr) >> 24;

	return first < 128 ? 8 : first < 192 ? 16 : 24;
}

/* The address in the form "address/prefix", or false. */
static bool canonical(struct p2v_span address, struct p2v_span netmask, char *text, size_t n_text)
{
	struct p2v_span prefix_text, host = p2v_span_until(address, '/', &prefix_text);
	char host_text[64];
	struct in6_addr six;
	struct in_addr four;
	bool is_six;
	uint64_t prefix;

	if (host.n == 0 || host.n >= sizeof(host_text))
		return false;
	memcpy(host_text, host.p, host.n);
	host_text[host.n] = '\0';
	is_six = inet_pton(AF_INET6, host_text, &six) == 1;
	if (!is_six && inet_pton(AF_INET, host_text, &four) != 1)
		return false;
	if (!mask_prefix(prefix_text, &prefix) && !mask_prefix(netmask, &prefix))
		prefix = is_six ? 64 : class_prefix(&four);
	if (prefix > (is_six ? 128 : 32))
		return false;
	snprintf(text, n_text, "%s/%u", host_text, (unsigned)prefix);
	return true;
}

/* The host part alone: a gateway. */
static bool is_address(struct p2v_span s)
{
	char text[80];

	return !p2v_span_has(s, '/') && canonical(s, p2v_span_str(""), text, sizeof(text));
}

int net_address(struct facts_nic *nic, const char *method, struct p2v_span address,
	struct p2v_span netmask, struct p2v_span gateway, struct p2v_err *err)
{
	char text[80] = "";
	struct facts_address *a;
	int r;

	if (strcmp(method, "static") == 0 && !canonical(address, netmask, text, sizeof(text)))
		return 0;
	if (nic->n_addresses == NET_MAX_NICS)
		return 0;
	a = p2v_json_grow((void **)&nic->addresses, &nic->n_addresses, sizeof(*a));
	if (!a)
		return no_memory(err);
	r = set(&a->method, p2v_span_str(method), err);
	if (r == 0)
		r = set(&a->address, p2v_span_str(text), err);
	if (r == 0)
		r = set(&a->gateway, is_address(gateway) ? gateway : p2v_span_str(""), err);
	return r;
}

static bool mac_text(struct p2v_span mac, char text[18])
{
	if (mac.n != 17)
		return false;
	for (size_t i = 0; i < 17; i++) {
		char c = (char)tolower((unsigned char)mac.p[i]);

		text[i] = c == '-' ? ':' : c;
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)c))
			return false;
	}
	text[17] = '\0';
	return true;
}

int net_member(struct facts_nic *nic, struct p2v_span name, struct p2v_err *err)
{
	char *copy, mac[18];
	int r;

	if (mac_text(name, mac))
		name = p2v_span_str(mac);
	for (size_t i = 0; i < nic->n_members; i++)
		if (p2v_span_eq(name, nic->members[i]))
			return 0;
	/* More than any bridge has; the first ones tell where it is. */
	if (nic->n_members == NET_MAX_MEMBERS)
		return 0;
	copy = p2v_span_dup(name);
	r = copy ? p2v_json_add_str(&nic->members, &nic->n_members, copy, err) : no_memory(err);
	free(copy);
	return r;
}

int net_join(struct facts_os *os, struct p2v_span name, const char *kind, struct p2v_span member,
	const char *dialect, const char *path, struct p2v_err *err)
{
	struct facts_nic *nic = net_nic(os, name, dialect, path, err);
	int r = nic ? 0 : P2V_ENOMEM;

	if (r == 0 && strcmp(nic->kind, "ethernet") == 0)
		r = net_kind(nic, kind, err);
	return r == 0 && member.n ? net_member(nic, member, err) : r;
}

bool net_is_mac(struct p2v_span text)
{
	char mac[18];

	return mac_text(text, mac);
}

int net_mac(struct facts_nic *nic, struct p2v_span mac, struct p2v_err *err)
{
	char text[18];

	return mac_text(mac, text) ? set(&nic->mac, p2v_span_str(text), err) : 0;
}

int net_clone_mac(struct facts_nic *nic, struct p2v_span mac, struct p2v_err *err)
{
	char text[18];

	return mac_text(mac, text) ? set(&nic->clone_mac, p2v_span_str(text), err) : 0;
}

int net_primary(struct facts_nic *nic, struct p2v_span member, struct p2v_err *err)
{
	char mac[18];

	if (mac_text(member, mac))
		return set(&nic->primary, p2v_span_str(mac), err);
	return set(&nic->primary, member, err);
}

void net_mtu(struct facts_nic *nic, struct p2v_span mtu)
{
	uint64_t bytes;

	if (p2v_span_u64(p2v_span_trim(mtu), UINT16_MAX, &bytes))
		nic->mtu = (uint32_t)bytes;
}

int net_mode(struct facts_nic *nic, struct p2v_span mode, struct p2v_err *err)
{
	return set(&nic->mode, mode, err);
}

int net_match(struct facts_nic *nic, const struct net_match *from, struct p2v_err *err)
{
	struct facts_nic_match *m;
	int r;

	if (nic->n_matches == NET_MAX_MATCHES)
		return 0;
	m = p2v_json_grow((void **)&nic->matches, &nic->n_matches, sizeof(*m));
	if (!m)
		return no_memory(err);
	m->line = from->line;
	r = set(&m->key, p2v_span_str(from->key), err);
	if (r == 0)
		r = set(&m->value, from->value, err);
	if (r == 0)
		r = set(&m->path, p2v_span_str(from->path), err);
	return r == 0 ? set(&m->text, from->text, err) : r;
}

bool net_is_vlan_name(struct p2v_span name, struct p2v_span *ret_base, uint32_t *ret_id)
{
	const char *dot = name.n ? memrchr(name.p, '.', name.n) : NULL;
	struct p2v_span base = p2v_span_of(name.p, dot ? (size_t)(dot - name.p) : name.n);
	struct p2v_span id = p2v_span_skip(name, base.n + 1);
	uint64_t number;

	if (p2v_span_starts(name, "vlan")) {
		id = p2v_span_skip(name, 4);
		base.n = 0;
	}
	if (!p2v_span_u64(id, 4094, &number))
		return false;
	*ret_base = base;
	*ret_id = (uint32_t)number;
	return true;
}

bool net_is_pattern(struct p2v_span name)
{
	return p2v_span_has(name, '*') || p2v_span_has(name, '?') || p2v_span_has(name, '[') ||
	       p2v_span_has(name, ' ') || p2v_span_has(name, '!');
}

int net_ids_add(struct net_ids *ids, struct p2v_span id, struct p2v_span name, struct p2v_err *err)
{
	const struct p2v_span both[] = {id, name};
	int r = 0;

	if (!id.n || !name.n || ids->n_items >= 2 * NET_MAX_NICS)
		return 0;
	for (size_t i = 0; r == 0 && i < P2V_N(both); i++) {
		p2v_autofree char *copy = p2v_span_dup(both[i]);

		r = copy ? p2v_json_add_str(&ids->items, &ids->n_items, copy, err) : no_memory(err);
	}
	return r;
}

struct p2v_span net_ids_find(const struct net_ids *ids, struct p2v_span id)
{
	for (size_t i = 0; id.n && ids && i + 1 < ids->n_items; i += 2)
		if (p2v_span_eq(id, ids->items[i]))
			return p2v_span_str(ids->items[i + 1]);
	return id;
}

int net_ids_last(struct net_ids *ids, struct p2v_span id, struct p2v_span name, struct p2v_err *err)
{
	for (size_t i = 0; i + 1 < ids->n_items; i += 2) {
		p2v_autofree char *copy = NULL;

		if (!p2v_span_eq(id, ids->items[i]))
			continue;
		copy = p2v_span_dup(name);
		if (!copy)
			return no_memory(err);
		if (strcmp(copy, ids->items[i + 1]) > 0) {
			free(ids->items[i + 1]);
			ids->items[i + 1] = p2v_steal(copy);
		}
		return 0;
	}
	return net_ids_add(ids, id, name, err);
}

void net_ids_finish(struct net_ids *ids)
{
	for (size_t i = 0; i < ids->n_items; i++)
		free(ids->items[i]);
	free(ids->items);
	memset(ids, 0, sizeof(*ids));
}

void net_includes_finish(struct net_includes *i)
{
	for (size_t k = 0; k < i->n_patterns; k++)
		free(i->patterns[k]);
	free(i->patterns);
	for (size_t k = 0; k < i->n_started; k++)
		free(i->started[k]);
	free(i->started);
	for (size_t k = 0; k < i->n_maps; k++)
		free(i->maps[k]);
	free(i->maps);
	memset(i, 0, sizeof(*i));
}
