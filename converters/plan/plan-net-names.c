/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Which card had a name, best evidence first: the guest's configuration says the address; a udev
 * rule or .link file does; the name is what udev derives from that card's place; the source's
 * running system had its address there, or called it so; kernel names (eth0) in the cards' order;
 * only one name and one card are left.
 */

#include <stdio.h>
#include <string.h>

#include "converters/plan/plan-net.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define MAX_LEVELS 8
#define NOT_A_NAME ":*?[!"

static size_t n_cards(const struct net_names *m)
{
	return m->p->machine->n_nics < NET_MAX_CARDS ? m->p->machine->n_nics : NET_MAX_CARDS;
}

static const struct machine_nic *card_at(const struct net_names *m, size_t card)
{
	return &m->p->machine->nics[card];
}

/* "[a-c]" at p; *ret_next: behind it. Without its end it fits nothing. */
static bool fits_class(const char *p, const char *end, char c, const char **ret_next)
{
	const char *close = memchr(p, ']', (size_t)(end - p));
	bool in = false;

	*ret_next = close ? close + 1 : end;
	for (p++; close && p < close; p++)
		if (p + 2 < close && p[1] == '-') {
			in |= c >= p[0] && c <= p[2];
			p += 2;
		} else {
			in |= c == *p;
		}
	return in;
}

static bool fits_one(const char *p, const char *end, char c, const char **ret_next)
{
	if (*p == '[')
		return fits_class(p, end, c, ret_next);
	*ret_next = p + 1;
	return *p == '?' || *p == c;
}

/* Only the last star is ever tried again: the earlier ones took as little as they could. */
bool plan_net_glob(const char *pattern, size_t n, const char *text)
{
	const char *p = pattern, *end = pattern + n, *star = NULL, *retry = NULL, *next;

	while (*text) {
		if (p < end && *p == '*') {
			star = ++p;
			retry = text;
		} else if (p < end && fits_one(p, end, *text, &next)) {
			p = next;
			text++;
		} else if (star) {
			p = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

bool plan_net_any_glob(const char *patterns, const char *text)
{
	const char *p = patterns;

	while (*p) {
		size_t n = strcspn(p, " \t;|");

		/* "!x": all but x. */
		if (*p == '!' && !plan_net_glob(p + 1, n - 1, text))
			return true;
		if (n && *p != '!' && plan_net_glob(p, n, text))
			return true;
		p += n;
		p += strspn(p, " \t;|");
	}
	return false;
}

const struct facts_nic *plan_net_find(const struct facts_os *os, const char *name)
{
	for (size_t i = 0; *name && i < os->n_nics; i++)
		if (plan_is(os->nics[i].name, name) && !plan_is(os->nics[i].kind, "name"))
			return &os->nics[i];
	return NULL;
}

bool plan_net_has_arg(const struct planning *p, const char *argument)
{
	struct p2v_span rest = p2v_span_str(p->os->bootloader.cmdline), word;

	while (p2v_word_next(&rest, &word))
		if (p2v_span_eq(word, argument))
			return true;
	return false;
}

/* A PCI address as "0000:02:00.0", or as udev's ID_PATH "pci-0000:02:00.0". */
static bool fits_path(const struct machine_nic *n, const char *patterns)
{
	char id[64];

	if (!*plan_text(n->pci))
		return false;
	snprintf(id, sizeof(id), "pci-%s", n->pci);
	return plan_net_any_glob(patterns, id) || plan_net_any_glob(patterns, n->pci);
}

/* A .link file has cards called by their addresses. Which cards is not asked, as that asks for
 * names.
 */
static bool has_mac_names(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (plan_is(os->nics[i].dialect, "link") && os->nics[i].mode &&
			strstr(os->nics[i].mode, "mac"))
			return true;
	return false;
}

/* "enx001122334455" */
static bool fits_mac_name(const struct net_names *m, const char *patterns, size_t card)
{
	const char *mac = plan_text(card_at(m, card)->mac);
	char name[16] = "enx";

	if (strlen(mac) != 17 || !has_mac_names(m->p->os))
		return false;
	for (size_t i = 0; i < 6; i++)
		memcpy(name + 3 + 2 * i, mac + 3 * i, 2);
	return plan_net_any_glob(patterns, name);
}

static bool fits_name(const struct net_names *m, const char *patterns, size_t card)
{
	const struct machine_nic *n = card_at(m, card);
	const struct net_name *kept = plan_net_name_of(m, card);
	const char *const names[] = {kept ? kept->name : "", plan_text(n->onboard_name),
		plan_text(n->slot_name), plan_text(n->path_name), plan_text(n->name)};
	bool any = false;

	for (size_t i = 0; i < P2V_N(names); i++) {
		any |= *names[i];
		if (*names[i] && plan_net_any_glob(patterns, names[i]))
			return true;
	}
	if (fits_mac_name(m, patterns, card))
		return true;
	return !any || plan_is(patterns, "*");
}

bool plan_net_fits(const struct net_names *m, const struct facts_nic_match *match, size_t card)
{
	const struct machine_nic *n = card_at(m, card);
	char kernel[32];

	if (plan_is(match->key, "path"))
		return fits_path(n, match->value);
	if (plan_is(match->key, "driver"))
		return *plan_text(n->driver) && plan_net_any_glob(match->value, n->driver);
	if (plan_is(match->key, "name"))
		return fits_name(m, match->value, card);
	snprintf(kernel, sizeof(kernel), "eth%zu", card);
	return plan_is(match->key, "kernel") && plan_is(match->value, kernel);
}

bool plan_net_all_fit(const struct net_names *m, const struct facts_nic *nic, size_t card)
{
	const char *mac = plan_text(nic->mac);

	if (*mac && !plan_is(card_at(m, card)->mac, mac))
		return false;
	for (size_t i = 0; i < nic->n_matches; i++)
		if (!plan_net_fits(m, &nic->matches[i], card))
			return false;
	return *mac || nic->n_matches;
}

static struct net_name *want(struct net_names *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (plan_is(m->names[i].name, name))
			return &m->names[i];
	if (m->n == NET_MAX_NAMES)
		return NULL;
	m->names[m->n] = (struct net_name){.name = name, .card = NET_NO_CARD};
	return &m->names[m->n++];
}

static void gather(struct net_names *m)
{
	const struct facts_os *os = m->p->os;
	struct net_name *w;

	for (size_t i = 0; i < os->n_nics; i++) {
		const struct facts_nic *nic = &os->nics[i], *same;

		if (plan_is(nic->kind, "name"))
			continue;
		same = plan_net_find(os, plan_text(nic->name));
		if (plan_is(nic->kind, "ethernet") && same && plan_is(same->kind, "ethernet")) {
			w = want(m, nic->name);
			/* Of several dialects the one that says the card's address. */
			if (w && (!w->nic || !*plan_text(w->nic->mac)))
				w->nic = nic;
		}
		for (size_t k = 0; k < nic->n_members; k++) {
			const struct facts_nic *member = plan_net_find(os, nic->members[k]);

			/* An address or a pattern stands for a card that has no name here. */
			if (!strpbrk(nic->members[k], NOT_A_NAME) &&
				(!member || plan_is(member->kind, "ethernet")))
				want(m, nic->members[k]);
		}
	}
}

static bool is_free(const struct net_names *m, size_t card)
{
	return !plan_net_name_of(m, card);
}

const struct net_name *plan_net_name_of(const struct net_names *m, size_t card)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->names[i].card == card)
			return &m->names[i];
	return NULL;
}

static bool by_mac(const struct net_names *m, const struct net_name *w, size_t card)
{
	return w->nic && *plan_text(w->nic->mac) &&
	       plan_is(w->nic->mac, plan_text(card_at(m, card)->mac));
}

static bool by_rule(const struct net_names *m, const struct net_name *w, size_t card)
{
	const struct facts_os *os = m->p->os;

	for (size_t i = 0; i < os->n_nics; i++) {
		const struct facts_nic *nic = &os->nics[i];

		if (plan_is(nic->kind, "name") && plan_is(nic->name, w->name) &&
			(plan_is(nic->mac, plan_text(card_at(m, card)->mac)) ||
				plan_net_all_fit(m, nic, card)))
			return true;
	}
	return false;
}

static bool by_match(const struct net_names *m, const struct net_name *w, size_t card)
{
	return w->nic && w->nic->n_matches && plan_net_all_fit(m, w->nic, card);
}

/* Newer kernels add the port's own name: enp1s0f0np0. */
static size_t without_port(const char *name)
{
	size_t n = strlen(name), at = n;

	while (at && name[at - 1] >= '0' && name[at - 1] <= '9')
		at--;
	return at > 3 && at < n && name[at - 1] == 'p' && name[at - 2] == 'n' &&
			       name[at - 3] >= '0' && name[at - 3] <= '9'
		       ? at - 2
		       : n;
}

static bool same_name(const char *a, const char *b)
{
	size_t n = without_port(a);

	return *a && n == without_port(b) && memcmp(a, b, n) == 0;
}

/* biosdevname: em2 is what systemd calls eno2; p3p1 is port 1 of ens3, ens3f0. */
static bool is_biosdevname(const char *name, const struct machine_nic *n)
{
	struct p2v_span s = p2v_span_str(name), port, slot;
	uint64_t a, b;
	char text[64];

	if (p2v_span_starts(s, "em") && p2v_span_u64(p2v_span_skip(s, 2), 1000, &a)) {
		snprintf(text, sizeof(text), "eno%u", (unsigned)a);
		return plan_is(n->onboard_name, text);
	}
	if (!p2v_span_starts(s, "p"))
		return false;
	slot = p2v_span_until(p2v_span_skip(s, 1), 'p', &port);
	if (!p2v_span_u64(slot, 100000, &a) || !p2v_span_u64(port, 1000, &b) || b == 0)
		return false;
	snprintf(text, sizeof(text), "ens%uf%u", (unsigned)a, (unsigned)b - 1);
	if (same_name(text, plan_text(n->slot_name)))
		return true;
	snprintf(text, sizeof(text), "ens%u", (unsigned)a);
	return b == 1 && same_name(text, plan_text(n->slot_name));
}

/* enx001122334455 */
static bool is_mac_name(const char *name, const char *mac)
{
	if (strncmp(name, "enx", 3) != 0 || strlen(mac) != 17)
		return false;
	for (size_t i = 0; i < 6; i++)
		if (strncmp(name + 3 + 2 * i, mac + 3 * i, 2) != 0)
			return false;
	return name[15] == '\0';
}

static bool by_place(const struct net_names *m, const struct net_name *w, size_t card)
{
	const struct machine_nic *n = card_at(m, card);

	return same_name(w->name, plan_text(n->path_name)) ||
	       same_name(w->name, plan_text(n->slot_name)) ||
	       same_name(w->name, plan_text(n->onboard_name)) || is_biosdevname(w->name, n) ||
	       is_mac_name(w->name, plan_text(n->mac));
}

/* The agent that ran in the guest itself saw its addresses. */
static bool by_address(const struct net_names *m, const struct net_name *w, size_t card)
{
	const struct machine_nic *n = card_at(m, card);

	for (size_t i = 0; w->nic && i < n->n_addresses; i++)
		for (size_t k = 0; k < w->nic->n_addresses; k++)
			if (plan_is(w->nic->addresses[k].method, "static") &&
				plan_is(w->nic->addresses[k].address, n->addresses[i]))
				return true;
	return false;
}

static bool by_name(const struct net_names *m, const struct net_name *w, size_t card)
{
	return plan_is(card_at(m, card)->name, w->name);
}

static bool by_clone(const struct net_names *m, const struct net_name *w, size_t card)
{
	return w->nic && *plan_text(w->nic->clone_mac) &&
	       plan_is(w->nic->clone_mac, plan_text(card_at(m, card)->mac));
}

/* The kernel counts cards in the order of their places, and so does the machine noun. */
static bool by_order(const struct net_names *m, const struct net_name *w, size_t card)
{
	struct p2v_span name = p2v_span_str(w->name);
	uint64_t number;

	(void)m;
	return p2v_span_starts(name, "eth") &&
	       p2v_span_u64(p2v_span_skip(name, 3), SIZE_MAX, &number) && number == card;
}

/* A configuration without a name is for this card. */
static bool is_described(const struct net_names *m, size_t card)
{
	const struct facts_os *os = m->p->os;

	for (size_t i = 0; i < os->n_nics; i++)
		if (plan_is(os->nics[i].kind, "ethernet") && !*plan_text(os->nics[i].name) &&
			plan_net_all_fit(m, &os->nics[i], card))
			return true;
	return false;
}

bool plan_net_is_made(const char *name)
{
	static const char *const patterns[] = {"bond*", "team*", "br[0-9]*", "vmbr*", "virbr*",
		"docker*", "tun[0-9]*", "tap[0-9]*", "wg[0-9]*", "ppp[0-9]*", "dummy*", "veth*"};

	for (size_t i = 0; i < P2V_N(patterns); i++)
		if (plan_net_any_glob(patterns[i], name))
			return true;
	return false;
}

/* Neither brought up itself nor a member of what is: a template, or a card that is long gone. */
static bool is_idle(const struct net_names *m, const struct net_name *w)
{
	const struct facts_os *os = m->p->os;

	for (size_t i = 0; i < os->n_nics; i++)
		for (size_t k = 0; k < os->nics[i].n_members; k++)
			if (plan_is(os->nics[i].members[k], w->name))
				return false;
	return w->nic && w->nic->manual;
}

static bool by_rest(const struct net_names *m, const struct net_name *w, size_t card)
{
	size_t names = 0, cards = 0;

	if (is_described(m, card) || is_idle(m, w) || plan_net_is_made(w->name))
		return false;
	for (size_t i = 0; i < m->n; i++)
		names += m->names[i].card == NET_NO_CARD;
	for (size_t i = 0; i < n_cards(m); i++)
		cards += is_free(m, i);
	return names == 1 && cards == 1;
}

static const struct {
	bool (*fits)(const struct net_names *m, const struct net_name *w, size_t card);
	const char *why;
	bool weak;  /* nothing against an address that the guest names */
	bool guess; /* with several cards */
} evidence[] = {
	{by_mac, "the guest's configuration names its address", false, false},
	{by_rule, "a file of the guest gives it to this card", false, false},
	{by_match, "the guest's configuration describes this card", false, false},
	{by_address, "the running system had its address there", false, false},
	{by_place, "the name follows from its place in the machine", true, false},
	{by_clone, "the guest gives it this address", true, false},
	{by_name, "the running system called it so", true, false},
	{by_order, "cards are counted in the order of their places", true, true},
	{by_rest, "only one card and one name are left", true, false},
};

/* The guest finds the card by an address, and this card has another one. */
static bool is_anothers(const struct net_names *m, const struct net_name *w, size_t card)
{
	return w->nic && *plan_text(w->nic->mac) &&
	       !plan_is(w->nic->mac, plan_text(card_at(m, card)->mac));
}

static void find_card(struct net_names *m, struct net_name *w, size_t e)
{
	for (size_t c = 0; c < n_cards(m) && w->card == NET_NO_CARD; c++) {
		if (!is_free(m, c) || !evidence[e].fits(m, w, c))
			continue;
		if (evidence[e].weak && is_anothers(m, w, c))
			continue;
		w->card = c;
		w->why = evidence[e].why;
		w->guess = evidence[e].guess && n_cards(m) > 1;
	}
}

/* Cards are called em1, p3p1: udev's own names are not in use. */
static bool uses_biosdevname(const struct net_names *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->names[i].card < n_cards(m) &&
			is_biosdevname(m->names[i].name, card_at(m, m->names[i].card)))
			return true;
	return plan_net_has_arg(m->p, "biosdevname=1");
}

/* systemd.link(5): in which order udev's names are tried. Without a file of the administrator's the
 * one that systemd brings. By addresses ("mac") cards are called so in the virtual machine, too. */
static const char *by_policy(const struct net_names *m, size_t card)
{
	const struct machine_nic *n = card_at(m, card);
	const struct facts_nic *link = plan_net_old_link(m, card);
	struct p2v_span rest = p2v_span_str(link && link->mode ? link->mode : "onboard slot path");
	struct p2v_span word;

	while (p2v_word_next(&rest, &word)) {
		const char *name = p2v_span_eq(word, "onboard") ? plan_text(n->onboard_name)
				   : p2v_span_eq(word, "slot")	? plan_text(n->slot_name)
				   : p2v_span_eq(word, "path")	? plan_text(n->path_name)
								: "";

		if (*name || p2v_span_eq(word, "mac"))
			return name;
	}
	return "";
}

/* What udev would have called a card, where its own names are in use. */
static const char *derived_name(const struct net_names *m, size_t card)
{
	const struct facts_os *os = m->p->os;

	for (size_t i = 0; i < os->n_nics; i++)
		if (plan_is(os->nics[i].kind, "name") && *plan_text(os->nics[i].name) &&
			plan_net_all_fit(m, &os->nics[i], card))
			return os->nics[i].name;
	if (!os->udev_links || os->kernel_names || plan_net_has_arg(m->p, "net.ifnames=0") ||
		uses_biosdevname(m))
		return "";
	return by_policy(m, card);
}

/* A card that a configuration describes without naming it: other files may name it all the same. */
static void name_described(struct net_names *m)
{
	const struct facts_os *os = m->p->os;

	for (size_t i = 0; i < os->n_nics; i++)
		for (size_t c = 0; c < n_cards(m); c++) {
			const char *name;
			struct net_name *w;

			if (!plan_is(os->nics[i].kind, "ethernet") ||
				*plan_text(os->nics[i].name) || !is_free(m, c) ||
				!plan_net_all_fit(m, &os->nics[i], c))
				continue;
			name = derived_name(m, c);
			w = *name ? want(m, name) : NULL;
			if (w && w->card == NET_NO_CARD) {
				w->card = c;
				w->why = "udev called it so there";
			}
		}
}

/* A card without a configuration: a script, a bridge that is made by hand, a rule of the firewall
 * may speak of it. */
static void name_others(struct net_names *m)
{
	for (size_t c = 0; c < n_cards(m); c++) {
		const char *name = is_free(m, c) ? derived_name(m, c) : "";
		struct net_name *w;

		if (!*name || plan_net_find(m->p->os, name))
			continue;
		w = want(m, name);
		if (w && w->card == NET_NO_CARD) {
			w->card = c;
			w->why = "udev called it so there";
			w->unconfigured = true;
		}
	}
}

void plan_net_match(struct net_names *m)
{
	gather(m);
	for (size_t e = 0; e < P2V_N(evidence); e++)
		for (size_t i = 0; i < m->n; i++)
			find_card(m, &m->names[i], e);
	name_described(m);
	name_others(m);
}

static size_t card_of_member(const struct net_names *m, const char *member, int levels);

static size_t card_of(const struct net_names *m, const struct facts_nic *nic, int levels)
{
	size_t card = NET_NO_CARD, fits = 0;

	if (levels == 0)
		return NET_NO_CARD;
	for (size_t i = 0; *plan_text(nic->name) && i < m->n; i++)
		if (plan_is(m->names[i].name, nic->name))
			return m->names[i].card;
	if (plan_is(nic->kind, "ethernet")) {
		for (size_t c = 0; c < n_cards(m); c++)
			if (plan_net_all_fit(m, nic, c)) {
				card = c;
				fits++;
			}
		return fits == 1 ? card : NET_NO_CARD;
	}
	if (*plan_text(nic->primary))
		card = card_of_member(m, nic->primary, levels - 1);
	for (size_t i = 0; i < nic->n_members && card == NET_NO_CARD; i++)
		card = card_of_member(m, nic->members[i], levels - 1);
	return card;
}

static size_t card_of_member(const struct net_names *m, const char *member, int levels)
{
	const struct facts_nic *nic = plan_net_find(m->p->os, member);

	if (plan_is(member, "*"))
		return n_cards(m) == 1 ? 0 : NET_NO_CARD;
	for (size_t c = 0; c < n_cards(m); c++)
		if (plan_is(card_at(m, c)->mac, member) ||
			(strpbrk(member, "*?[!") && fits_name(m, member, c)))
			return c;
	if (nic)
		return card_of(m, nic, levels);
	for (size_t i = 0; i < m->n; i++)
		if (plan_is(m->names[i].name, member))
			return m->names[i].card;
	return NET_NO_CARD;
}

size_t plan_net_card_of(const struct net_names *m, const struct facts_nic *nic)
{
	return card_of(m, nic, MAX_LEVELS);
}
