/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Addresses. To Windows the virtual machine's card is a new one, with a GUID that it gets at its
 * first start: what was set by hand for the old card is set for the new one then
 * (windows-script.c), and taken from the old one here, whose ghost would hold on to it.
 */

#include <string.h>

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/span.h"

#define INTERFACES  "Services\\Tcpip\\Parameters\\Interfaces"
#define INTERFACES6 "Services\\Tcpip6\\Parameters\\Interfaces"
#define NETBIOS	    "Services\\NetBT\\Parameters\\Interfaces\\Tcpip_"
#define NSI6	    "Control\\Nsi\\{eb004a01-9b1a-11d4-9123-0050047759bc}"

static bool is_static(const struct facts_address *a)
{
	return plan_is(a->method, "static");
}

static bool is_ipv6(const char *address)
{
	return strchr(plan_text(address), ':') != NULL;
}

static bool has_static(const struct facts_nic *nic)
{
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (is_static(&nic->addresses[i]))
			return true;
	return false;
}

static bool has_static4(const struct facts_nic *nic)
{
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (is_static(&nic->addresses[i]) && !is_ipv6(nic->addresses[i].address))
			return true;
	return false;
}

static bool has_dns(const struct facts_nic *nic, bool v6)
{
	for (size_t i = 0; i < nic->n_dns; i++)
		if (is_ipv6(nic->dns[i]) == v6)
			return true;
	return false;
}

/* Something was set for it by hand. */
static bool is_set_up(const struct facts_nic *nic)
{
	return has_static(nic) || nic->n_dns || nic->n_wins || nic->netbios ||
	       plan_is_dns_name(nic->suffix);
}

static bool is_guid(const char *text)
{
	size_t n = strlen(plan_text(text));

	return n == 38 && text[0] == '{' && text[37] == '}' &&
	       strspn(text + 1, "0123456789abcdefABCDEF-") == 36;
}

/* The slot that the old card was in, by the guest's own words. */
static const char *slot(const struct facts_nic *nic)
{
	for (size_t i = 0; i < nic->n_matches; i++)
		if (plan_is(nic->matches[i].key, "pci"))
			return nic->matches[i].value;
	return "";
}

/* Ways to tell which card of the machine it was, best first. */
static bool same_address(const struct machine *m, size_t i, const struct facts_nic *nic)
{
	return *plan_text(nic->mac) && strcasecmp(plan_text(m->nics[i].mac), nic->mac) == 0;
}

/* A slot may have several cards, which only their addresses tell apart. */
static bool same_slot(const struct machine *m, size_t i, const struct facts_nic *nic)
{
	if (*plan_text(nic->mac) || !*slot(nic) || !plan_is(m->nics[i].pci, slot(nic)))
		return false;
	for (size_t k = 0; k < m->n_nics; k++)
		if (k != i && plan_is(m->nics[k].pci, slot(nic)))
			return false;
	return true;
}

/* The machine was made up from the guest, by plan_machine_default. */
static bool same_name(const struct machine *m, size_t i, const struct facts_nic *nic)
{
	return !*plan_text(nic->mac) && *plan_text(nic->name) &&
	       plan_is(m->nics[i].name, nic->name);
}

static struct plan_nic *find_own_card(const struct planning *p, const struct facts_nic *nic)
{
	static bool (*const ways[])(const struct machine *m, size_t i,
		const struct facts_nic *nic) = {same_address, same_slot, same_name};

	for (size_t w = 0; w < P2V_N(ways); w++)
		for (size_t i = 0; i < p->plan->n_nics && i < p->machine->n_nics; i++)
			if (ways[w](p->machine, i, nic))
				return &p->plan->nics[i];
	return NULL;
}

/* A team's is that of the first of its cards that is known. */
static struct plan_nic *find_card(const struct planning *p, const struct facts_nic *nic)
{
	struct plan_nic *card = find_own_card(p, nic);

	for (size_t i = 0; !card && i < nic->n_members; i++)
		for (size_t k = 0; !card && k < p->os->n_nics; k++)
			if (plan_is(p->os->nics[k].name, nic->members[i]))
				card = find_own_card(p, &p->os->nics[k]);
	return card;
}

static bool is_claimed(const struct planning *p, const struct plan_nic *card)
{
	for (size_t i = 0; i < p->os->n_nics; i++)
		if (find_card(p, &p->os->nics[i]) == card)
			return true;
	return false;
}

/* The one card that no adapter claims, where one adapter is left, too. */
static void settle_last(const struct planning *p, struct windows_lease *leases, size_t n)
{
	struct windows_lease *open = NULL;
	struct plan_nic *free_card = NULL;

	for (size_t i = 0; i < n; i++) {
		if (leases[i].to)
			continue;
		if (open)
			return;
		open = &leases[i];
	}
	for (size_t i = 0; i < p->plan->n_nics; i++) {
		if (is_claimed(p, &p->plan->nics[i]))
			continue;
		if (free_card)
			return;
		free_card = &p->plan->nics[i];
	}
	if (open)
		open->to = free_card;
}

size_t plan_windows_leases(
	const struct planning *p, struct windows_lease ret[PLAN_WINDOWS_MAX_NICS])
{
	size_t n = 0;

	for (size_t i = 0; i < p->os->n_nics && n < PLAN_WINDOWS_MAX_NICS; i++) {
		const struct facts_nic *nic = &p->os->nics[i];

		if (is_set_up(nic) && is_guid(nic->path))
			ret[n++] = (struct windows_lease){.from = nic, .to = find_card(p, nic)};
	}
	settle_last(p, ret, n);
	return n;
}

/* address: NULL for any static one of IPv4. */
static bool has_address(const struct facts_nic *nic, const struct facts_address *address)
{
	for (size_t i = 0; address && i < nic->n_addresses; i++)
		if (is_static(&nic->addresses[i]) &&
			plan_is(nic->addresses[i].address, plan_text(address->address)))
			return true;
	return !address && has_static4(nic);
}

bool plan_windows_is_given(
	const struct windows_lease *leases, size_t at, const struct facts_address *address)
{
	for (size_t i = 0; i < at; i++)
		if (leases[i].to == leases[at].to && has_address(leases[i].from, address))
			return true;
	return false;
}

/* For the proof. */
static void expect_addresses(struct planning *p, const struct windows_lease *leases, size_t at)
{
	const struct windows_lease *l = &leases[at];

	for (size_t i = 0; i < l->from->n_addresses && p->r == 0; i++) {
		const struct facts_address *a = &l->from->addresses[i];

		if (!is_static(a) || plan_windows_is_given(leases, at, a))
			continue;
		p->r = p2v_json_add_str(&l->to->addresses, &l->to->n_addresses, a->address, p->err);
		if (!*plan_text(l->to->gateway) && !is_ipv6(a->address))
			plan_set(p, &l->to->gateway, a->gateway);
	}
}

/* What IPv6 keeps of it, by the names of its values: "10\\0000...". */
static void free_ghost6(struct planning *p, const struct facts_nic *nic, const char *set)
{
	for (size_t i = 0; i < nic->n_nsi; i++) {
		size_t n = strcspn(nic->nsi[i], "\\");

		plan_hive_key_if_there(p, set, NSI6 "\\%.*s", (int)n, nic->nsi[i]);
		plan_hive_value(p, "delete", nic->nsi[i] + n + (nic->nsi[i][n] != '\0'), "");
	}
	if (has_dns(nic, true)) {
		plan_hive_key_if_there(p, set, INTERFACES6 "\\%s", nic->path);
		plan_hive_value(p, "text", "NameServer", "");
	}
}

static void free_ghost4(struct planning *p, const struct facts_nic *nic, const char *set)
{
	static const char *const lists[] = {
		"IPAddress", "SubnetMask", "DefaultGateway", "DefaultGatewayMetric"};

	plan_hive_key_if_there(p, set, INTERFACES "\\%s", nic->path);
	for (size_t k = 0; has_static4(nic) && k < P2V_N(lists); k++)
		plan_hive_value(p, "delete", lists[k], "");
	if (has_static4(nic))
		plan_hive_u32(p, "EnableDHCP", 1);
	if (has_static4(nic) || has_dns(nic, false))
		plan_hive_value(p, "text", "NameServer", "");
	if (plan_is_dns_name(nic->suffix))
		plan_hive_value(p, "text", "Domain", "");
	if (!nic->n_wins && !nic->netbios)
		return;
	plan_hive_key_if_there(p, set, NETBIOS "%s", nic->path);
	if (nic->n_wins)
		plan_hive_value(p, "delete", "NameServerList", "");
	if (nic->netbios)
		plan_hive_u32(p, "NetbiosOptions", 0);
}

static void free_ghost(struct planning *p, const struct windows_lease *l)
{
	const struct facts_windows *w = plan_windows(p);

	plan_hive_step(p, "SYSTEM",
		"The settings of '%s' go to the virtual machine's card %s at its first start; the "
		"old card, which Windows does not forget, gives them up.",
		l->from->name, l->to->mac);
	for (size_t i = 0; i < w->n_sets; i++) {
		free_ghost4(p, l->from, w->sets[i]);
		free_ghost6(p, l->from, w->sets[i]);
	}
}

/* One of them is the ghost of a card that was taken out of that slot, or whose driver changed. */
static void warn_rivals(struct planning *p, const struct windows_lease *leases, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (leases[i].to == leases[at].to && has_static4(leases[i].from) &&
			has_static4(leases[at].from))
			plan_warn(p,
				"'%s' and '%s' were the same card (%s), and both have addresses: "
				"it gets all of them. If one is a card that is not there any more, "
				"remove it in Windows before the copy",
				leases[i].from->name, leases[at].from->name, leases[at].to->mac);
}

void plan_windows_network(struct planning *p)
{
	struct windows_lease leases[PLAN_WINDOWS_MAX_NICS];
	size_t n = plan_windows_leases(p, leases);

	for (size_t i = 0; i < n; i++) {
		if (!leases[i].to) {
			plan_warn(p,
				"nobody knows which card '%s' was: its addresses are to be set by "
				"hand. An inventory (machine.json) says which cards there are",
				leases[i].from->name);
			continue;
		}
		warn_rivals(p, leases, i);
		expect_addresses(p, leases, i);
		free_ghost(p, &leases[i]);
	}
}
