/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The virtual hardware: the first choice of the target that every kernel of the guest can drive. */

#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

/* What a device needs of a kernel: all drivers of its row. */
struct device {
	const char *name;
	const char *drivers[4];
	const char *machine; /* where it is on that machine type only, else NULL */
};

/* sd_mod comes last in its rows: kernels from before there were lists of what is built in (2.6.33)
 * may have it unseen, and a system that started from a disk of any kind has it. */
static const struct device buses[] = {
	{"virtio-blk", {"virtio_pci", "virtio_blk"}, NULL},
	{"virtio-scsi", {"virtio_pci", "virtio_scsi", "sd_mod"}, NULL},
	{"sata", {"ahci", "sd_mod"}, "q35"},
	{"ide", {"ata_piix", "sd_mod"}, "pc"},
	{"ide", {"piix", "ide_gd_mod"}, "pc"},
	{"ide", {"piix", "ide_disk"}, "pc"},
};
static const struct device nics[] = {
	{"virtio-net", {"virtio_pci", "virtio_net"}, NULL},
	{"e1000e", {"e1000e"}, NULL},
	{"e1000", {"e1000"}, NULL},
	{"rtl8139", {"8139cp"}, NULL},
	{"rtl8139", {"8139too"}, NULL},
};

/* It has the driver before its root is there: built in, in its initramfs, or put there by us. */
static bool loads_early(const struct facts_kernel *k, const char *driver, bool sealed)
{
	if (!plan_has_module(k, driver))
		return plan_has(k, driver);
	return plan_holds(&k->initramfs, driver) || (!sealed && plan_extends(&k->initramfs));
}

static bool all_load_early(const struct facts_os *os, const char *driver, bool sealed)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) &&
			!loads_early(&os->kernels[i], driver, sealed))
			return false;
	return plan_all_have(os, driver);
}

static bool is_unseen(const struct facts_kernel *k, const char *driver)
{
	return plan_is(driver, "sd_mod") && !plan_has_module(k, driver);
}

static bool unseen(const struct facts_os *os, const char *driver)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) && !is_unseen(&os->kernels[i], driver))
			return false;
	return plan_is(driver, "sd_mod");
}

/* Modern (1.0) virtio, which is all that PCI Express slots offer, came with Linux 4.0; Red Hat
 * brought it into the 3.10 of RHEL 7. */
static bool is_modern(const struct facts_kernel *k)
{
	struct p2v_span rest, major = p2v_span_until(p2v_span_str(k->release), '.', &rest);
	uint64_t number;

	if (p2v_span_starts(p2v_span_str(k->release), "3.10.0-") && strstr(k->release, ".el7"))
		return true;
	return p2v_span_u64(major, UINT32_MAX, &number) && number >= 4;
}

static bool all_modern(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) && !is_modern(&os->kernels[i]))
			return false;
	return true;
}

/* Machine types to try, best first. Old kernels meet a machine of their time. */
static size_t machine_types(const struct planning *p, const char *ret[2])
{
	bool modern = all_modern(p->os);

	ret[0] = "q35";
	ret[1] = "pc";
	if (*plan_text(p->target->machine)) {
		ret[0] = p->target->machine;
		return 1;
	}
	if (plan_is(p->plan->firmware, "uefi"))
		return 1;
	if (!modern) {
		ret[0] = "pc";
		ret[1] = "q35";
	}
	return 2;
}

/* On this machine the device is there, and in a shape that the kernels know. */
static bool is_on(const struct planning *p, const struct device *d, const char *machine)
{
	if (d->machine && !plan_is(machine, d->machine))
		return false;
	return strncmp(d->name, "virtio", 6) != 0 || !plan_is(machine, "q35") || all_modern(p->os);
}

static bool drives_disk(const struct planning *p, const struct device *d)
{
	for (size_t i = 0; i < P2V_N(d->drivers) && d->drivers[i]; i++)
		if (!all_load_early(p->os, d->drivers[i], p->sealed) &&
			!unseen(p->os, d->drivers[i]))
			return false;
	return true;
}

/* And where the kernels' arguments cannot be changed, what they call the root is called so. */
static bool fits(const struct planning *p, const struct device *d)
{
	return drives_disk(p, d) && plan_keeps_names(p, d->name, d->drivers);
}

static bool drives_nic(const struct planning *p, const struct device *d)
{
	for (size_t i = 0; i < P2V_N(d->drivers) && d->drivers[i]; i++)
		if (!plan_all_have(p->os, d->drivers[i]))
			return false;
	return true;
}

static const struct device *choose(const struct planning *p, const char *machine,
	char *const *wanted, size_t n_wanted, const struct device *devices, size_t n_devices,
	bool (*drives)(const struct planning *p, const struct device *d))
{
	for (size_t i = 0; i < n_wanted; i++)
		for (size_t k = 0; k < n_devices; k++)
			if (plan_is(wanted[i], devices[k].name) && is_on(p, &devices[k], machine) &&
				drives(p, &devices[k]))
				return &devices[k];
	return NULL;
}

/* The firmware's kernel lies beside its initramfs: that is changed like any other. */
static bool knows_stub(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (strstr(plan_text(os->kernels[i].path), "/EFI/") &&
			*plan_text(os->kernels[i].initramfs.path))
			return true;
	return false;
}

/* Why kernel and initramfs cannot be changed; NULL: they can. */
static const char *seal(const struct facts_os *os, bool secure)
{
	if (plan_is(os->bootloader.kind, "lilo") || plan_is(os->bootloader.kind, "elilo"))
		return "LILO knows kernel and initramfs by their places on the disk, so they must "
		       "not be changed";
	if (plan_is(os->bootloader.kind, "efi-stub") && !knows_stub(os))
		return "the firmware itself starts the kernel, with an initramfs that only its own "
		       "entries name, so it must not be changed";
	for (size_t i = 0; secure && i < os->n_kernels; i++)
		if (os->kernels[i].unified)
			return "kernel and initramfs are one EFI program (a unified kernel "
			       "image), and Secure Boot starts it as it was signed only";
	return NULL;
}

bool plan_drives_any(const struct planning *p, const struct facts_kernel *k)
{
	bool sealed = seal(p->os, p->plan->secure_boot) != NULL;

	for (size_t i = 0; i < P2V_N(buses); i++) {
		bool all = true;

		for (size_t d = 0; d < P2V_N(buses[i].drivers) && buses[i].drivers[d]; d++)
			all &= loads_early(k, buses[i].drivers[d], sealed) ||
			       is_unseen(k, buses[i].drivers[d]);
		if (all)
			return true;
	}
	return false;
}

/* The same for a single kernel, in words; for the first that is in the way. */
static const char *why_not(const struct planning *p)
{
	for (size_t i = 0; i < p->os->n_kernels; i++) {
		const struct facts_kernel *k = &p->os->kernels[i];

		if (!plan_is_kernel(k) || plan_extends(&k->initramfs))
			continue;
		if (!*plan_text(k->initramfs.path))
			return "a kernel has no initramfs to which drivers could be added";
		return "an initramfs is of a kind to which drivers cannot be added";
	}
	return NULL;
}

/* Nothing is known of the initramfs, but it started from disks like these. */
static bool had_ata(const struct planning *p)
{
	for (size_t i = 0; i < p->machine->n_disks; i++)
		if (!plan_is(p->machine->disks[i].bus, "ata") &&
			!plan_is(p->machine->disks[i].bus, "file") &&
			*plan_text(p->machine->disks[i].bus))
			return false;
	return true;
}

static bool has_kernel(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]))
			return true;
	return false;
}

/* The BIOS's 0x80, as GRUB calls hd0: the first disk that it can start. */
static size_t first_to_start(const struct planning *p)
{
	size_t first = 0;

	while (first < p->facts->n_disks && plan_is(p->facts->disks[first].boot_code, "none"))
		first++;
	return plan_is(p->plan->firmware, "bios") && first < p->facts->n_disks ? first : 0;
}

void plan_add_disks(struct planning *p, const char *bus)
{
	const size_t first = first_to_start(p);

	if (first > 0)
		plan_tell(p, "%s is started first: the disks before it hold no boot loader",
			p->facts->disks[first].id);
	for (size_t i = 0; i < p->facts->n_disks; i++) {
		struct plan_disk *d =
			plan_grow(p, (void **)&p->plan->disks, &p->plan->n_disks, sizeof(*d));

		if (!d)
			return;
		plan_set(p, &d->id, p->facts->disks[i].id);
		plan_set(p, &d->bus, bus);
		d->boot_order = i == first ? 1 : (uint32_t)i + (i < first ? 2 : 1);
	}
}

void plan_add_nics(struct planning *p, const char *model)
{
	for (size_t i = 0; i < p->machine->n_nics; i++) {
		struct plan_nic *n =
			plan_grow(p, (void **)&p->plan->nics, &p->plan->n_nics, sizeof(*n));

		if (!n)
			return;
		plan_set(p, &n->mac, p->machine->nics[i].mac);
		plan_set(p, &n->model, model);
		plan_set(p, &n->name, "");
		plan_set(p, &n->gateway, "");
	}
}

/* The first machine on which there is a disk that all kernels drive. */
static const struct device *choose_bus(
	struct planning *p, bool (*good)(const struct planning *p, const struct device *d))
{
	const char *types[2];
	size_t n = machine_types(p, types);

	for (size_t i = 0; i < n; i++) {
		const struct device *bus = choose(p, types[i], p->target->buses, p->target->n_buses,
			buses, P2V_N(buses), good);

		if (bus) {
			plan_set(p, &p->plan->machine, types[i]);
			return bus;
		}
	}
	plan_set(p, &p->plan->machine, types[0]);
	return NULL;
}

/* No kernel can be shown to drive any disk. */
static const char *fall_back(struct planning *p, const char *why)
{
	const char *bus = plan_is(p->plan->machine, "pc") ? "ide" : "sata";

	if (!had_ata(p))
		plan_block(p,
			"%s; and it is not known to drive a disk that a virtual machine can have. "
			"Have the old system make an image with the ahci driver in it first",
			why ? why : "the kernels have no driver for virtio, SATA or IDE disks");
	plan_warn(p,
		"the installed kernels share no known disk driver: the disks are attached by %s, "
		"as old machines have them",
		bus);
	return bus;
}

static const char *choose_nic(struct planning *p)
{
	const struct device *nic = choose(p, p->plan->machine, p->target->nics, p->target->n_nics,
		nics, P2V_N(nics), drives_nic);

	if (nic)
		return nic->name;
	plan_warn(p, "the installed kernels share no known network driver: an e1000 is given");
	return "e1000";
}

void plan_devices(struct planning *p)
{
	const char *why = seal(p->os, p->plan->secure_boot), *bus, *nic;
	const struct device *device;

	p->sealed = why != NULL;
	device = choose_bus(p, fits);
	device = device ? device : choose_bus(p, drives_disk);
	nic = choose_nic(p);
	why = why ? why : why_not(p);
	if (!has_kernel(p->os))
		plan_block(p, "%s: no kernel was found in /boot: nothing can start this system",
			p->os->root);
	bus = device ? device->name : fall_back(p, why);
	p->disk_drivers = device ? device->drivers : NULL;
	p->virtio_disk = strncmp(bus, "virtio", 6) == 0;
	p->virtio_net = strncmp(nic, "virtio", 6) == 0;
	if (!p->virtio_disk && why)
		plan_warn(p, "the disks are emulated (%s): %s", bus, why);
	else if (!p->virtio_disk)
		plan_warn(p,
			"the disks are emulated (%s): not every installed kernel has virtio "
			"drivers, and emulated ones are slower",
			bus);
	plan_add_disks(p, bus);
	plan_add_nics(p, nic);
}
