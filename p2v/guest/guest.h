/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_GUEST_H
#define P2V_GUEST_GUEST_H

/*
 * The only door into a guest. Two doors look alike from here:
 *
 *	disks      libguestfs: a small appliance (its own kernel, in QEMU) mounts the guest's file
 *	           systems, so that the host's kernel never sees a byte that an attacker may have
 *shaped directory  a host directory that poses as the guest's root: tests, and container outputs
 *
 * Always true: no path leaves the guest. Links are followed inside the guest's root, as chroot
 * would; "/.." is "/"; a loop of links is an error that names the path. Guest names are bytes
 * without NUL: they may hold newlines and need not be UTF-8. Error sentences show them escaped.
 * No guest code is ever run. A door is used by one thread.
 *
 * read.h reads, write.h writes and records, accel.h says which accelerator this host can use.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"

struct guest;

struct guest_disk {
	const char *path;	       /* on the host */
	const char *format;	       /* "raw", "qcow2", ...: always said, never probed */
	uint32_t logical_sector_bytes; /* in which its tables count: 4096, else 512 */
};

/* Opens encrypted volumes. Kept by nobody longer than the opening of the door takes. */
struct guest_key {
	const char *selector; /* a device in the door's terms, the volume's UUID, or "all" */
	const char *text;     /* the passphrase, or a key file's content: no NUL within */
};

struct guest_options {
	const struct guest_disk *disks; /* in the machine's order: disk 0 is /dev/sda to the door */
	size_t n_disks;
	bool writable; /* else nothing can be written, neither by a call nor by a journal replay */
	bool use_kvm;  /* from accel.h; false: TCG */
	int launch_timeout_ms; /* 0: the default, 300000 */
	/* Of each call into the appliance, and of the time between two: then it is ended, and the
	 * call is P2V_ETIMEDOUT. 0: the default, 1200000. Sooner where the host has no room for
	 * what is written to the first disk: P2V_ENOSPC. */
	int call_timeout_ms;
	const struct guest_key *keys;
	size_t n_keys;
};

/* Starts the appliance; P2V_ETIMEDOUT where it does not come up in time. Opens the encrypted
 * volumes that there are keys for; a key for one volume that does not open it is P2V_EINVAL, for
 * one that is not there P2V_ENOTFOUND. Nothing is mounted. */
int guest_open_disks(const struct guest_options *o, struct guest **ret, struct p2v_err *err);
/* The directory is the root with all that belongs below it, and is "mounted" from the start:
 * storage is empty, mounting "/" is P2V_EUNSUPPORTED, mounting elsewhere does nothing. */
int guest_open_dir(const char *dir, bool writable, struct guest **ret, struct p2v_err *err);
/* Writes back and ends the appliance; an error here means that writes may be lost. Then frees. */
int guest_close(struct guest *g, struct p2v_err *err);
/* The same where the outcome does not matter any more; NULL is fine. */
void guest_free(struct guest *g);

bool guest_is_writable(const struct guest *g);

/* What is on the disks. */
enum guest_volume_type {
	GUEST_VOLUME_DISK,
	GUEST_VOLUME_PART,
	GUEST_VOLUME_LV,
	GUEST_VOLUME_MD,
	GUEST_VOLUME_CRYPT, /* inside of an encrypted volume that was opened */
};

struct guest_volume {
	enum guest_volume_type type;
	char *device; /* in the door's terms: "/dev/sda1", "/dev/vg0/root" */
	char *kind;   /* blkid's word: ext4 xfs btrfs vfat ntfs swap LVM2_member crypto_LUKS
		       * linux_raid_member; NULL: nothing known there */
	char *uuid, *label;
	char *partuuid;	  /* GPT: the GUID; MBR: "disk signature-number"; NULL: no partition */
	char *partlabel;  /* GPT: the partition's name; else NULL */
	char *part_type;  /* GPT: type GUID; MBR: "0x83"; NULL */
	char *part_table; /* on a disk: "msdos" -> "dos", "gpt"; NULL: none */
	char *parent;	  /* CRYPT: the encrypted volume's device; else NULL */
	char *array_name; /* MD: "web01:1" from the superblock, NULL where it has none */
	char *array_uuid; /* MD: as mdadm writes it, 01234567:... */
	char *dm_uuid;	  /* LV: "LVM-", the group's and its own UUID without dashes; else NULL */
	char *mounted_at; /* ext2, ext3, ext4: where it was mounted last; NULL: not known */
	uint32_t disk;	  /* index of the disk that it lies on; LV, MD, CRYPT: UINT32_MAX */
	uint32_t part;	  /* partition number, 0 for a whole disk */
	uint64_t offset_bytes, size_bytes;
	bool unclean; /* NTFS: was not unmounted; part of it may be in its log alone */
};

struct guest_storage {
	struct guest_volume *volumes; /* disk, its partitions, next disk, ..., then MD, CRYPT, LV */
	size_t n_volumes;
};

int guest_storage_list(struct guest *g, struct guest_storage *ret, struct p2v_err *err);
void guest_storage_finish(struct guest_storage *s);

/* Mounts below the guest's root, which must be mounted first ("/"). On a door that is not writable
 * every write, a journal's replay included, goes to a throw-away overlay. subvolume: btrfs only, or
 * NULL. */
int guest_mount(struct guest *g, const char *device, const char *mountpoint, const char *subvolume,
	bool read_only, struct p2v_err *err);
int guest_umount_all(struct guest *g, struct p2v_err *err);

#endif
