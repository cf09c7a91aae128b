/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_DEVICE_NAME_H
#define CONVERTERS_INSPECT_DEVICE_NAME_H

/*
 * Names that the hardware gave to a disk or to a partition on it, cut into the two:
 *
 *	/dev/sda1                               /dev/sda             1
 *	/dev/cciss/c0d1p3                       /dev/cciss/c0d1      3
 *	/dev/nvme0n1                            /dev/nvme0n1         the whole disk
 *	/dev/disk/by-id/ata-X_Y-part2           /dev/disk/by-id/..   2
 *	/dev/mapper/mpathap1, mpath0-part1      /dev/mapper/mpatha   1
 *	/dev/mpath/mpath0p1                     the same, up to Red Hat 5
 *	/dev/mapper/3600508b1001c..._part1      a multipath disk without a friendly name
 *	/dev/mapper/isw_abc_Volume0p1           a disk of a RAID that the firmware made
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/span.h"

enum device_class {
	DEVICE_SCSI, /* sd, hd, xvd, and the controllers that later became sd */
	DEVICE_NVME,
	DEVICE_MMC,
	DEVICE_PMEM,
	DEVICE_LINK,   /* by-id, by-path */
	DEVICE_MAPPED, /* multipath, firmware RAID */
};

struct device_name {
	struct p2v_span disk; /* its name without the partition */
	enum device_class class;
	uint64_t number; /* of the disk, for kernel names: sdb is 1 */
	uint64_t part;	 /* 0: the whole disk */
};

/* False for names of other kinds: UUID=, /dev/vg/lv, /dev/md0, /dev/mapper/vg-lv, and links in
 * by-id that udev makes of those (dm-uuid-LVM-..., dm-name-vg-lv, md-uuid-...). */
bool device_name_read(struct p2v_span spec, struct device_name *ret);
/* Kernel names, for which the number counts. */
static inline bool device_name_counts(const struct device_name *d)
{
	return d->class != DEVICE_LINK && d->class != DEVICE_MAPPED;
}

/* The same for a name that only a table of the guest's explains, such as multipath's aliases:
 * /dev/mapper/bootdisk-part1, /dev/mapper/bootdisk1. It must be of that partition. */
bool device_name_alias(struct p2v_span spec, uint64_t part, struct device_name *ret);

#endif
