/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * systemd-boot, and unified kernels that need no loader: entry files and programs on the EFI system
 * partition or on the extended boot
 * partition (/boot beside /efi). loader.conf names the default, as a pattern of entry names.
 */

#include "converters/boot/loaders.h"
#include "converters/boot/menu.h"

static int loader_conf_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct p2v_span line, value;
	int r = 0;

	(void)path;
	menu->wants_files = true;
	while (r == 0 && p2v_line_next(&text, &line))
		/* "@saved" asks a variable of the firmware, which the disks do not hold. */
		if (boot_keyword(line, "default", &value) && !p2v_span_starts(value, "@"))
			r = boot_set(&menu->wanted, value, err);
	return r;
}

const struct boot_format boot_format_loader_conf = {.read = loader_conf_read};

/* The loader itself: it needs no loader.conf. */
static int loader_read(
	struct p2v_span head, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	(void)head;
	(void)path;
	(void)err;
	menu->wants_files = true;
	return 0;
}

static const struct boot_format loader_program = {.read = loader_read, .binary = true};

static const struct boot_file files[] = {
	{"/boot/EFI/*/*.[eE][fF][iI]", &boot_format_program, false},
	{"/efi/EFI/*/*.[eE][fF][iI]", &boot_format_program, false},
	{"/boot/efi/EFI/*/*.[eE][fF][iI]", &boot_format_program, false},
	{"/boot/EFI/systemd/systemd-boot*.efi", &loader_program, false},
	{"/efi/EFI/systemd/systemd-boot*.efi", &loader_program, false},
	{"/boot/efi/EFI/systemd/systemd-boot*.efi", &loader_program, false},
	{"/boot/loader/loader.conf", &boot_format_loader_conf, false},
	{"/efi/loader/loader.conf", &boot_format_loader_conf, false},
	{"/boot/efi/loader/loader.conf", &boot_format_loader_conf, false},
	{"/boot/loader/entries/*.conf", &boot_format_bls, false},
	{"/efi/loader/entries/*.conf", &boot_format_bls, false},
	{"/boot/efi/loader/entries/*.conf", &boot_format_bls, false},
	{"/boot/EFI/Linux/*.efi", &boot_format_unified, false},
	{"/efi/EFI/Linux/*.efi", &boot_format_unified, false},
	{"/boot/efi/EFI/Linux/*.efi", &boot_format_unified, false},
	{"/etc/kernel/cmdline", &boot_format_kernel_cmdline, true},
	{NULL, NULL, false},
};

/* Where it was installed later, what is left of GRUB is there, too. */
const struct boot_loader boot_systemd_boot = {
	.kind = "systemd-boot", .files = files, .beside = true};
