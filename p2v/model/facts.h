/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_FACTS_H
#define P2V_MODEL_FACTS_H

/*
 * facts.json: what inspection found on the disks. Device names are the guest door's own (/dev/sda1:
 * the first partition of disk0), never the guest's. Every string here comes from the guest and is
 * foreign.
 *
 * The plan is computed from this noun alone, so whatever a decision needs has to stand here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

/* How a kernel has a driver. */
enum driver_state {
	DRIVER_STATE_ABSENT,
	DRIVER_STATE_MODULE,  /* a file in the module tree */
	DRIVER_STATE_BUILTIN, /* linked into the kernel */
};
extern const char *const model_driver_state_words[];

struct facts_disk {
	char *id;
	char *device; /* /dev/sda */
	uint64_t size_bytes;
	char *table;	    /* gpt, dos, none */
	bool bios_boot;	    /* has a BIOS boot partition */
	char *boot_code;    /* grub2, grub-legacy, syslinux, lilo, windows, none, unknown */
	char *serial, *wwn; /* as the machine's inventory has them; else NULL */
	char **names;	    /* what the guest calls it, where its files show that: /dev/sdb,
			       /dev/disk/by-id/scsi-3600..., /dev/mapper/mpatha */
	size_t n_names;
};

/* A partition, logical volume or other thing with content. */
struct facts_fs {
	char *device;
	char *disk;    /* disk0; empty where it spans several */
	uint32_t part; /* partition number, 0: none */
	char *kind;    /* ext4, xfs, swap, vfat, LVM2_member, crypto_LUKS, ... */
	char *uuid;
	char *label;
	char *partuuid;
	char *partlabel; /* GPT's name of the partition */
	uint64_t offset_bytes;
	uint64_t size_bytes;
	uint64_t free_bytes; /* where mounted */
	bool esp;
	bool xbootldr;	      /* the extended boot partition (XBOOTLDR), by its type */
	char *windows_volume; /* what Windows alone can put together: "dynamic disks (LDM)"; else
			       * NULL
			       */
	bool unclean;	      /* NTFS: was not unmounted; part of it may be in its log alone */
	char *parent;	  /* inside of an encrypted volume: that volume's door device; else NULL */
	char *array_uuid; /* md: as mdadm.conf writes it; else NULL */
	char *mounted_at; /* where it was mounted last, where that is known; else NULL */
	char **aliases; /* what a guest may call it beside what follows from the above: /dev/md1 */
	size_t n_aliases;
};

/* One line of the guest's fstab, and what it resolved to. */
struct facts_mount {
	char *spec; /* as written: UUID=..., /dev/sda1 */
	char *mountpoint;
	char *kind;
	char *options;
	uint32_t line;	 /* 1-based */
	char *device;	 /* door device; empty: not on these disks */
	char *subvolume; /* btrfs: what its options say; else NULL */
	bool guess;	 /* which disk is meant is known by the disks' order alone */
};

struct facts_initramfs {
	char *path;	   /* empty: none; of a unified kernel: the kernel itself */
	char *kind;	   /* initramfs-tools, dracut, mkinitcpio, ... or unknown */
	char *compression; /* of the last segment */
	uint64_t size_bytes;
	char **modules; /* wanted driver modules it already holds */
	size_t n_modules;
	bool tail_ok;  /* an appended segment will be read */
	bool injected; /* already has our segment */
};

struct facts_driver {
	char *name; /* virtio_blk */
	int state;  /* enum driver_state */
};

struct facts_kernel {
	char *release;
	char *path; /* vmlinuz in the guest */
	char *modules_dir;
	char *arch;
	bool rescue;	    /* a rescue or kdump kernel: left alone */
	bool default_entry; /* what the boot loader starts */
	bool unified;	    /* kernel, initramfs and arguments are one EFI program */
	struct facts_initramfs initramfs;
	struct facts_initramfs *crash; /* kdump's own, at most one */
	size_t n_crash;
	struct facts_driver *drivers;
	size_t n_drivers;
};

/* A place in a guest file that names a piece of hardware. */
struct facts_ref {
	char *path;   /* file in the guest */
	char *inside; /* path is an initramfs, and this the file in it; else NULL */
	uint32_t line;
	char *what;   /* fstab, crypttab, crypt-key, grub-cmdline, device-map, resume, mdadm,
			 lvm-filter,   lvm-devices, card-alias, nic-ethtool, nic-rules-null,
			 cloud-network, ... */
	char *text;   /* the reference as written: /dev/sda5, root=/dev/sda5 */
	char *device; /* door device that it means; empty: none of these disks */
	char *stable; /* what to say instead: UUID=..., root=UUID=...; empty: nothing fits */
};

struct facts_address {
	char *method;  /* static or dhcp */
	char *address; /* 192.0.2.10/24 or IPv6 */
	char *gateway;
};

/* What a configuration looks for in a card, beside its exact name and address. */
struct facts_nic_match {
	char *key;   /* name, path, driver: patterns of what udev says of the card; kernel: the name
			that the kernel gave; pci: its slot (windows); other: what no card here is
			known to have */
	char *value; /* "pci-0000:02:00.*", several with blanks between */
	char *path;  /* file that says so */
	uint32_t line;
	char *text; /* as written: Path=pci-0000:02:00.0; a file's name where that says it (line 0)
		     */
};

/* A network interface that the guest configures. */
struct facts_nic {
	char *name;
	char *kind;    /* ethernet, bond, bridge, vlan, loopback, other (tunnels and such); name: a
			  card's name by its MAC or by the matches */
	char *mac;     /* by which the guest finds the card */
	char *dialect; /* ifupdown, networkd, netplan, networkmanager, ifcfg-rh, ifcfg-suse, ...;
			  of a name: link, rule, netplan, iftab, cmdline */
	char *path;    /* file that says so */
	char *clone_mac; /* that the guest gives the interface itself; else NULL */
	char *primary;	 /* bond: the member that it prefers; else NULL */
	char *mode;	 /* bond: as written; of a link file its NamePolicy; else NULL */
	bool manual;	 /* is not brought up when the guest starts */
	struct facts_nic_match *matches;
	size_t n_matches;
	char **settings; /* of a link: the other lines of its [Link] part */
	size_t n_settings;
	char **members;
	size_t n_members;
	uint32_t vlan_id;
	uint32_t mtu; /* bytes of a frame's content, where it says so; else 0 */
	struct facts_address *addresses;
	size_t n_addresses;
	char **dns; /* windows: name servers */
	size_t n_dns;
	char **wins; /* windows: name servers for NetBIOS */
	size_t n_wins;
	uint32_t netbios; /* windows: over TCP/IP: 0 as DHCP says, 1 on, 2 off */
	char *suffix;	  /* windows: of names in DNS, set for this card; else NULL */
	char **nsi; /* windows: values below Control\\Nsi\\{IPv6} that hold its addresses and routes
		     */
	size_t n_nsi;
};

struct facts_bootloader {
	char *kind; /* grub2, grub-legacy, systemd-boot, extlinux, lilo, elilo, efi-stub, unknown */
	char *firmware; /* bios or uefi */
	char **configs; /* generated files that are read at boot */
	size_t n_configs;
	char **sources; /* files the next regeneration reads: /etc/default/grub */
	size_t n_sources;
	char **programs; /* unified kernels that hold their arguments themselves */
	size_t n_programs;
	char *cmdline;	     /* of the default entry */
	bool serial_console; /* console=ttyS0 is there already */
	char **efi_programs; /* on the EFI system partition, in the guest's paths:
				/boot/efi/EFI/debian/shimx64.efi */
	size_t n_efi_programs;
};

/* Something that belongs to the old hardware and is enabled. */
struct facts_service {
	char *name;
	char *reason;
};

/* A driver that comes with Windows, or one of ours. */
struct facts_windows_driver {
	char *name;	 /* of its service */
	char *set;	 /* ControlSet001 */
	uint32_t start;	 /* 0 boot ... 4 disabled */
	bool overridden; /* StartOverride keeps it from starting where it was not needed */
	bool present;	 /* its file is there */
	char *source; /* it is missing; where it can be had: a copy, or a cabinet (.cab) that holds
			 it; else NULL */
};

/* A driver of a vendor that filters a whole class of devices. */
struct facts_windows_filter {
	char *key;   /* registry key of the class, with the control set */
	char *value; /* UpperFilters or LowerFilters */
	char *name;
};

/* What there is to know of a Windows beside facts_os. Versions: major.minor is that of NT. */
struct facts_windows {
	char *dir;  /* "/Windows" as its file system spells it */
	char *role; /* client, server, domain-controller */
	char *edition;
	uint32_t major, minor, build, revision;
	char *service_pack;
	char *release; /* 22H2 */
	char **sets;   /* control sets that a boot may choose, the one in use first */
	size_t n_sets;
	bool ide_listed;	 /* up to 7: a virtual machine's IDE controller is known at boot */
	bool driver_database;	 /* 8 and later: drivers are found by DriverDatabase */
	bool hibernated;	 /* its memory waits on the disk to be resumed */
	bool fast_startup;	 /* each shutdown is a hibernation */
	bool cluster;		 /* a cluster node */
	bool hyperv;		 /* virtual machines run on it */
	bool test_signing;	 /* its boot configuration says so */
	bool bitlocker;		 /* its volume was encrypted and is unlocked here */
	bool staged;		 /* an earlier conversion left work for its first start */
	bool install_restricted; /* a policy keeps new devices from being installed */
	uint32_t san_policy;	 /* 0: not set */
	uint32_t auto_reboot;	 /* it restarts by itself after a crash; 0: it does not */
	uint32_t heads; /* XP and 2003: of the disk that its boot sector counts on; 0: not known */
	char *hal;    /* XP and 2003: the board that it was installed for, acpiapic_mp; else NULL */
	char **dirty; /* hives that were not written back in full */
	size_t n_dirty;
	char **signing; /* policies that look at who signed a driver, in words */
	size_t n_signing;
	char **damaged; /* hives whose keys are no tree, a sentence each */
	size_t n_damaged;
	char **pending; /* what it has to finish at its next start, in words */
	size_t n_pending;
	char **antivirus;
	size_t n_antivirus;
	struct facts_windows_driver *drivers;
	size_t n_drivers;
	struct facts_windows_filter *filters;
	size_t n_filters;
	char *esp;	  /* door device of the EFI system partition with its loader */
	char *esp_at;	  /* a directory where that can be mounted */
	char *bcd;	  /* boot configuration on that partition, from its root */
	char **bcd_blind; /* keys in it by which an entry shows nothing on the screen */
	size_t n_bcd_blind;
	char *boot_loader; /* bootmgfw.efi, from the partition's root */
	char *removable;   /* what is at the removable path: same, foreign, absent */
	char *removable_path;
};

/* One installed operating system. */
struct facts_os {
	char *root;	      /* door device of its root file system */
	char *root_subvolume; /* btrfs: where on it; empty: the default one */
	char *kind;	      /* linux, windows, ostree, unknown */
	char *id;	      /* os-release ID */
	char *id_like;
	char *version_id;
	char *pretty;
	char *arch;
	char *hostname;
	char *init;	 /* systemd, sysvinit, upstart, openrc, unknown */
	bool udev_links; /* its udev reads .link files */
	bool udev_rules; /* has a generated list of network names (70-persistent-net.rules) */
	bool no_udev;	 /* nothing names cards by their address: mdev, or nothing */
	bool udev_sysfs; /* its rules say SYSFS{}, not ATTR{}: udev before 098 */
	bool udev_once;	 /* .link files leave a card alone that the initramfs renamed: before 241 */
	bool kernel_names; /* no default .link: cards keep the names that the kernel gives */
	bool selinux;
	bool static_etc; /* /etc is links into a store, from which it is made anew: NixOS, Guix */
	char *rtc;	 /* utc or localtime */
	char *machine_id;
	bool console_getty; /* a getty on ttyS0 comes up by itself or is configured */
	char *getty;	    /* the program for one, where it has to be configured; else NULL */
	bool console_root;  /* root may log in there: securetty is not there, or names it */
	char *guest_agent; /* qemu-guest-agent: "installed", "waiting" for the next start (a unit of
			      ours), or the path of its package; else NULL */
	struct facts_mount *mounts;
	size_t n_mounts;
	struct facts_kernel *kernels;
	size_t n_kernels;
	struct facts_bootloader bootloader;
	struct facts_ref *refs;
	size_t n_refs;
	struct facts_nic *nics;
	size_t n_nics;
	struct facts_service *services;
	size_t n_services;
	char **initramfs_config; /* files that steer the next regeneration, present ones */
	size_t n_initramfs_config;
	char **initramfs_modules; /* what these files have each initramfs hold */
	size_t n_initramfs_modules;
	struct facts_windows *windows; /* one where it is Windows, else none */
	size_t n_windows;
};

struct facts {
	uint32_t version; /* 1 */
	struct facts_disk *disks;
	size_t n_disks;
	struct facts_fs *filesystems;
	size_t n_filesystems;
	struct facts_os *systems;
	size_t n_systems;
	char **notes; /* what was seen and left alone, in plain words */
	size_t n_notes;
};

extern const struct p2v_json_type model_facts_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_facts_finish(struct facts *facts);
/* Checks what the types cannot say; decode and load call it. */
int model_facts_validate(const struct facts *facts, struct p2v_err *err);
int model_facts_decode(const void *text, size_t n, struct facts *ret, struct p2v_err *err);
int model_facts_load(const char *path, struct facts *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_facts_save(
	const struct facts *facts, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_facts __attribute__((cleanup(model_facts_finish)))

#endif
