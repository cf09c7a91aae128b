/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The lines of the script that set up the network cards: ":find" (windows-script.c) looks for a
 * card by its address, ":net" hands words to netsh, ":value" writes what netsh has no words for.
 * Addresses, name servers and the suffix are checked once more: they stand in a batch file.
 */

#include <stdio.h>
#include <string.h>

#include "converters/plan/windows-script.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define IPV4_TEXT  16
#define LINE_BYTES 400

static bool read_ipv4(struct p2v_span text, uint32_t *ret)
{
	uint32_t all = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t n;
		struct p2v_span part = i < 3 ? p2v_span_until(text, '.', &text) : text;

		if (part.n == 0 || part.n > 3 || !p2v_span_u64(part, 255, &n))
			return false;
		all = all << 8 | (uint32_t)n;
	}
	*ret = all;
	return true;
}

static void show_ipv4(uint32_t n, char ret[IPV4_TEXT])
{
	snprintf(ret, IPV4_TEXT, "%u.%u.%u.%u", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255);
}

/* "192.0.2.10/24" to "192.0.2.10 255.255.255.0"; false: no such address. */
static bool address_and_mask(const char *text, char *ret, size_t size)
{
	struct p2v_span after, address = p2v_span_until(p2v_span_str(text), '/', &after);
	char one[IPV4_TEXT], mask[IPV4_TEXT];
	uint64_t bits;
	uint32_t n;

	if (!p2v_span_u64(after, 32, &bits) || !read_ipv4(address, &n))
		return false;
	show_ipv4(n, one);
	show_ipv4(bits ? UINT32_MAX << (32 - bits) : 0, mask);
	snprintf(ret, size, "%s %s", one, mask);
	return true;
}

static bool is_ipv4(const char *text)
{
	uint32_t n;

	return read_ipv4(p2v_span_str(text), &n);
}

/* Digits and colons, as inspection writes it. */
static bool is_ipv6(struct p2v_span text)
{
	size_t colons = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (!strchr("0123456789abcdef:.", text.p[i]))
			return false;
		colons += text.p[i] == ':';
	}
	return colons >= 2 && text.n < 46;
}

static bool is_ipv6_prefix(const char *text)
{
	struct p2v_span after, address = p2v_span_until(p2v_span_str(text), '/', &after);
	uint64_t bits;

	return is_ipv6(address) && p2v_span_u64(after, 128, &bits);
}

static void add_addresses(struct planning *p, const struct windows_lease *leases, size_t at)
{
	const struct facts_nic *nic = leases[at].from;
	bool first = !plan_windows_is_given(leases, at, NULL);

	for (size_t i = 0; i < nic->n_addresses; i++) {
		const struct facts_address *a = &nic->addresses[i];
		bool gateway = is_ipv4(a->gateway);
		char both[2 * IPV4_TEXT], text[LINE_BYTES];

		if (!plan_is(a->method, "static") ||
			!address_and_mask(a->address, both, sizeof(both)) ||
			plan_windows_is_given(leases, at, a))
			continue;
		if (first)
			snprintf(text, sizeof(text),
				"call :net ip set address \"%%card%%\" static %s %s%s", both,
				gateway ? a->gateway : "none", gateway ? " 1" : "");
		else
			snprintf(text, sizeof(text), "call :net ip add address \"%%card%%\" %s%s%s",
				both, gateway ? " " : "", gateway ? a->gateway : "");
		plan_arg(p, "line", text);
		first = false;
	}
}

static void add_addresses6(struct planning *p, const struct windows_lease *leases, size_t at)
{
	const struct facts_nic *nic = leases[at].from;

	for (size_t i = 0; i < nic->n_addresses; i++) {
		const struct facts_address *a = &nic->addresses[i];
		char text[LINE_BYTES];

		if (!plan_is(a->method, "static") || !is_ipv6_prefix(a->address) ||
			plan_windows_is_given(leases, at, a))
			continue;
		snprintf(text, sizeof(text), "call :net ipv6 add address \"%%card%%\" %s",
			a->address);
		plan_arg(p, "line", text);
		if (!is_ipv6(p2v_span_str(a->gateway)))
			continue;
		snprintf(text, sizeof(text), "call :net ipv6 add route ::/0 \"%%card%%\" %s",
			a->gateway);
		plan_arg(p, "line", text);
	}
}

/* The n-th server of its kind (from 1), in netsh's words. add: "" where the first one is added like
 * the others. */
static void add_server(struct planning *p, const char *set, const char *add, size_t n,
	const char *server, const char *unasked)
{
	char text[LINE_BYTES];

	if (n == 1 && *set)
		snprintf(text, sizeof(text), "call :net %s \"%%card%%\" static %s%s", set, server,
			unasked);
	else
		snprintf(text, sizeof(text), "call :net %s \"%%card%%\" %s index=%zu%s", add,
			server, n, unasked);
	plan_arg(p, "line", text);
}

/* A name server that does not answer is no reason to try again, but since 7 netsh asks it. */
static void add_name_servers(struct planning *p, const struct facts_nic *nic)
{
	const char *unasked = plan_windows_version(p) >= 601 ? " validate=no" : "";
	size_t n4 = 0, n6 = 0, n_wins = 0;

	for (size_t i = 0; i < nic->n_dns; i++)
		if (is_ipv4(nic->dns[i]))
			add_server(p, "ip set dns", "ip add dns", ++n4, nic->dns[i], unasked);
		else if (is_ipv6(p2v_span_str(nic->dns[i])))
			add_server(p, "", "ipv6 add dnsserver", ++n6, nic->dns[i], unasked);
	for (size_t i = 0; i < nic->n_wins; i++)
		if (is_ipv4(nic->wins[i]))
			add_server(p, "ip set wins", "ip add wins", ++n_wins, nic->wins[i], "");
}

static void add_values(struct planning *p, const struct facts_nic *nic)
{
	char text[LINE_BYTES];

	if (plan_is_dns_name(nic->suffix)) {
		snprintf(text, sizeof(text),
			"call :value Tcpip\\Parameters\\Interfaces\\ Domain REG_SZ %s",
			nic->suffix);
		plan_arg(p, "line", text);
	}
	if (nic->netbios == 1 || nic->netbios == 2) {
		snprintf(text, sizeof(text),
			"call :value NetBT\\Parameters\\Interfaces\\Tcpip_ NetbiosOptions "
			"REG_DWORD %u",
			nic->netbios);
		plan_arg(p, "line", text);
	}
}

static void add_card(struct planning *p, const struct windows_lease *leases, size_t at)
{
	const struct windows_lease *l = &leases[at];
	char mac[18], text[64];
	size_t n = 0;

	for (const char *m = l->to->mac; *m && n + 1 < sizeof(mac); m++)
		mac[n++] = *m == ':' ? '-' : *m;
	mac[n] = '\0';
	snprintf(text, sizeof(text), "call :find %s", mac);
	plan_arg(p, "line", text);
	add_addresses(p, leases, at);
	add_addresses6(p, leases, at);
	add_name_servers(p, l->from);
	add_values(p, l->from);
}

void plan_windows_script_cards(struct planning *p)
{
	struct windows_lease leases[PLAN_WINDOWS_MAX_NICS];
	size_t n = plan_windows_leases(p, leases);

	for (size_t i = 0; i < n; i++)
		if (leases[i].to)
			add_card(p, leases, i);
}
