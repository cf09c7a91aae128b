/* SPDX-License-Identifier: GPL-3.0-or-later */

/* How sure we are: A where all parts together are one row of what the tests boot. */

#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

/*
 * What the end-to-end tests boot: all parts of one row, and nothing else. root: the file system,
 * and before it what it lies in: "ext4" on a partition, "lvm/xfs", "md/ext4", "luks/ext4".
 */
static const struct {
	const char *arch, *init, *loader, *firmware, *initramfs, *network, *root;
} proven[] = {
	{"x86_64", "systemd", "grub2", "bios", "initramfs-tools", "ifupdown", "ext4"},
	{"x86_64", "systemd", "grub2", "bios", "initramfs-tools", "ifupdown", "md/ext4"},
	{"x86_64", "systemd", "grub2", "bios", "initramfs-tools", "ifupdown", "lvm/ext4"},
	{"x86_64", "systemd", "grub2", "bios", "initramfs-tools", "netplan", "ext4"},
	{"x86_64", "systemd", "grub2", "bios", "initramfs-tools", "networkd", "luks/ext4"},
	{"x86_64", "systemd", "grub2", "uefi", "initramfs-tools", "ifupdown", "ext4"},
	{"x86_64", "systemd", "grub2", "uefi", "initramfs-tools", "networkd", "xfs"},
	{"x86_64", "systemd", "grub2", "uefi", "initramfs-tools", "networkd", "lvm/ext4"},
	{"x86_64", "sysvinit", "grub2", "bios", "initramfs-tools", "ifupdown", "ext4"},
	{"x86_64", "openrc", "grub2", "uefi", "initramfs-tools", "ifupdown", "ext4"},
	{"x86_64", "systemd", "grub2", "uefi", "initramfs-tools", "networkmanager", "btrfs"},
	{"x86_64", "systemd", "systemd-boot", "uefi", "initramfs-tools", "networkd", "btrfs"},
	{"x86_64", "systemd", "systemd-boot", "uefi", "unified/initramfs-tools", "networkd",
		"ext4"},
	{"x86_64", "systemd", "grub2", "bios", "dracut", "networkmanager", "xfs"},
	{"x86_64", "systemd", "grub2", "bios", "dracut", "networkmanager", "lvm/xfs"},
	{"x86_64", "systemd", "grub2", "bios", "dracut", "networkmanager", "luks/xfs"},
	{"x86_64", "systemd", "grub2", "bios", "dracut", "networkd", "lvm/ext4"},
	{"x86_64", "systemd", "grub2", "bios", "dracut", "networkd", "btrfs"},
	{"x86_64", "systemd", "grub2", "uefi", "dracut", "networkmanager", "lvm/xfs"},
	{"x86_64", "systemd", "grub-legacy", "bios", "initramfs-tools", "ifupdown", "ext4"},
	{"i686", "systemd", "grub2", "bios", "initramfs-tools", "ifupdown", "lvm/ext4"},
	{"i686", "systemd", "extlinux", "bios", "initramfs-tools", "ifupdown", "ext3"},
};

/* "unified/dracut": of some, kernel and initramfs are one EFI program; beside them may be what they
 * are made of. */
static bool all_initramfs(const struct facts_os *os, const char *kind)
{
	static const char in_one[] = "unified/";
	const bool wanted = strncmp(kind, in_one, strlen(in_one)) == 0;
	bool unified = false;

	kind += wanted ? strlen(in_one) : 0;
	for (size_t i = 0; i < os->n_kernels; i++) {
		const struct facts_kernel *k = &os->kernels[i];

		if (plan_is_kernel(k) && !plan_is(k->initramfs.kind, kind))
			return false;
		unified |= plan_is_kernel(k) && k->unified;
	}
	return unified == wanted;
}

static bool all_network(const struct facts_os *os, const char *dialect)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (!plan_is(os->nics[i].dialect, dialect) && !plan_is(os->nics[i].kind, "name"))
			return false;
	return true;
}

/* The same words for this system's root. */
static bool root_is(const struct planning *p, const char *words)
{
	char have[64] = "";

	for (size_t i = 0; i < p->facts->n_filesystems; i++) {
		const struct facts_fs *f = &p->facts->filesystems[i];

		if (plan_is(f->device, p->os->root))
			snprintf(have, sizeof(have), "%s%.40s",
				f->part		? ""
				: f->array_uuid ? "md/"
				: f->parent	? "luks/"
						: "lvm/",
				plan_text(f->kind));
	}
	return plan_is(have, words);
}

void plan_grade(struct planning *p)
{
	const struct facts_os *os = p->os;

	p->plan->grade = p->plan->n_blockers ? GRADE_COPIED : GRADE_GENERIC;
	if (!p->virtio_disk || !p->virtio_net || p->plan->n_warnings > p->n_told ||
		p->plan->n_blockers)
		return;
	for (size_t i = 0; i < P2V_N(proven); i++)
		if (plan_is(os->arch, proven[i].arch) && plan_is(os->init, proven[i].init) &&
			plan_is(os->bootloader.kind, proven[i].loader) &&
			plan_is(p->plan->firmware, proven[i].firmware) &&
			all_initramfs(os, proven[i].initramfs) &&
			all_network(os, proven[i].network) && root_is(p, proven[i].root))
			p->plan->grade = GRADE_PROVEN;
}
