/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The virtual hardware for a Windows: the first choice of the target for which the medium has a
 * driver, or Windows itself. */

#include <string.h>

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"

#define VIRTIO_BUS(driver)	NULL, {driver}, true
#define INBOX_BUS(machine, ...) machine, {__VA_ARGS__}, false

static const struct bus {
	const char *name;
	const char *machine;	/* where it is on that machine type only, else NULL */
	const char *drivers[4]; /* all of them; NULL-terminated */
	bool offered;		/* from the medium, too */
} buses[] = {
	{"virtio-blk", VIRTIO_BUS("viostor")},
	{"virtio-scsi", VIRTIO_BUS("vioscsi")},
	{"sata", INBOX_BUS("q35", "storahci")},
	{"sata", INBOX_BUS("q35", "msahci")},
	{"ide", INBOX_BUS("pc", "intelide", "atapi")},
};

/* Network cards that Windows has a driver for, by NT version; virtio-net by the medium. */
static const struct nic {
	const char *name;
	uint32_t from, to; /* NT's versions, both included */
} nics[] = {
	{"e1000e", 602, UINT32_MAX},
	{"e1000", 502, 601},
	{"rtl8139", 500, 601},
};

/* Its .inf says all that goes into the registry, in words that may stand there. */
static bool is_whole(const struct planning *p, const struct target_driver *d)
{
	char version[2 * WINDOWS_VERSION_BYTES + 1];

	return plan_is_plain(d->service) && *plan_text(d->binary) &&
	       plan_windows_package_version(
		       p->os->arch, d->class_guid, d->date, d->version, version);
}

const struct target_driver *plan_windows_offer(const struct planning *p, const char *name)
{
	for (size_t i = 0; i < p->target->n_drivers; i++)
		if (plan_is(p->target->drivers[i].name, name) && p->target->drivers[i].usable &&
			is_whole(p, &p->target->drivers[i]))
			return &p->target->drivers[i];
	return NULL;
}

static bool all_sets(const struct planning *p, const char *name, bool boots)
{
	const struct facts_windows *w = plan_windows(p);
	size_t n = 0;

	for (size_t i = 0; i < w->n_drivers; i++) {
		const struct facts_windows_driver *d = &w->drivers[i];

		if (plan_is(d->name, name))
			n += boots ? d->present && d->start == 0 && !d->overridden
				   : d->present || *plan_text(d->source);
	}
	return n && n == w->n_sets;
}

bool plan_windows_has(const struct planning *p, const char *name)
{
	return all_sets(p, name, false);
}

bool plan_windows_boots(const struct planning *p, const char *name)
{
	return all_sets(p, name, true);
}

/* Windows before Vista expects a machine of its time, and has no driver for AHCI. */
static const char *machine_type(const struct planning *p)
{
	if (*plan_text(p->target->machine))
		return p->target->machine;
	return plan_is(p->plan->firmware, "uefi") || plan_windows(p)->major >= 6 ? "q35" : "pc";
}

static bool drives(const struct planning *p, const struct bus *b)
{
	for (size_t i = 0; i < P2V_N(b->drivers) && b->drivers[i]; i++)
		if (!(b->offered && plan_windows_offer(p, b->drivers[i])) &&
			!(b->offered ? plan_windows_boots(p, b->drivers[i])
				     : plan_windows_has(p, b->drivers[i])))
			return false;
	return true;
}

static const struct bus *choose_on(const struct planning *p, const char *machine)
{
	for (size_t i = 0; i < p->target->n_buses; i++)
		for (size_t k = 0; k < P2V_N(buses); k++)
			if (plan_is(p->target->buses[i], buses[k].name) &&
				(!buses[k].machine || plan_is(machine, buses[k].machine)) &&
				drives(p, &buses[k]))
				return &buses[k];
	return NULL;
}

/* IDE is on the older machine only, which has no UEFI here. */
static const struct bus *choose_bus(struct planning *p)
{
	const char *machine = machine_type(p);
	const struct bus *bus = choose_on(p, machine);

	if (!bus && !*plan_text(p->target->machine) && !plan_is(p->plan->firmware, "uefi")) {
		machine = plan_is(machine, "pc") ? "q35" : "pc";
		bus = choose_on(p, machine);
	}
	plan_set(p, &p->plan->machine, bus ? machine : machine_type(p));
	return bus;
}

static bool wanted(const struct target *t, const char *name)
{
	for (size_t i = 0; i < t->n_nics; i++)
		if (plan_is(t->nics[i], name))
			return true;
	return false;
}

static const char *choose_nic(struct planning *p)
{
	uint32_t version = plan_windows_version(p);

	if (wanted(p->target, "virtio-net") &&
		(plan_windows_offer(p, "netkvm") || plan_windows_has(p, "netkvm")))
		return "virtio-net";
	for (size_t i = 0; i < P2V_N(nics); i++)
		if (wanted(p->target, nics[i].name) && version >= nics[i].from &&
			version <= nics[i].to)
			return nics[i].name;
	return "e1000";
}

/* Why the medium's driver is not taken, if it has one; else that there is no medium. */
static void say_emulated(struct planning *p, const char *what, const char *name, const char *driver)
{
	for (size_t i = 0; i < p->target->n_drivers; i++)
		if (plan_is(p->target->drivers[i].name, driver)) {
			plan_warn(
				p, "%s emulated (%s): %s", what, name, p->target->drivers[i].about);
			return;
		}
	plan_warn(p, "%s emulated (%s), which is slower: %s", what, name,
		*plan_text(p->target->media)
			? "the medium has no virtio driver for this Windows"
			: "no medium with virtio drivers was given (--virtio-win)");
}

static bool has_big_sectors(const struct planning *p)
{
	for (size_t i = 0; i < p->machine->n_disks; i++)
		if (p->machine->disks[i].logical_sector_bytes > 512)
			return true;
	return false;
}

static void check_bus(struct planning *p, const struct bus *bus)
{
	if (!bus)
		plan_block(p,
			"%s: this Windows has no driver for a disk that a virtual machine can "
			"have: name a medium with virtio drivers for it (--virtio-win)",
			p->os->root);
	else if (!bus->offered && has_big_sectors(p))
		plan_block(p,
			"its disks have sectors of 4096 bytes, which only virtio disks can show: "
			"name a medium with virtio drivers (--virtio-win)");
	else if (!bus->offered)
		say_emulated(p, "the disks are", bus->name, "viostor");
}

void plan_windows_devices(struct planning *p)
{
	const struct bus *bus = choose_bus(p);
	const char *nic = choose_nic(p), *name = bus ? bus->name : "sata";

	if (*plan_text(p->target->media))
		plan_set(p, &p->plan->media, p->target->media);
	check_bus(p, bus);
	p->disk_drivers = bus ? bus->drivers : NULL;
	p->virtio_disk = strncmp(name, "virtio", 6) == 0;
	p->virtio_net = strncmp(nic, "virtio", 6) == 0;
	if (!p->virtio_net)
		say_emulated(p, "the network cards are", nic, "netkvm");
	plan_add_disks(p, name);
	plan_add_nics(p, nic);
}
