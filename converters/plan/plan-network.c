/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Network cards. The guest's configuration names its cards; another slot gives another name; so
 * each name that is configured is pinned to the address of the card that had it, and the addresses
 * that must come up are told to the proof at the card on whose wire they are.
 */

#include <stdio.h>
#include <string.h>

#include "converters/plan/plan-net.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define MAX_LEVELS 8 /* of interfaces that are made of others */
#define MAX_NAMED  4 /* in one sentence */

static bool has_address(const struct plan_nic *to, const char *address)
{
	for (size_t i = 0; i < to->n_addresses; i++)
		if (plan_is(to->addresses[i], address))
			return true;
	return false;
}

#define TWO_TAGS UINT32_MAX

/* The tag that frames of this interface have on the card's wire. 0: none. */
static uint32_t vlan_of(const struct facts_os *os, const struct facts_nic *nic)
{
	uint32_t id = 0;

	for (int level = 0; nic && level < MAX_LEVELS; level++) {
		if (plan_is(nic->kind, "vlan") && id)
			return TWO_TAGS;
		if (plan_is(nic->kind, "vlan"))
			id = nic->vlan_id;
		nic = nic->n_members ? plan_net_find(os, nic->members[0]) : NULL;
	}
	return id;
}

static void tag(struct planning *p, struct plan_nic *to, const char *address, uint32_t id)
{
	struct plan_tag *t =
		id ? plan_grow(p, (void **)&to->tagged, &to->n_tagged, sizeof(*t)) : NULL;

	if (!t)
		return;
	plan_set(p, &t->address, address);
	t->vlan_id = id;
}

static void take_addresses(struct planning *p, struct plan_nic *to, const struct facts_nic *from)
{
	uint32_t id = vlan_of(p->os, from);

	if (id == TWO_TAGS) {
		plan_tell(p, "%s is a VLAN in a VLAN: p2v prove does not ask for its addresses",
			from->name);
		return;
	}
	for (size_t i = 0; i < from->n_addresses && p->r == 0; i++) {
		const struct facts_address *a = &from->addresses[i];

		to->dhcp |= id == 0 && plan_is(a->method, "dhcp");
		if (!plan_is(a->method, "static") || has_address(to, a->address))
			continue;
		p->r = p2v_json_add_str(&to->addresses, &to->n_addresses, a->address, p->err);
		tag(p, to, a->address, id);
		/* The proof's network speaks IPv4. */
		if (*plan_text(a->gateway) &&
			(!*plan_text(to->gateway) ||
				(strchr(to->gateway, ':') && !strchr(a->gateway, ':'))))
			plan_set(p, &to->gateway, a->gateway);
	}
}

/* Who configures an interface of which several dialects speak. */
static size_t rank(const struct facts_nic *nic)
{
	static const char *const dialects[] = {"netplan", "ifupdown", "networkd"};

	for (size_t i = 0; i < P2V_N(dialects); i++)
		if (plan_is(nic->dialect, dialects[i]))
			return i;
	return P2V_N(dialects);
}

/* Two dialects configure one interface: only one of them is in use. */
static bool is_told_elsewhere(const struct facts_os *os, const struct facts_nic *nic)
{
	for (const struct facts_nic *n = os->nics; n < os->nics + os->n_nics; n++)
		if (n != nic && *plan_text(nic->name) && n->n_addresses &&
			plan_is(n->name, nic->name) && !plan_is(n->kind, "name") && !n->manual &&
			(rank(n) < rank(nic) || (rank(n) == rank(nic) && n < nic)))
			return true;
	return false;
}

/* An interface that is made of others has its address on the wire of the lowest; those of cards
 * come first, as they are surely there without tags. */
static void give_addresses(const struct net_names *m, bool cards)
{
	struct planning *p = m->p;

	for (size_t i = 0; i < p->os->n_nics; i++) {
		const struct facts_nic *nic = &p->os->nics[i];
		size_t card;

		if (nic->manual || plan_is(nic->kind, "name") || plan_is(nic->kind, "other") ||
			plan_is(nic->kind, "loopback") || nic->n_addresses == 0 ||
			plan_is(nic->kind, "ethernet") != cards)
			continue;
		if (is_told_elsewhere(p->os, nic)) {
			plan_warn(p,
				"%s is configured in %s, too: it is taken for not in use there",
				nic->name, nic->path);
			continue;
		}
		card = plan_net_card_of(m, nic);
		if (card < p->plan->n_nics)
			take_addresses(p, &p->plan->nics[card], nic);
	}
}

/* 15 characters are all that a kernel takes; a '/' or a blank no name may have. */
static bool can_be_kept(const char *name)
{
	return strlen(name) <= 15 && !strpbrk(name, "/ \t\"'%:;*?[]\\\n") && !plan_is(name, ".") &&
	       !plan_is(name, "..");
}

static void pin(const struct net_names *m, const struct net_name *w)
{
	struct planning *p = m->p;

	if (!can_be_kept(w->name)) {
		plan_warn(p, "the interface name '%.40s' is not one that can be kept", w->name);
		return;
	}
	plan_set(p, &p->plan->nics[w->card].name, w->name);
	if (w->guess)
		plan_warn(p,
			"nothing tells which card is %s: it is taken for %s, as %s; if that is "
			"wrong, exchange the cards' networks",
			w->name, p->plan->nics[w->card].mac, w->why);
	plan_net_pin(m, w);
}

static void warn_unknown(struct planning *p, const struct net_name *w)
{
	/* It did not start on the old machine either. */
	if (w->nic && w->nic->manual)
		return;
	if (w->nic && *plan_text(w->nic->mac))
		plan_warn(p,
			"%s is for the card with the address %s, which is none of this machine's: "
			"it stays as it is",
			w->nic->path, w->nic->mac);
	else if (plan_net_is_made(w->name))
		plan_tell(p,
			"%s is not known to be made of any card: p2v prove does not ask for its "
			"addresses",
			w->name);
	else
		plan_warn(p,
			"the guest configures %s, but it is unknown which of the machine's %zu "
			"network cards that is: give it the right name after the conversion",
			w->name, p->machine->n_nics);
}

/* "bond0.5 is VLAN 5, vlan7 is VLAN 7 and 30 others are". */
static void tell_tags(struct planning *p)
{
	p2v_autobuf struct p2v_buf list = {0};
	size_t n = 0;

	for (size_t i = 0; i < p->os->n_nics; i++) {
		const struct facts_nic *nic = &p->os->nics[i];

		if (!plan_is(nic->kind, "vlan") || !nic->vlan_id || n++ >= MAX_NAMED)
			continue;
		p2v_buf_addf(&list, "%s%s is VLAN %u", n > 1 ? ", " : "", nic->name, nic->vlan_id);
	}
	if (n > MAX_NAMED)
		p2v_buf_addf(&list, ", and so are %zu more", n - MAX_NAMED);
	if (list.data)
		plan_tell(p, "%s: the virtual machine's network must carry tagged frames",
			(const char *)list.data);
}

/* What is set and the network does not carry gets lost, while small frames arrive. */
static void tell_large_frames(struct planning *p)
{
	p2v_autobuf struct p2v_buf list = {0};
	uint32_t mtu = 0;
	size_t n = 0;

	for (size_t i = 0; i < p->os->n_nics; i++) {
		const struct facts_nic *nic = &p->os->nics[i];

		if (nic->mtu <= 1500 || nic->manual || plan_is(nic->kind, "loopback"))
			continue;
		mtu = nic->mtu > mtu ? nic->mtu : mtu;
		if (n++ < MAX_NAMED)
			p2v_buf_addf(&list, "%s%s", n > 1 ? ", " : "",
				*plan_text(nic->name) ? nic->name : nic->path);
	}
	if (n > MAX_NAMED)
		p2v_buf_addf(&list, " and %zu more", n - MAX_NAMED);
	if (list.data)
		plan_tell(p,
			"frames of up to %u bytes (MTU of %s): the virtual machine's network must "
			"carry them",
			mtu, (const char *)list.data);
}

/* What works only if the network that the virtual machine is plugged into does its part. */
static void warn_above(struct planning *p, const struct facts_nic *nic)
{
	if (plan_is(nic->kind, "bond") &&
		(plan_is(nic->mode, "802.3ad") || plan_is(nic->mode, "4") ||
			plan_is(nic->mode, "lacp")))
		plan_warn(p,
			"%s bundles its cards by LACP, which a virtual network does not speak: it "
			"may use one card only, or none; active-backup works",
			nic->name);
	if (plan_is(nic->kind, "ethernet") && *plan_text(nic->clone_mac))
		plan_warn(p,
			"the guest gives %s the address %s itself: the virtual network must allow "
			"that",
			nic->name, nic->clone_mac);
}

/* "ip=192.0.2.10::192.0.2.1:255.255.255.0::eno1:none", dracut's and the kernel's own. */
static void warn_early(struct planning *p)
{
	struct p2v_span rest = p2v_span_str(p->os->bootloader.cmdline), word;

	while (p2v_word_next(&rest, &word))
		if (p2v_span_starts(word, "ip=") || p2v_span_starts(word, "rd.neednet=1"))
			plan_warn(p,
				"the kernel's command line sets up the network in the initramfs "
				"(%.*s), which has no driver of the new card: it waits there in "
				"vain. Take it off where the root is not on the network",
				(int)(word.n < 60 ? word.n : 60), word.p);
}

/*
 * The kernel calls cards eth0, eth1, ... in their order: where the guest wants such names the cards
 * are put in their order, so that none has to be renamed to a name that another has at the moment.
 */
static void sort_cards(struct plan *plan)
{
	struct plan_nic sorted[NET_MAX_CARDS] = {{0}};
	bool used[NET_MAX_CARDS] = {false}, taken[NET_MAX_CARDS] = {false};
	size_t n = plan->n_nics, to = 0;

	if (n > NET_MAX_CARDS)
		return;
	for (size_t i = 0; i < n; i++) {
		struct p2v_span name = p2v_span_str(plan->nics[i].name);
		uint64_t number;

		if (!p2v_span_starts(name, "eth") ||
			!p2v_span_u64(p2v_span_skip(name, 3), n - 1, &number) || used[number])
			continue;
		sorted[number] = plan->nics[i];
		used[number] = taken[i] = true;
	}
	for (size_t i = 0; i < n; i++) {
		if (taken[i])
			continue;
		while (used[to])
			to++;
		used[to] = true;
		sorted[to] = plan->nics[i];
	}
	for (size_t i = 0; i < n; i++)
		plan->nics[i] = sorted[i];
}

void plan_network(struct planning *p)
{
	struct net_names m = {.p = p};

	plan_net_match(&m);
	plan_net_twins(&m);
	for (size_t i = 0; i < m.n && p->r == 0; i++) {
		if (m.names[i].card < p->plan->n_nics)
			pin(&m, &m.names[i]);
		else
			warn_unknown(p, &m.names[i]);
	}
	give_addresses(&m, true);
	give_addresses(&m, false);
	plan_net_free(&m);
	for (size_t i = 0; i < p->os->n_nics; i++)
		warn_above(p, &p->os->nics[i]);
	tell_tags(p);
	tell_large_frames(p);
	warn_early(p);
	if (p->machine->n_nics == 0)
		plan_warn(p, "no network card is known: the virtual machine gets none");
	sort_cards(p->plan);
}
