/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Which boot loader starts the system, with which files, and which kernel by itself. */

#include <string.h>
#include <strings.h>

#include "converters/boot/args.h"
#include "converters/boot/boot.h"
#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"

/* What is recognised by a file of its own, and is edited by no row of boot_loaders. */
static const struct {
	const char *path, *kind;
} by_file[] = {
	{"/etc/lilo.conf", "lilo"},
	{"/etc/elilo.conf", "elilo"},
};

/* Some file is without the console that a virtual machine has. */
static bool lacks_serial(const struct boot_format *format, struct p2v_span text)
{
	static const char *const serial[] = {"console=ttyS0"};
	static const struct boot_edit add = {.add = serial, .n_add = 1};

	return boot_format_would_change(format, text, &add);
}

/* An edit that no text has done yet changes what holds command lines, and nothing else. */
static bool has_arguments(const struct boot_format *format, struct p2v_span text)
{
	static const char *const words[] = {"p2v.not.there"};
	static const struct boot_edit add = {.add = words, .n_add = 1};

	return boot_format_would_change(format, text, &add);
}

struct reading {
	const struct boot_file *file;
	struct boot_menu *menu;
	struct inspect_paths configs, sources; /* those with command lines in them */
	bool lacks_serial;
};

/* EFI programs are large; their head says all. */
static int read_text(
	struct inspection *in, const struct boot_file *file, const char *path, struct p2v_buf *text)
{
	struct p2v_err why = {0};
	int r;

	if (!file->format->binary)
		return inspect_text(
			in, path, file->source ? INSPECT_OPTIONAL : INSPECT_NEEDED, text);
	r = guest_read_start(in->g, path, BOOT_UNIFIED_BYTES, text, &why);
	if (r == P2V_EFORMAT || r == P2V_ENOTFOUND)
		return 0;
	return r < 0 ? p2v_err_set(in->err, r, "%s", why.text) : 1;
}

static int read_file(struct inspection *in, struct reading *rd, const char *path)
{
	const struct boot_format *format = rd->file->format;
	struct inspect_paths *to = rd->file->source ? &rd->sources : &rd->configs;
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span s;
	int r = read_text(in, rd->file, path, &text);

	if (r <= 0)
		return r;
	s = inspect_span(&text);
	r = format->read ? format->read(s, path, rd->menu, in->err) : 0;
	if (r < 0)
		return p2v_err_wrap(in->err, r, "%s", path);
	if (!has_arguments(format, s))
		return 0;
	rd->lacks_serial |= lacks_serial(format, s);
	return inspect_add_str(in, &to->items, &to->n_items, path);
}

/* grub.conf is often a link to menu.lst: the file itself is in the table, too. */
static bool is_other_name(struct inspection *in, const struct boot_loader *loader, const char *path)
{
	p2v_autofree char *target = NULL;
	p2v_autofree char *real = NULL;

	return guest_read_link(in->g, path, &target, NULL) == 0 &&
	       guest_real_path(in->g, path, &real, NULL) == 0 && boot_loader_format(loader, real);
}

/* grub.cfg beside entry files that it does not use: they are some other loader's. */
static int read_pattern(struct inspection *in, const struct boot_loader *loader, struct reading *rd)
{
	struct inspect_paths paths = {0};
	int r;

	if (rd->file->format == &boot_format_bls && !rd->menu->wants_files)
		return 0;
	r = inspect_glob(in, rd->file->pattern, &paths);
	for (size_t i = 0; r == 0 && i < paths.n_items; i++)
		if (!is_other_name(in, loader, paths.items[i]))
			r = read_file(in, rd, paths.items[i]);
	inspect_paths_finish(&paths);
	return r;
}

/* Of an entry whose arguments are in no file that is text or can be changed. */
static int take_arguments(struct inspection *in, const struct boot_loader *loader,
	const struct boot_entry *e, struct reading *rd)
{
	struct facts_bootloader *b = &in->os->bootloader;
	int r;

	if (loader->sealed)
		return inspect_refs_entry(in, "sealed", loader->files[0].pattern, e->cmdline);
	if (!e->unified || !*e->cmdline)
		return 0;
	rd->lacks_serial |= !boot_args_have(p2v_span_str(e->cmdline), "console=ttyS0");
	r = inspect_add_str(in, &b->programs, &b->n_programs, e->kernel);
	return r < 0 ? r : inspect_refs_entry(in, "unified", e->kernel, e->cmdline);
}

static int take_files(
	struct inspection *in, const struct inspect_paths *from, char ***to, size_t *n_to)
{
	const size_t n_before = *n_to;
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->n_items; i++) {
		bool known = false;

		for (size_t k = 0; k < n_before; k++)
			known |= strcmp((*to)[k], from->items[i]) == 0;
		if (!known)
			r = inspect_add_str(in, to, n_to, from->items[i]);
	}
	return r;
}

/* What it offers becomes facts; a loader that offers no kernel is not the one. Of a second one all
 * but its name: which of the two the firmware starts is not on the disk. */
static int take(struct inspection *in, const struct boot_loader *loader, struct reading *rd)
{
	struct facts_bootloader *b = &in->os->bootloader;
	struct boot_menu *menu = rd->menu;
	int r = boot_menu_settle(menu, in->err);

	if (r < 0 || !menu->n_entries)
		return r;
	r = take_files(in, &rd->configs, &b->configs, &b->n_configs);
	if (r == 0)
		r = take_files(in, &rd->sources, &b->sources, &b->n_sources);
	if (r == 0)
		r = inspect_entries(in, menu);
	for (size_t i = 0; r == 0 && i < menu->n_entries; i++)
		r = take_arguments(in, loader, &menu->entries[i], rd);
	b->serial_console = (!b->kind || b->serial_console) && !rd->lacks_serial &&
			    (b->n_configs || b->n_programs);
	if (r == 0 && !b->kind && menu->default_entry < menu->n_entries)
		r = inspect_set(in, &b->cmdline, menu->entries[menu->default_entry].cmdline);
	return r == 0 && !b->kind ? inspect_set(in, &b->kind, loader->kind) : r;
}

static int read_loader(struct inspection *in, const struct boot_loader *loader)
{
	struct boot_menu menu = {0};
	struct reading rd = {.menu = &menu};
	int r = 0;

	for (rd.file = loader->files; r == 0 && rd.file->pattern; rd.file++)
		r = read_pattern(in, loader, &rd);
	if (r == 0)
		r = take(in, loader, &rd);
	inspect_paths_finish(&rd.configs);
	inspect_paths_finish(&rd.sources);
	boot_menu_finish(&menu);
	return r;
}

/* A kernel as a program of the firmware: a file of that name beside the vendors' loaders. */
static bool is_efi_stub(const struct facts_bootloader *b)
{
	for (size_t i = 0; i < b->n_efi_programs; i++) {
		const char *name = strrchr(b->efi_programs[i], '/') + 1;

		if (strncasecmp(name, "vmlinuz", 7) == 0 || strncasecmp(name, "linux", 5) == 0 ||
			strncasecmp(name, "bzImage", 7) == 0)
			return true;
	}
	return false;
}

static const char *kind_by_file(struct inspection *in)
{
	if (is_efi_stub(&in->os->bootloader))
		return "efi-stub";
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
	bool efi = in->os->bootloader.n_efi_programs > 0;
	size_t disk = 0;
	int r = 0;

	for (size_t i = 0; i < in->os->n_mounts; i++)
		efi |= *in->os->mounts[i].device &&
		       (!strcmp(in->os->mounts[i].mountpoint, "/boot/efi") ||
			       !strcmp(in->os->mounts[i].mountpoint, "/efi"));
	while (disk < in->facts->n_disks && !strcmp(in->facts->disks[disk].boot_code, "none"))
		disk++;
	if (bios && disk < in->facts->n_disks)
		r = inspect_set(in, &in->facts->disks[disk].boot_code, "grub2");
	return r < 0 ? r
		     : inspect_set(
			       in, &in->os->bootloader.firmware, efi && !bios ? "uefi" : "bios");
}

/* The firmware's own directory of programs, one folder a vendor. */
static int read_efi_programs(struct inspection *in)
{
	static const char *const patterns[] = {
		"/boot/efi/EFI/*/*", "/efi/EFI/*/*", "/boot/EFI/*/*"};
	struct facts_bootloader *b = &in->os->bootloader;
	struct inspect_paths paths = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && !paths.n_items && i < P2V_N(patterns); i++)
		r = inspect_glob(in, patterns[i], &paths);
	for (size_t i = 0; r == 0 && i < paths.n_items; i++) {
		size_t n = strlen(paths.items[i]);

		if (n > 4 && strcasecmp(paths.items[i] + n - 4, ".efi") == 0)
			r = inspect_add_str(
				in, &b->efi_programs, &b->n_efi_programs, paths.items[i]);
	}
	inspect_paths_finish(&paths);
	return r;
}

int inspect_bootloader(struct inspection *in)
{
	struct facts_bootloader *b = &in->os->bootloader;
	int r = read_efi_programs(in);

	for (size_t i = 0; r == 0 && boot_loaders[i]; i++)
		if (!b->kind || boot_loaders[i]->beside)
			r = read_loader(in, boot_loaders[i]);
	if (r == 0 && !b->kind)
		r = inspect_set(in, &b->kind, kind_by_file(in));
	return r == 0 ? read_boot_code(in) : r;
}
