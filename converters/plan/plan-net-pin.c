/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * By which file a card keeps its name: the guest's own, where that goes by the card's address
 * alone; a .link file; a udev rule where udev reads no such files, or heeds them too late; and
 * HWADDR= in Red Hat's files before udev knew addresses.
 */

#include <stdio.h>
#include <string.h>

#include "converters/plan/plan-net.h"
#include "p2v/core/cleanup.h"

#define LINKS	  "/etc/systemd/network/"
#define RULES	  "/etc/udev/rules.d/70-persistent-net.rules"
#define RULES_OWN "/etc/udev/rules.d/71-p2v-net.rules"

const char *plan_net_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *plan_net_driver(const struct plan_nic *nic)
{
	return plan_is(nic->model, "virtio-net") ? "virtio_net"
	       : plan_is(nic->model, "rtl8139")	 ? "8139cp"
						 : nic->model;
}

bool plan_net_is_hardware(const struct facts_nic_match *match)
{
	return plan_is(match->key, "path") || plan_is(match->key, "driver") ||
	       plan_is(match->key, "other") || plan_is(match->key, "kernel");
}

static bool is_ours(const struct facts_nic *nic)
{
	const char *base = plan_net_base(plan_text(nic->path));

	return plan_is(nic->dialect, "link") && strstr(base, "-p2v-");
}

static bool is_dialect(const struct facts_nic *nic, const char *dialect)
{
	return plan_is(nic->kind, "name") && plan_is(nic->dialect, dialect);
}

/* True of the new card as it was of the old one. */
static bool stays_true(const struct facts_nic *nic, const char *driver)
{
	for (size_t i = 0; i < nic->n_matches; i++) {
		const struct facts_nic_match *m = &nic->matches[i];
		bool name = plan_is(m->key, "name") && plan_net_any_glob(m->value, "eth0");

		if (!name && !(plan_is(m->key, "driver") && plan_net_any_glob(m->value, driver)))
			return false;
	}
	return true;
}

/* A file of that dialect gives the name by the address alone. */
static bool is_named(const struct planning *p, const struct net_name *w, const char *dialect)
{
	const struct plan_nic *card = &p->plan->nics[w->card];

	for (size_t i = 0; i < p->os->n_nics; i++) {
		const struct facts_nic *nic = &p->os->nics[i];

		if (is_dialect(nic, dialect) && plan_is(nic->name, w->name) &&
			plan_is(nic->mac, card->mac) && stays_true(nic, plan_net_driver(card)))
			return true;
	}
	return false;
}

const struct facts_nic *plan_net_old_link(const struct net_names *m, size_t card)
{
	const struct facts_os *os = m->p->os;
	const struct facts_nic *found = NULL;

	for (size_t i = 0; i < os->n_nics; i++) {
		const struct facts_nic *nic = &os->nics[i];
		bool all = !nic->n_matches && !*plan_text(nic->mac);

		if (!is_dialect(nic, "link") || is_ours(nic) ||
			!(all || plan_net_all_fit(m, nic, card)))
			continue;
		if (!found || strcmp(plan_net_base(nic->path), plan_net_base(found->path)) < 0)
			found = nic;
	}
	return found;
}

/* Its name is right, but it looks for the old hardware: now it looks for the address. */
static void correct_link(
	struct planning *p, const struct facts_nic *link, const char *mac, const char *driver)
{
	char to[64];
	bool has_mac = *plan_text(link->mac);

	for (size_t i = 0; i < link->n_matches; i++) {
		const struct facts_nic_match *match = &link->matches[i];

		if (!plan_net_is_hardware(match) || plan_net_any_glob(match->value, driver))
			continue;
		snprintf(to, sizeof(to), "MACAddress=%s", mac);
		plan_net_line(p, match->path, match->line, match->text, has_mac ? NULL : to,
			"It finds its card by the old hardware, which is gone; the card's address "
			"stays.");
		has_mac = true;
	}
}

/* A file that comes before ours and may be for the card. */
static bool comes_before(const struct planning *p, const char *base, const char *mac)
{
	for (size_t i = 0; i < p->os->n_nics; i++) {
		const struct facts_nic *nic = &p->os->nics[i];

		if (is_dialect(nic, "link") && !is_ours(nic) &&
			(!*plan_text(nic->mac) || plan_is(nic->mac, mac)) &&
			strcmp(plan_net_base(nic->path), base) < 0)
			return true;
	}
	return false;
}

static void add_pin_step(
	struct planning *p, const char *op, const char *path, const struct net_name *w)
{
	const struct plan_nic *card = &p->plan->nics[w->card];

	plan_step(p, op, path,
		"Card %s keeps its name %s (%s): another slot would rename it, and %s.", card->mac,
		w->name, w->why,
		w->unconfigured ? "whatever speaks of it by name would miss it"
				: "its configuration would not apply");
	plan_arg(p, "name", w->name);
	plan_arg(p, "mac", card->mac);
	plan_arg(p, "driver", plan_net_driver(card));
}

static void plan_link(const struct net_names *m, const struct net_name *w)
{
	struct planning *p = m->p;
	const struct plan_nic *card = &p->plan->nics[w->card];
	const struct facts_nic *old = plan_net_old_link(m, w->card);
	char path[64];

	if (is_named(p, w, "link") || is_named(p, w, "netplan"))
		return;
	if (old && plan_is(old->name, w->name)) {
		correct_link(p, old, card->mac, plan_net_driver(card));
		return;
	}
	snprintf(path, sizeof(path), LINKS "10-p2v-%s.link", w->name);
	/* '-' sorts before digits and letters. */
	if (comes_before(p, plan_net_base(path), card->mac))
		snprintf(path, sizeof(path), LINKS "0--p2v-%s.link", w->name);
	if (comes_before(p, plan_net_base(path), card->mac))
		plan_warn(p,
			"a .link file of the guest comes before %s and may give the card %s "
			"another name: rename that file",
			path, card->mac);
	add_pin_step(p, "nic-link", path, w);
	/* Only the first file that fits is heeded, so ours says what the other said. */
	for (size_t i = 0; old && i < old->n_settings; i++)
		plan_arg(p, "setting", old->settings[i]);
}

/* Rules that name cards by the old hardware would miss them, or hit others. */
static void drop_rules(const struct net_names *m, const struct net_name *w)
{
	struct planning *p = m->p;

	for (size_t i = 0; i < p->os->n_nics; i++) {
		const struct facts_nic *nic = &p->os->nics[i];

		if (!is_dialect(nic, "rule") || nic->n_matches == 0 ||
			(!plan_is(nic->name, w->name) &&
				!plan_is(nic->mac, p->plan->nics[w->card].mac)))
			continue;
		plan_net_line(p, nic->matches[0].path, nic->matches[0].line, nic->matches[0].text,
			NULL,
			"It finds its card by the old hardware, which is gone; a rule or .link "
			"file by the card's address takes its place.");
	}
}

static const char *rules_path(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_refs; i++)
		if (plan_is(os->refs[i].what, "nic-rules-null"))
			return RULES_OWN;
	return RULES;
}

static void plan_rule(const struct net_names *m, const struct net_name *w)
{
	struct planning *p = m->p;

	drop_rules(m, w);
	if (is_named(p, w, "rule") || is_named(p, w, "netplan") || is_named(p, w, "iftab"))
		return;
	add_pin_step(p, "nic-rule", rules_path(p->os), w);
	if (p->os->udev_sysfs)
		plan_arg(p, "key", "SYSFS{address}");
}

/* Red Hat's scripts before udev 098 rename by HWADDR=, and by nothing else. */
static bool plan_hwaddr(struct planning *p, const struct net_name *w)
{
	const struct facts_nic *nic = w->nic;
	char line[64];

	if (!p->os->udev_sysfs || !nic || !plan_is(nic->dialect, "ifcfg-rh"))
		return false;
	if (*plan_text(nic->mac))
		return true;
	snprintf(line, sizeof(line), "HWADDR=%s", p->plan->nics[w->card].mac);
	plan_step(p, "lines-add", nic->path,
		"Card %s keeps its name %s (%s): the old scripts find it by this line.",
		p->plan->nics[w->card].mac, w->name, w->why);
	plan_arg(p, "line", line);
	return true;
}

void plan_net_pin(const struct net_names *m, const struct net_name *w)
{
	struct planning *p = m->p;
	bool by_rule = false;

	if (p->os->no_udev) {
		if (!is_named(p, w, "iftab") && strncmp(w->name, "eth", 3) != 0)
			plan_warn(p,
				"nothing in the guest gives a card the name %s by its address: "
				"check it after the conversion",
				w->name);
		return;
	}
	if (plan_hwaddr(p, w))
		return;
	/* A rule's name goes before that of a .link file. */
	for (size_t i = 0; i < p->os->n_nics; i++)
		by_rule |= is_dialect(&p->os->nics[i], "rule") &&
			   plan_is(p->os->nics[i].name, w->name);
	if (p->os->udev_links && !is_named(p, w, "rule"))
		plan_link(m, w);
	if (!p->os->udev_links || p->os->udev_once)
		plan_rule(m, w);
	else if (by_rule)
		drop_rules(m, w);
}
