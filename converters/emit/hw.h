/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_HW_H
#define P2V_EMIT_HW_H

/*
 * The virtual hardware: which device stands where. The libvirt domain, the start script and the
 * proof all place devices by these tables, so that what was proven is what is handed over.
 *
 *	slot of bus 0 (pci.0 of machine pc, pcie.0 of q35)
 *	00      host bridge
 *	01      pc: ISA bridge, IDE (01.1)
 *	02      VGA
 *	03      virtio-serial: guest agent
 *	04      virtio-scsi, where a disk is on it
 *	05      memory balloon
 *	06      random numbers
 *	07      pc: AHCI, where a disk is on sata
 *	08..0f  virtio-blk disks     disk i: slot 08 + i % 8, function i / 8
 *	10..1b  network cards        card i: slot 10 + i % 12, function i / 12
 *	1f      q35: ISA bridge, AHCI (1f.2)
 *
 * All stand directly on the root bus, not behind PCIe root ports: there QEMU gives every virtio
 * device its transitional face, which is the only one that the drivers of old kernels (RHEL 6,
 *before Linux 4.0) know; slots are the same on both machine types. The price is that on q35 these
 *devices cannot be unplugged from a running guest.
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/err.h"
#include "p2v/model/output.h"

enum emit_fixed_slot {
	EMIT_SLOT_VGA = 0x02,
	EMIT_SLOT_SERIAL = 0x03,
	EMIT_SLOT_SCSI = 0x04,
	EMIT_SLOT_BALLOON = 0x05,
	EMIT_SLOT_RNG = 0x06,
	EMIT_SLOT_AHCI = 0x07,
};

struct emit_slot {
	unsigned slot, function;
	bool multifunction; /* function 0 of a slot that holds more */
};

/* A disk bus. `room` is how many disks it takes; `machine` is the only machine type that has it. */
struct emit_bus {
	const char *name; /* as plans say it */
	const char *machine;
	size_t room;
	bool big_sectors;	 /* can show 4096-byte sectors */
	const char *device;	 /* QEMU */
	const char *driver_name; /* for people: who writes when the guest writes */
	const char *guest_names; /* how Linux calls such disks: "vd", "sd hd" */
	const char *xml_bus;	 /* libvirt */
	const char *xml_prefix;	 /* of <target dev> */
	const char *controller;	 /* libvirt controller type, or NULL */
};

struct emit_nic {
	const char *name, *device, *xml_model;
};

/* NULL where there is none of that name. */
const struct emit_bus *emit_bus_find(const char *name);
const struct emit_nic *emit_nic_find(const char *name);

struct emit_slot emit_disk_slot(size_t i, size_t n_disks);
struct emit_slot emit_nic_slot(size_t i, size_t n_nics);
/* How many disks before disk i are on the same bus: its place there. */
size_t emit_disk_place(const struct output *output, size_t i);
bool emit_has_bus(const struct output *output, const char *bus);
bool emit_is_windows(const struct output *output);
/* How often a Windows tries for a lock before it lets another processor run. */
#define EMIT_SPINLOCK_RETRIES "8191"
/* Whole MiB and at least one processor; a default where the output does not say. */
uint64_t emit_memory_mib(const struct output *output);
unsigned emit_cpus(const struct output *output);

/* Everything that must hold before names of this output become arguments or XML; P2V_EUNSUPPORTED
 * or P2V_EFORMAT names the object. */
int emit_hw_check(const struct output *output, struct p2v_err *err);

#endif
