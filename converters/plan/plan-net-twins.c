/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Cards with one address, as some boards have them: the old machine told them apart by their slots,
 * which are others now. One keeps the address; the rest get one of their own, by which the guest
 * knows them then.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/plan/plan-net.h"

static const char *mac_at(const struct net_names *m, size_t card)
{
	return plan_text(m->p->machine->nics[card].mac);
}

/* A file of the guest finds this card by its address. */
static bool is_found_by_address(const struct net_names *m, size_t card)
{
	const struct net_name *w = plan_net_name_of(m, card);
	const struct facts_os *os = m->p->os;

	for (size_t i = 0; i < os->n_nics; i++)
		if (plan_is(os->nics[i].mac, mac_at(m, card)) &&
			(!*plan_text(os->nics[i].name) ||
				(w && plan_is(os->nics[i].name, w->name))))
			return true;
	return false;
}

/* How much there is to lose if it gets another address. */
static int weight(const struct net_names *m, size_t card)
{
	return is_found_by_address(m, card) ? 2 : plan_net_name_of(m, card) != NULL;
}

/* Of the cards with this one's address the one that keeps it. */
static size_t keeper(const struct net_names *m, size_t card)
{
	size_t best = card;

	for (size_t i = m->p->plan->n_nics; i-- > 0;)
		if (plan_is(mac_at(m, i), mac_at(m, card)) && weight(m, i) >= weight(m, best))
			best = i;
	return best;
}

static bool is_taken(const struct planning *p, const char *mac)
{
	bool any = false;

	for (size_t i = 0; i < p->plan->n_nics; i++)
		any |= plan_is(p->plan->nics[i].mac, mac) || plan_is(p->machine->nics[i].mac, mac);
	return any;
}

/* The same with the bit of locally administered addresses, and the first last byte that is free. */
static bool other_address(const struct planning *p, const char *mac, char text[18])
{
	unsigned first = (unsigned)strtoul(mac, NULL, 16);
	unsigned last = (unsigned)strtoul(mac + 15, NULL, 16);

	for (unsigned i = 0; i < 256; i++) {
		snprintf(text, 18, "%02x%.13s%02x", (first | 2) & 0xff, mac + 2, (last + i) & 0xff);
		if (!is_taken(p, text))
			return true;
	}
	return false;
}

static void part(const struct net_names *m, size_t card)
{
	const struct net_name *w = plan_net_name_of(m, card);
	struct planning *p = m->p;
	char text[18];

	if (is_found_by_address(m, card) || !other_address(p, mac_at(m, card), text)) {
		plan_block(p,
			"%s and another network card have the same address %s, by which the guest "
			"finds them. Give one of them another address in the machine's description",
			w ? w->name : "a network card", mac_at(m, card));
		return;
	}
	plan_warn(p,
		"%s has the address %s, which another network card has, too: in the virtual "
		"machine it has %s, so that the guest can tell them apart",
		w ? w->name : "a network card", mac_at(m, card), text);
	plan_set(p, &p->plan->nics[card].mac, text);
}

void plan_net_twins(const struct net_names *m)
{
	for (size_t i = 0; i < m->p->plan->n_nics && m->p->r == 0; i++)
		if (strlen(mac_at(m, i)) == 17 && keeper(m, i) != i)
			part(m, i);
}
