/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Which boot loader starts the system, with which files, and which kernel by itself. */

#include <string.h>

#include "converters/boot/boot.h"
#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"

/* What is recognised by a file of its own, and edited by no row of boot_loaders yet. */
static const struct {
	const char *path, *kind;
} by_file[] = {
	{"/boot/loader/loader.conf", "systemd-boot"},
	{"/boot/efi/loader/loader.conf", "systemd-boot"},
	{"/boot/extlinux/extlinux.conf", "extlinux"},
	{"/boot/syslinux/syslinux.cfg", "extlinux"},
	{"/boot/grub/menu.lst", "grub-legacy"},
	{"/boot/grub/grub.conf", "grub-legacy"},
	{"/etc/lilo.conf", "lilo"},
};

/* grubenv: "name=value" lines in a block of 1024 bytes. */
static int read_saved(struct inspection *in, const char *config, char **ret)
{
	p2v_autobuf struct p2v_buf path = {0}, text = {0};
	struct p2v_span rest, line, value;
	int r;

	p2v_buf_addf(&path, "%.*s/grubenv", (int)(strrchr(config, '/') - config), config);
	if (path.failed)
		return p2v_buf_check(&path, in->err);
	r = inspect_text(in, (const char *)path.data, INSPECT_OPTIONAL, &text);
	if (r <= 0)
		return r;
	rest = inspect_span(&text);
	while (p2v_line_next(&rest, &line))
		if (p2v_span_eq(p2v_span_until(line, '=', &value), "saved_entry"))
			return inspect_set_span(in, ret, value);
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Paths in a menu may be relative to a /boot of its own: the last part has to do. */
static void mark_default(struct facts_os *os, const struct boot_entry *e)
{
	for (size_t i = 0; i < os->n_kernels; i++) {
		struct facts_kernel *k = &os->kernels[i];

		k->default_entry =
			k->path && *k->path && !strcmp(base_name(k->path), base_name(e->kernel));
	}
}

static bool any_serial(const struct boot_menu *menu)
{
	for (size_t i = 0; i < menu->n_entries; i++)
		if (strstr(menu->entries[i].cmdline, "console=ttyS0"))
			return true;
	return false;
}

static int read_config(struct inspection *in, const struct boot_loader *loader, const char *path)
{
	struct facts_bootloader *b = &in->os->bootloader;
	p2v_autobuf struct p2v_buf text = {0};
	p2v_autofree char *saved = NULL;
	struct boot_menu menu = {0};
	int r = inspect_text(in, path, INSPECT_NEEDED, &text);

	if (r <= 0)
		return r;
	r = read_saved(in, path, &saved);
	if (r == 0)
		r = loader->parse(inspect_span(&text), saved, &menu, in->err);
	if (r < 0)
		return p2v_err_wrap(in->err, r, "%s", path);
	/* A stub that only leads to the real file offers no kernel. */
	if (menu.n_entries) {
		r = inspect_add_str(in, &b->configs, &b->n_configs, path);
		if (r == 0 && !b->kind)
			r = inspect_set(in, &b->kind, loader->kind);
		b->serial_console |= any_serial(&menu);
		if (r == 0 && !b->cmdline && menu.default_entry < menu.n_entries) {
			mark_default(in->os, &menu.entries[menu.default_entry]);
			r = inspect_set(in, &b->cmdline, menu.entries[menu.default_entry].cmdline);
		}
	}
	boot_menu_finish(&menu);
	return r;
}

static int read_loader(struct inspection *in, const struct boot_loader *loader)
{
	struct facts_bootloader *b = &in->os->bootloader;
	int r = 0;

	for (size_t i = 0; r == 0 && loader->configs[i]; i++)
		r = read_config(in, loader, loader->configs[i]);
	if (r < 0 || !b->n_configs)
		return r;
	for (size_t i = 0; r == 0 && loader->sources[i]; i++)
		if (inspect_may_exist(in, loader->sources[i]) &&
			guest_is_file(in->g, loader->sources[i]))
			r = inspect_add_str(in, &b->sources, &b->n_sources, loader->sources[i]);
	return r;
}

static const char *kind_by_file(struct inspection *in)
{
	for (size_t i = 0; i < P2V_N(by_file); i++)
		if (inspect_may_exist(in, by_file[i].path) && guest_is_file(in->g, by_file[i].path))
			return by_file[i].kind;
	return "unknown";
}

/* grub-install leaves the image that it wrote to the disk here. */
static int read_boot_code(struct inspection *in)
{
	bool bios = guest_is_file(in->g, "/boot/grub/i386-pc/core.img") ||
		    guest_is_file(in->g, "/boot/grub2/i386-pc/core.img");
	bool efi = false;
	int r = 0;

	for (size_t i = 0; i < in->os->n_mounts; i++)
		efi |= *in->os->mounts[i].device &&
		       (!strcmp(in->os->mounts[i].mountpoint, "/boot/efi") ||
			       !strcmp(in->os->mounts[i].mountpoint, "/efi"));
	if (bios && in->facts->n_disks)
		r = inspect_set(in, &in->facts->disks[0].boot_code, "grub2");
	return r < 0 ? r
		     : inspect_set(
			       in, &in->os->bootloader.firmware, efi && !bios ? "uefi" : "bios");
}

int inspect_bootloader(struct inspection *in)
{
	struct facts_bootloader *b = &in->os->bootloader;
	int r = 0;

	for (size_t i = 0; r == 0 && !b->kind && boot_loaders[i]; i++)
		r = read_loader(in, boot_loaders[i]);
	if (r == 0 && !b->kind)
		r = inspect_set(in, &b->kind, kind_by_file(in));
	return r == 0 ? read_boot_code(in) : r;
}
