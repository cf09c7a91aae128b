/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Network cards. The guest's configuration names its cards; another slot gives another name; so
 * each name that is configured is pinned to the address of the card that had it.
 *
 * Which card had a name is found, best evidence first: the guest's configuration says the address;
 * a udev rule or .link file does; the name is what udev derives from that card's place; the
 * source's running system called it so; kernel names (eth0) in the cards' order; only one name and
 * one card are left.
 */

#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define MAX_NAMES 512

/* A card that the guest configures, by name. */
struct wanted {
	const char *name;
	const struct facts_nic *nic;   /* its own configuration; NULL: only a member of another */
	const struct facts_nic *above; /* bond or bridge that it is a member of */
	size_t card;		       /* index in machine.nics; n_nics: not found yet */
	const char *why;	       /* how it was found */
};

struct matching {
	struct planning *p;
	struct wanted names[MAX_NAMES];
	size_t n;
};

static const struct facts_nic *find_nic(const struct facts_os *os, const char *name)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (plan_is(os->nics[i].name, name) && !plan_is(os->nics[i].kind, "name"))
			return &os->nics[i];
	return NULL;
}

/* The guest gives this name to the card with that address; path: by that file. */
static bool is_named(const struct facts_os *os, const char *name, const char *mac, const char *path)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (plan_is(os->nics[i].kind, "name") && plan_is(os->nics[i].name, name) &&
			plan_is(os->nics[i].mac, mac) && (!path || plan_is(os->nics[i].path, path)))
			return true;
	return false;
}

static struct wanted *want(struct matching *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (plan_is(m->names[i].name, name))
			return &m->names[i];
	if (m->n == MAX_NAMES)
		return NULL;
	m->names[m->n] = (struct wanted){.name = name, .card = m->p->machine->n_nics};
	return &m->names[m->n++];
}

static void gather(struct matching *m)
{
	const struct facts_os *os = m->p->os;
	struct wanted *w;

	for (size_t i = 0; i < os->n_nics; i++) {
		const struct facts_nic *nic = &os->nics[i];

		if (plan_is(nic->kind, "ethernet") && *plan_text(nic->name)) {
			w = want(m, nic->name);
			if (w)
				w->nic = nic;
		}
		for (size_t k = 0; k < nic->n_members; k++) {
			const struct facts_nic *member = find_nic(os, nic->members[k]);

			if (member && !plan_is(member->kind, "ethernet"))
				continue;
			w = want(m, nic->members[k]);
			if (w && !plan_is(nic->kind, "vlan"))
				w->above = nic;
		}
	}
}

static bool is_free(const struct matching *m, size_t card)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->names[i].card == card)
			return false;
	return true;
}

static bool by_mac(const struct matching *m, const struct wanted *w, size_t card)
{
	return w->nic && *plan_text(w->nic->mac) &&
	       plan_is(w->nic->mac, plan_text(m->p->machine->nics[card].mac));
}

static bool by_rule(const struct matching *m, const struct wanted *w, size_t card)
{
	return is_named(m->p->os, w->name, plan_text(m->p->machine->nics[card].mac), NULL);
}

static bool by_place(const struct matching *m, const struct wanted *w, size_t card)
{
	const struct machine_nic *n = &m->p->machine->nics[card];

	return plan_is(n->path_name, w->name) || plan_is(n->slot_name, w->name) ||
	       plan_is(n->onboard_name, w->name);
}

static bool by_name(const struct matching *m, const struct wanted *w, size_t card)
{
	return plan_is(m->p->machine->nics[card].name, w->name);
}

/* The kernel counts cards in the order of their places, and so does the machine noun. */
static bool by_order(const struct matching *m, const struct wanted *w, size_t card)
{
	struct p2v_span name = p2v_span_str(w->name);
	uint64_t number;

	(void)m;
	return p2v_span_starts(name, "eth") &&
	       p2v_span_u64(p2v_span_skip(name, 3), SIZE_MAX, &number) && number == card;
}

static bool by_rest(const struct matching *m, const struct wanted *w, size_t card)
{
	size_t names = 0, cards = 0;

	(void)w;
	(void)card;
	for (size_t i = 0; i < m->n; i++)
		names += m->names[i].card == m->p->machine->n_nics;
	for (size_t i = 0; i < m->p->machine->n_nics; i++)
		cards += is_free(m, i);
	return names == 1 && cards == 1;
}

static const struct {
	bool (*fits)(const struct matching *m, const struct wanted *w, size_t card);
	const char *why;
} evidence[] = {
	{by_mac, "the guest's configuration names its address"},
	{by_rule, "a rule of the guest gives it to this address"},
	{by_place, "the name follows from its place in the machine"},
	{by_name, "the running system called it so"},
	{by_order, "cards are counted in the order of their places"},
	{by_rest, "only one card and one name are left"},
};

static void match(struct matching *m)
{
	size_t n_cards = m->p->machine->n_nics;

	for (size_t e = 0; e < P2V_N(evidence); e++)
		for (size_t i = 0; i < m->n; i++)
			for (size_t c = 0; c < n_cards && m->names[i].card == n_cards; c++) {
				if (!is_free(m, c) || !evidence[e].fits(m, &m->names[i], c))
					continue;
				m->names[i].card = c;
				m->names[i].why = evidence[e].why;
			}
}

static void take_addresses(struct planning *p, struct plan_nic *to, const struct facts_nic *from)
{
	for (size_t i = 0; from && i < from->n_addresses; i++) {
		const struct facts_address *a = &from->addresses[i];

		if (!plan_is(a->method, "static") || p->r < 0)
			continue;
		p->r = p2v_json_add_str(&to->addresses, &to->n_addresses, a->address, p->err);
		if (!*plan_text(to->gateway) && *plan_text(a->gateway))
			plan_set(p, &to->gateway, a->gateway);
	}
}

/* The first member of a bond stands for it: its address answers there. */
static bool is_first_member(const struct wanted *w)
{
	return w->above && w->above->n_members && plan_is(w->above->members[0], w->name);
}

static const char *driver_of(const char *model)
{
	return plan_is(model, "virtio-net") ? "virtio_net"
	       : plan_is(model, "rtl8139")  ? "8139cp"
					    : model;
}

/* One file a card where udev reads such files; before that, one list of rules. */
static void plan_name(
	struct planning *p, const struct wanted *w, const char *mac, const char *model)
{
	char path[64] = "/etc/udev/rules.d/70-persistent-net.rules";

	if (p->os->udev_links)
		snprintf(path, sizeof(path), "/etc/systemd/network/10-p2v-%s.link", w->name);
	if (is_named(p->os, w->name, mac, path))
		return;
	plan_step(p, p->os->udev_links ? "nic-link" : "nic-rule", path,
		"Card %s keeps its name %s (%s): another slot would rename it, and its "
		"configuration would not apply.",
		mac, w->name, w->why);
	plan_arg(p, "name", w->name);
	plan_arg(p, "mac", mac);
	plan_arg(p, "driver", driver_of(model));
}

static void pin(struct planning *p, const struct wanted *w)
{
	struct plan_nic *to = &p->plan->nics[w->card];

	/* 15 characters are all that a kernel takes; a '/' or a blank no name may have. */
	if (strlen(w->name) > 15 || strpbrk(w->name, "/ \t\"%:")) {
		plan_warn(p, "the interface name '%.40s' is not one that can be kept", w->name);
		return;
	}
	plan_set(p, &to->name, w->name);
	take_addresses(p, to, w->nic);
	if (is_first_member(w))
		take_addresses(p, to, w->above);
	plan_name(p, w, to->mac, to->model);
}

void plan_network(struct planning *p)
{
	struct matching m = {.p = p};

	gather(&m);
	match(&m);
	for (size_t i = 0; i < m.n && p->r == 0; i++) {
		if (m.names[i].card < p->machine->n_nics)
			pin(p, &m.names[i]);
		else
			plan_warn(p,
				"the guest configures %s, but it is unknown which of the "
				"machine's %zu network cards that is: give it the right name "
				"after the conversion",
				m.names[i].name, p->machine->n_nics);
	}
	if (p->machine->n_nics == 0)
		plan_warn(p, "no network card is known: the virtual machine gets none");
}
