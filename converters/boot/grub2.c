/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * GRUB 2. grub.cfg is edited line by line and never made anew: it is the guest's own, with its
 * users, passwords, themes and other systems. Only `linux` commands are touched.
 *
 * Red Hat's family since Fedora 30: grub.cfg says blscfg, and the menu is made of entry files,
 * whose `options` may be no more than $kernelopts, which grubenv holds.
 */

#include "converters/boot/loaders.h"

static const struct boot_file files[] = {
	{"/boot/grub/grubenv", &boot_format_grubenv, false},
	{"/boot/grub2/grubenv", &boot_format_grubenv, false},
	{"/boot/efi/EFI/*/grubenv", &boot_format_grubenv, false},
	{"/boot/grub/grub.cfg", &boot_format_grub_cfg, false},
	{"/boot/grub2/grub.cfg", &boot_format_grub_cfg, false},
	{"/boot/efi/EFI/*/grub.cfg", &boot_format_grub_cfg, false},
	{"/efi/EFI/*/grub.cfg", &boot_format_grub_cfg, false},
	{"/boot/grub/custom.cfg", &boot_format_grub_custom, false},
	{"/boot/grub2/custom.cfg", &boot_format_grub_custom, false},
	{"/boot/efi/EFI/*/custom.cfg", &boot_format_grub_custom, false},
	{"/boot/loader/entries/*.conf", &boot_format_bls, false},
	{"/etc/default/grub", &boot_format_grub_default, true},
	{"/etc/grub.d/[0-9]*", &boot_format_grub_script, true},
	{"/etc/kernel/cmdline", &boot_format_kernel_cmdline, true},
	{NULL, NULL, false},
};

const struct boot_loader boot_grub2 = {.kind = "grub2", .files = files};
