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

struct facts_nic *net_nic(struct facts_os *os, struct p2v_span name, const char *dialect,
	const char *path, struct p2v_err *err)
{
	struct facts_nic *nic;

	for (size_t i = 0; i < os->n_nics; i++)
		if (p2v_span_eq(name, os->nics[i].name) &&
			strcmp(os->nics[i].dialect, dialect) == 0)
			return &os->nics[i];
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

int net_kind(struct facts_nic *nic, const char *kind, struct p2v_err *err)
{
	return set(&nic->kind, p2v_span_str(kind), err);
}

int net_pin(struct facts_os *os, struct p2v_span name, struct p2v_span mac, const char *dialect,
	const char *path, struct p2v_err *err)
{
	struct facts_nic *nic = net_nic(os, name, dialect, path, err);
	int r;

	if (!nic)
		return err ? err->kind : P2V_ENOMEM;
	r = net_kind(nic, "name", err);
	return r < 0 ? r : net_mac(nic, mac, err);
}

/* 255.255.255.0 -> 24; a mask with holes is none. */
static bool mask_prefix(struct p2v_span mask, uint64_t *ret)
{
	char text[64];
	struct in_addr a;
	uint32_t bits;

	if (p2v_span_u64(mask, 128, ret))
		return true;
	if (mask.n == 0 || mask.n >= sizeof(text))
		return false;
	memcpy(text, mask.p, mask.n);
	text[mask.n] = '\0';
	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	bits = ntohl(a.s_addr);
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
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu addresses", NET_MAX_NICS);
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

int net_member(struct facts_nic *nic, struct p2v_span name, struct p2v_err *err)
{
	char *copy;
	int r;

	for (size_t i = 0; i < nic->n_members; i++)
		if (p2v_span_eq(name, nic->members[i]))
			return 0;
	if (nic->n_members == NET_MAX_NICS)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu members", NET_MAX_NICS);
	copy = p2v_span_dup(name);
	r = copy ? p2v_json_add_str(&nic->members, &nic->n_members, copy, err) : no_memory(err);
	free(copy);
	return r;
}

int net_mac(struct facts_nic *nic, struct p2v_span mac, struct p2v_err *err)
{
	char text[18];

	if (mac.n != 17)
		return 0;
	for (size_t i = 0; i < 17; i++) {
		char c = (char)tolower((unsigned char)mac.p[i]);

		text[i] = c == '-' ? ':' : c;
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)c))
			return 0;
	}
	return set(&nic->mac, p2v_span_of(text, 17), err);
}

void net_includes_finish(struct net_includes *i)
{
	for (size_t k = 0; k < i->n_patterns; k++)
		free(i->patterns[k]);
	free(i->patterns);
	memset(i, 0, sizeof(*i));
}
