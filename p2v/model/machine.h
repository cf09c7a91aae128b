/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_MACHINE_H
#define P2V_MODEL_MACHINE_H

/*
 * machine.json: what the physical machine is. The agent writes it, it is the first thing that
 * crosses the wire, and it lies unchanged in the job directory. Everything in it is the source's
 * word: the server treats it as foreign.
 *
 * Sources on Linux: /sys/class/dmi/id, /proc/meminfo, /proc/cpuinfo, /sys/firmware/efi, /sys/block,
 * /sys/class/net.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

/* One whole disk. `id` is its place in every later noun: disk0, disk1, ... */
struct machine_disk {
	char *id;
	char *path; /* /dev/sda, or the file that poses as a disk */
	uint64_t size_bytes;
	uint64_t used_bytes;	       /* that will be sent, at most; 0: not known yet */
	uint32_t logical_sector_bytes; /* 512 or 4096 */
	uint32_t physical_sector_bytes;
	char *model;
	char *serial;
	char *wwn;
	char *bus; /* ata, scsi, nvme, usb, mmc, virtio, file; fc, iscsi: a unit of a SAN */
	bool rotational;
	bool removable;
	char *table; /* gpt, dos, none */
};

/* One physical network card, in the order of its PCI address. */
struct machine_nic {
	char *name; /* as the running system calls it; not always what the guest calls it */
	char *mac;  /* permanent address, aa:bb:cc:dd:ee:ff */
	char *driver;
	char *pci; /* 0000:00:03.0 */
	char *vendor_id;
	char *device_id;
	char *path_name;    /* what udev would call it by its path: enp0s3 */
	char *slot_name;    /* by its hotplug slot: ens3 */
	char *onboard_name; /* by its firmware index: eno1 */
	bool link;
	uint32_t speed_mbit;
	char **addresses; /* "192.0.2.10/24" as configured while the agent ran */
	size_t n_addresses;
};

/* One UEFI variable that a VM needs to boot as this machine did. */
struct machine_efi_var {
	char *name;
	char *guid;
	uint32_t attributes;
	char *data_hex;
};

/*
 * A device that a virtual machine will not have: what it is for is for people to say. Bridges,
 * memory, hubs and the like are left out.
 */
struct machine_device {
	char *bus;	 /* pci, usb, tape */
	char *place;	 /* 0000:03:00.0, 1-1.4, st0 */
	char *vendor_id; /* 10de: four hexadecimal digits */
	char *device_id;
	char *kind;   /* class as the bus has it: pci 030000, usb ff (hexadecimal) */
	char *driver; /* what the running system drives it with; NULL: nothing */
	char *name;   /* as the device calls itself; NULL: it does not */
};

struct machine {
	uint32_t version; /* 1 */
	char *name;	  /* host name, or what --name said; letters, digits, dot and dash */
	char *uuid;	  /* SMBIOS system UUID, lower case */
	char *vendor;
	char *product;
	char *serial;
	char *arch;	/* of the processor: x86_64 or i686 */
	char *firmware; /* bios or uefi */
	bool secure_boot;
	uint64_t memory_bytes;
	uint32_t cpus; /* logical processors */
	uint32_t sockets;
	uint32_t cores_per_socket;
	char *cpu_model;
	char *rtc; /* utc or localtime */
	char *agent_version;
	struct machine_disk *disks;
	size_t n_disks;
	struct machine_nic *nics;
	size_t n_nics;
	struct machine_efi_var *efi_vars;
	size_t n_efi_vars;
	struct machine_device *devices;
	size_t n_devices;
};

extern const struct p2v_json_type model_machine_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_machine_finish(struct machine *machine);
/* Checks what the types cannot say; decode and load call it. */
int model_machine_validate(const struct machine *machine, struct p2v_err *err);
int model_machine_decode(const void *text, size_t n, struct machine *ret, struct p2v_err *err);
int model_machine_load(const char *path, struct machine *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_machine_save(
	const struct machine *machine, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_machine __attribute__((cleanup(model_machine_finish)))

#endif
