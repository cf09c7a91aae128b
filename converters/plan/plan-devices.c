/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The virtual hardware: the first choice of the target that every kernel of the guest can drive. */

#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

/* What a device needs of a kernel: all drivers of its row. */
struct device {
	const char *name;
	const char *drivers[3];
	const char *machine; /* where it is on that machine type only, else NULL */
};

static const struct device buses[] = {
	{"virtio-blk", {"virtio_pci", "virtio_blk"}, NULL},
	{"virtio-scsi", {"virtio_pci", "virtio_scsi", "sd_mod"}, NULL},
	{"sata", {"ahci"}, "q35"},
	{"ide", {"ata_piix"}, "pc"},
};

static const struct device nics[] = {
	{"virtio-net", {"virtio_pci", "virtio_net"}, NULL},
	{"e1000e", {"e1000e"}, NULL},
	{"e1000", {"e1000"}, NULL},
	{"rtl8139", {"8139cp"}, NULL},
};

/* Every kernel has it before its root is there, with the initramfs as it is. */
static bool all_load(const struct facts_os *os, const char *driver)
{
	for (size_t i = 0; i < os->n_kernels; i++) {
		const struct facts_kernel *k = &os->kernels[i];

		if (plan_is_kernel(k) && plan_has_module(k, driver) &&
			!plan_holds(&k->initramfs, driver))
			return false;
	}
	return plan_all_have(os, driver);
}

static bool drives(const struct facts_os *os, const struct device *d, bool sealed)
{
	for (size_t i = 0; i < P2V_N(d->drivers) && d->drivers[i]; i++)
		if (!(sealed ? all_load : plan_all_have)(os, d->drivers[i]))
			return false;
	return true;
}

/* Why kernel and initramfs cannot be changed; NULL: they can. */
static const char *seal(const struct facts_os *os)
{
	if (plan_is(os->bootloader.kind, "lilo"))
		return "LILO knows kernel and initramfs by their places on the disk, so they must "
		       "not be changed";
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is(os->kernels[i].initramfs.kind, "unified"))
			return "kernel and initramfs are one EFI program (a unified kernel "
			       "image), which must not be changed";
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

/* Modern (1.0) virtio, which is all that PCI Express slots offer, came with Linux 4.0. */
static bool is_modern(const struct facts_kernel *k)
{
	struct p2v_span major = p2v_span_until(p2v_span_str(k->release), '.', NULL);
	uint64_t number;

	return p2v_span_u64(major, UINT32_MAX, &number) && number >= 4;
}

static const char *machine_type(const struct planning *p)
{
	if (*plan_text(p->target->machine))
		return p->target->machine;
	for (size_t i = 0; i < p->os->n_kernels; i++)
		if (plan_is_kernel(&p->os->kernels[i]) && !is_modern(&p->os->kernels[i]) &&
			!plan_is(p->plan->firmware, "uefi"))
			return "pc";
	return "q35";
}

static const char *choose(const struct planning *p, bool sealed, char *const *wanted,
	size_t n_wanted, const struct device *devices, size_t n_devices)
{
	for (size_t i = 0; i < n_wanted; i++)
		for (size_t k = 0; k < n_devices; k++)
			if (plan_is(wanted[i], devices[k].name) &&
				drives(p->os, &devices[k], sealed) &&
				(!devices[k].machine ||
					plan_is(p->plan->machine, devices[k].machine)))
				return devices[k].name;
	return NULL;
}

static bool has_kernel(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]))
			return true;
	return false;
}

static void add_disks(struct planning *p, const char *bus)
{
	for (size_t i = 0; i < p->facts->n_disks; i++) {
		struct plan_disk *d =
			plan_grow(p, (void **)&p->plan->disks, &p->plan->n_disks, sizeof(*d));

		if (!d)
			return;
		plan_set(p, &d->id, p->facts->disks[i].id);
		plan_set(p, &d->bus, bus);
		/* The first disk was the BIOS's 0x80, and GRUB counts on that. */
		d->boot_order = (uint32_t)i + 1;
	}
}

static void add_nics(struct planning *p, const char *model)
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

void plan_devices(struct planning *p)
{
	const struct target *t = p->target;
	const char *bus, *nic, *why;

	plan_set(p, &p->plan->machine, machine_type(p));
	why = seal(p->os);
	p->sealed = why != NULL;
	bus = choose(p, p->sealed, t->buses, t->n_buses, buses, P2V_N(buses));
	nic = choose(p, false, t->nics, t->n_nics, nics, P2V_N(nics));
	if (!has_kernel(p->os))
		plan_block(p, "%s: no kernel was found in /boot: nothing can start this system",
			p->os->root);
	if (!bus && why && !had_ata(p))
		plan_block(p,
			"%s; and it is not known to drive a disk that a virtual machine can have. "
			"Have the old system make an image with the ahci driver in it first",
			why);
	if (!bus) {
		bus = plan_is(p->plan->machine, "pc") ? "ide" : "sata";
		plan_warn(p,
			"the installed kernels share no known disk driver: the disks are attached "
			"by %s, as old machines have them",
			bus);
	}
	if (!nic) {
		nic = "e1000";
		plan_warn(p, "the installed kernels share no known network driver: an e1000 is "
			     "given");
	}
	p->virtio_disk = strncmp(bus, "virtio", 6) == 0;
	p->virtio_net = strncmp(nic, "virtio", 6) == 0;
	if (!p->virtio_disk && why)
		plan_warn(p, "the disks are emulated (%s): %s", bus, why);
	else if (!p->virtio_disk)
		plan_warn(p,
			"the disks are emulated (%s): not every installed kernel has virtio "
			"drivers, and emulated ones are slower",
			bus);
	add_disks(p, bus);
	add_nics(p, nic);
}
