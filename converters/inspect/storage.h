/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_STORAGE_H
#define CONVERTERS_INSPECT_STORAGE_H

/*
 * Disks and what lies on them; and what a device name that stands in a guest's file means here.
 *
 * The k-th disk of the machine is disk k; the guest's own sda, hda or vda is taken to be the first
 * one, and so on: kernel names follow that order on the machines that have them in their files.
 * A link by the disk's serial number or its worldwide name means the disk that has it.
 * Where the guest's files show that a disk has another name (its root is on sdb1, and found on the
 * first disk; ext4 says that it was mounted on /srv, and fstab has sdc1 there), that counts, and
 * the others' names follow from what is left.
 */

#include "p2v/core/span.h"
#include "p2v/guest/guest.h"
#include "p2v/model/facts.h"
#include "p2v/model/image.h"
#include "p2v/model/machine.h"

/* A file system with more names than these keeps the first ones. */
#define INSPECT_MAX_ALIASES 16

int inspect_storage(const struct guest_storage *storage, const struct image *image,
	struct facts *facts, struct p2v_err *err);

/* What the machine says of its disks, those of the same id. */
int inspect_storage_identify(
	struct facts *facts, const struct machine *machine, struct p2v_err *err);

/* facts_disk.boot_code is "none" where a disk's first sector holds no program. */
int inspect_boot_code(struct guest *g, struct facts *facts, struct p2v_err *err);

/* The guest means this file system when it says spec: where that is a name that the hardware gave,
 * the disk's name is known from now on. Other specs teach nothing. */
int inspect_storage_call_disk(
	struct facts *facts, const struct facts_fs *f, struct p2v_span spec, struct p2v_err *err);

/* What a line of fstab shows of a disk that nothing has explained yet: on the partition there must
 * be a file system of that kind. From the strongest evidence to the weakest: it was mounted there
 * last; the disk is the one by its number; no other disk has such a partition. */
enum inspect_evidence { INSPECT_BY_PLACE, INSPECT_BY_ORDER, INSPECT_BY_REMAINING };
int inspect_storage_learn(struct facts *facts, const struct facts_os *os,
	const struct facts_mount *m, enum inspect_evidence evidence, struct p2v_err *err);
/* It is named by the kernel, and is on one of several disks that nothing yet tells apart. */
bool inspect_storage_is_guess(
	const struct facts *facts, const struct facts_os *os, const struct facts_mount *m);
/* What a line of fstab means; NULL: nothing on these disks. */
const struct facts_fs *inspect_find_mount(const struct facts *facts, const struct facts_mount *m);

/* Another name of an md array, as mdadm.conf writes it: a device, or its name below /dev/md/. */
int inspect_storage_call_array(struct facts_fs *f, struct p2v_span name, struct p2v_err *err);

/* What UUID=..., LABEL=..., /dev/disk/by-..., /dev/sda1, /dev/vg/lv, /dev/mapper/vg-lv, /dev/md1
 * means; NULL: nothing on these disks. Quotes around a value are passed over. */
const struct facts_fs *inspect_find_fs(const struct facts *facts, struct p2v_span spec);

/* The whole disk that a name means; NULL: none, or it is not known which. */
const struct facts_disk *inspect_find_disk(const struct facts *facts, struct p2v_span spec);

/* True for names that the hardware gave: kernel names (/dev/sda1), by-id, by-path, multipath. */
bool inspect_is_hardware_name(struct p2v_span spec);
/* And those that the guest's own tables gave to the hardware, as its root has shown
 * (/dev/mapper/bootdisk-part2). */
bool inspect_is_old_name(const struct facts *facts, struct p2v_span spec);

#endif
