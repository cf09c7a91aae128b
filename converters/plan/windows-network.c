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

#define INTERFACES "Services\\Tcpip\\Parameters\\Interfaces"

static bool is_static(const struct facts_address *a)
{
	return plan_is(a->method, "static");
}

static bool has_static(const struct facts_nic *nic)
{
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (is_static(&nic->addresses[i]))
			return true;
	return false;
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
static bool same_address(const struct machine_nic *m, const struct facts_nic *nic)
{
	return *plan_text(nic->mac) && strcasecmp(plan_text(m->mac), nic->mac) == 0;
}

static bool same_slot(const struct machine_nic *m, const struct facts_nic *nic)
{
	return !*plan_text(nic->mac) && *slot(nic) && plan_is(m->pci, slot(nic));
}

/* The machine was made up from the guest, by plan_machine_default. */
static bool same_name(const struct machine_nic *m, const struct facts_nic *nic)
{
	return !*plan_text(nic->mac) && *plan_text(nic->name) && plan_is(m->name, nic->name);
}

static struct plan_nic *find_card(const struct planning *p, const struct facts_nic *nic)
{
	static bool (*const ways[])(const struct machine_nic *m, const struct facts_nic *nic) = {
		same_address, same_slot, same_name};

	for (size_t w = 0; w < P2V_N(ways); w++)
		for (size_t i = 0; i < p->plan->n_nics && i < p->machine->n_nics; i++)
			if (ways[w](&p->machine->nics[i], nic))
				return &p->plan->nics[i];
	return NULL;
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

		if ((has_static(nic) || nic->n_dns) && is_guid(nic->path))
			ret[n++] = (struct windows_lease){.from = nic, .to = find_card(p, nic)};
	}
	settle_last(p, ret, n);
	return n;
}

/* For the proof. */
static void expect_addresses(struct planning *p, const struct windows_lease *l)
{
	for (size_t i = 0; i < l->from->n_addresses && p->r == 0; i++) {
		const struct facts_address *a = &l->from->addresses[i];

		if (!is_static(a))
			continue;
		p->r = p2v_json_add_str(&l->to->addresses, &l->to->n_addresses, a->address, p->err);
		if (!*plan_text(l->to->gateway))
			plan_set(p, &l->to->gateway, a->gateway);
	}
}

static void free_ghost(struct planning *p, const struct windows_lease *l)
{
	static const char *const lists[] = {
		"IPAddress", "SubnetMask", "DefaultGateway", "DefaultGatewayMetric"};
	const struct facts_windows *w = plan_windows(p);

	plan_hive_step(p, "SYSTEM",
		"The addresses of '%s' go to the virtual machine's card %s at its first start; "
		"the old card, which Windows does not forget, gives them up.",
		l->from->name, l->to->mac);
	for (size_t i = 0; i < w->n_sets; i++) {
		plan_hive_key_if_there(p, w->sets[i], INTERFACES "\\%s", l->from->path);
		for (size_t k = 0; has_static(l->from) && k < P2V_N(lists); k++)
			plan_hive_value(p, "delete", lists[k], "");
		if (has_static(l->from))
			plan_hive_u32(p, "EnableDHCP", 1);
		plan_hive_value(p, "text", "NameServer", "");
	}
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
		expect_addresses(p, &leases[i]);
		free_ghost(p, &leases[i]);
	}
}
