/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SOURCE_SOURCE_H
#define AGENT_SOURCE_SOURCE_H

/*
 * What this machine is: fills the noun machine.json (p2v/model/machine.h). Nothing is written, and
 * every disk is opened read-only. What cannot be found out stays empty: only a machine without a
 * name or without memory would be an error, and neither can be.
 */

#include <stdbool.h>

#include "agent/source/host.h"
#include "p2v/core/err.h"
#include "p2v/model/machine.h"

/*
 * Everything. name: what the user calls the machine, or NULL for the host's name. Disks are those
 * of source_disks_read. Works without root; then uuid, serial and the exact memory may be missing.
 */
int source_machine_read(
	const struct source_host *host, const char *name, struct machine *ret, struct p2v_err *err);

/* The parts, each of which fills its members of a zeroed machine. */
void source_identity_read(const struct source_host *host, struct machine *m);
/*
 * Memory is what was fitted, since the kernel's MemTotal lacks what firmware and the kernel itself
 * keep. In this order: the sum of SMBIOS memory devices; the kernel's memory blocks that are
 * online; MemTotal rounded up by source_memory_round.
 */
void source_memory_read(const struct source_host *host, struct machine *m);
void source_cpu_read(const struct source_host *host, struct machine *m);
/* Firmware kind, Secure Boot, and the variables Boot####, BootOrder and BootCurrent. */
int source_efi_read(const struct source_host *host, struct machine *m, struct p2v_err *err);
/* Physical Ethernet cards in the order of their PCI address, then the others by name. Virtual
 * functions of a card are left out: they belong to whoever made them. */
int source_nics_read(const struct source_host *host, struct machine *m, struct p2v_err *err);

/*
 * Whole physical disks: what /sys/block shows with a device behind it, but for optical and floppy
 * drives, boot partitions of eMMC, paths of a multipath NVMe device, and empty slots.
 */
int source_disks_read(const struct source_host *host, struct machine *m, struct p2v_err *err);

/* What a virtual machine will not have: PCI functions, USB devices, tape drives; at most
 * SOURCE_MAX_DEVICES of them. */
#define SOURCE_MAX_DEVICES 512
int source_devices_read(const struct source_host *host, struct machine *m, struct p2v_err *err);

/*
 * Replaces the machine's disks by those that were named, in that order: block devices keep what the
 * machine knows of them; a regular file gets bus "file". Given machine came from a file (prepared):
 * the n-th name is the n-th disk of that machine, and keeps its path and hardware there.
 * A name that is no disk, or given twice, is P2V_EREFUSED.
 */
int source_disks_choose(struct machine *m, const char *const *paths, size_t n_paths, bool prepared,
	struct p2v_err *err);

/* The node of /sys/block's name: cciss!c0d0 is /dev/cciss/c0d0. malloc'd. */
char *source_disk_node(const char *name);

/* Whether somebody on this machine uses the disk or a part of it (a mounted file system, LVM,
 * RAID): then its content may change while it is read. False for files. */
bool source_disk_busy(const char *path);
/* The same for one partition of it (0: the disk); true where that cannot be told. */
bool source_part_busy(const char *path, uint32_t number);

/* 7.7 GiB -> 8 GiB: up to a multiple of the largest power of two that is not above an eighth. */
uint64_t source_memory_round(uint64_t bytes);

/* Makes a name that the noun takes: other bytes become dashes; "" where nothing is left. */
void source_name_clean(const char *text, char out[65]);

#endif
