/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "converters/plan/plan-net.h"
#include "p2v/core/num.h"
#include "p2v/model/check.h"

#define MAX_NICS ((size_t)8)

/* FNV-1a: only to spread names over addresses; nobody is kept from choosing one. */
static uint64_t spread(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (const char *p = text; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return h;
}

static void add_nic(struct planning *p, struct machine *m, const char *seed, const char *name,
	const char *known_mac)
{
	struct machine_nic *n = plan_grow(p, (void **)&m->nics, &m->n_nics, sizeof(*n));
	uint64_t h = spread(seed);
	char mac[18];

	if (!n)
		return;
	/* 52:54:00 is QEMU's own part of the locally administered addresses. */
	snprintf(mac, sizeof(mac), "52:54:00:%02x:%02x:%02x", (unsigned)(h >> 16 & 0xff),
		(unsigned)(h >> 8 & 0xff), (unsigned)(h & 0xff));
	plan_set(p, &n->mac, model_mac_ok(known_mac) ? known_mac : mac);
	plan_set(p, &n->name, name);
}

/* The address by which the guest knows the card with that name. */
static const char *mac_of(const struct facts_os *os, const char *name)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (plan_is(os->nics[i].name, name) && *plan_text(os->nics[i].mac))
			return os->nics[i].mac;
	return "";
}

static bool has_card(const struct machine *m, const char *name, const char *mac)
{
	for (size_t i = 0; i < m->n_nics; i++)
		if ((*name && plan_is(m->nics[i].name, name)) ||
			(*mac && plan_is(m->nics[i].mac, mac)))
			return true;
	return false;
}

static void add_card(
	struct planning *p, struct machine *m, const char *seed, const char *name, const char *mac)
{
	char text[64];

	if (m->n_nics == MAX_NICS || (!*name && !*mac) || has_card(m, name, mac))
		return;
	snprintf(text, sizeof(text), "%.40s%zu", seed, m->n_nics);
	add_nic(p, m, m->n_nics ? text : seed, name, mac);
}

/* What a bond, bridge or VLAN is made of; many are configured nowhere else. A pattern is any. */
static void add_member(struct planning *p, struct machine *m, const struct facts_os *os,
	const char *seed, const char *member)
{
	const struct facts_nic *nic = plan_net_find(os, member);

	if (model_mac_ok(member))
		add_card(p, m, seed, "", member);
	else if (!strpbrk(member, "*?[!") && (!nic || plan_is(nic->kind, "ethernet")))
		add_card(p, m, seed, member, mac_of(os, member));
}

/* A card that is looked for by its driver or slot only: it has those, so that it is found. */
static void add_described(
	struct planning *p, struct machine *m, const char *seed, const struct facts_nic *nic)
{
	static const char slot[] = "pci-";
	const char *driver = NULL, *pci = NULL;
	char text[64];

	for (size_t i = 0; i < nic->n_matches; i++) {
		const struct facts_nic_match *match = &nic->matches[i];

		if (strpbrk(match->value, "*?[! "))
			continue;
		if (plan_is(match->key, "driver"))
			driver = match->value;
		else if (plan_is(match->key, "path") && strncmp(match->value, slot, 4) == 0)
			pci = match->value + strlen(slot);
	}
	if ((!driver && !pci) || m->n_nics == MAX_NICS)
		return;
	snprintf(text, sizeof(text), "%.40s%zu", seed, m->n_nics);
	add_nic(p, m, m->n_nics ? text : seed, "", "");
	if (p->r < 0)
		return;
	plan_set(p, &m->nics[m->n_nics - 1].driver, driver);
	plan_set(p, &m->nics[m->n_nics - 1].pci, pci);
}

/* A card for each that the guest configures, in its own order; at least one. */
static void add_nics(
	struct planning *p, struct machine *m, const struct facts_os *os, const char *seed)
{
	for (size_t i = 0; i < os->n_nics && p->r == 0; i++) {
		const struct facts_nic *nic = &os->nics[i];
		const char *name = plan_text(nic->name);

		if (plan_is(nic->kind, "ethernet") && !nic->manual && !*name &&
			!*plan_text(nic->mac))
			add_described(p, m, seed, nic);
		else if (plan_is(nic->kind, "ethernet") && !nic->manual)
			add_card(p, m, seed, name, *name ? mac_of(os, name) : nic->mac);
		for (size_t k = 0; k < nic->n_members; k++)
			add_member(p, m, os, seed, nic->members[k]);
	}
	if (m->n_nics == 0)
		add_nic(p, m, seed, "", "");
}

static void add_disk(struct planning *p, struct machine *m, const struct image_disk *from)
{
	struct machine_disk *d = plan_grow(p, (void **)&m->disks, &m->n_disks, sizeof(*d));

	if (!d)
		return;
	plan_set(p, &d->id, from->id);
	plan_set(p, &d->path, from->path);
	plan_set(p, &d->bus, "file");
	d->size_bytes = from->size_bytes;
	d->logical_sector_bytes = from->logical_sector_bytes ? from->logical_sector_bytes : 512;
	d->physical_sector_bytes = d->logical_sector_bytes;
}

static const struct facts_os *system_on(const struct facts *facts, const char *root)
{
	static const struct facts_os none;

	for (size_t i = 0; i < facts->n_systems; i++)
		if (plan_is(facts->systems[i].root, plan_text(root)))
			return &facts->systems[i];
	return facts->n_systems ? &facts->systems[0] : &none;
}

int plan_machine_default(const struct facts *facts, const struct image *image, const char *root,
	struct machine *ret, struct p2v_err *err)
{
	const struct facts_os *os = system_on(facts, root);
	struct machine m = {.version = 1,
		.memory_bytes = 2 * P2V_GIB,
		.cpus = 2,
		.sockets = 1,
		.cores_per_socket = 2};
	struct planning p = {.facts = facts, .err = err};
	const char *firmware = plan_is(os->bootloader.firmware, "uefi") ? "uefi" : "bios";
	const char *name = model_name_ok(os->hostname)	? os->hostname
			   : model_name_ok(image->name) ? image->name
							: "machine";

	plan_set(&p, &m.name, name);
	plan_set(&p, &m.arch, "x86_64");
	plan_set(&p, &m.firmware, firmware);
	plan_set(&p, &m.rtc, *plan_text(os->rtc) ? os->rtc : "utc");
	for (size_t i = 0; i < image->n_disks; i++)
		add_disk(&p, &m, &image->disks[i]);
	add_nics(&p, &m, os, *plan_text(os->machine_id) ? os->machine_id : name);
	if (p.r < 0) {
		model_machine_finish(&m);
		return p.r;
	}
	*ret = m;
	return 0;
}
