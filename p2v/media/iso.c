/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The image: ISO 9660 with El Torito for BIOS (GRUB's core as a file) and for UEFI (a small FAT),
 * and a partition table in front, so that the same bytes start from a USB stick. See xorrisofs(1),
 * "-b", "-e" and "--grub2-mbr".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/media/parts.h"

#define VOLUME	  "P2V"
#define FAT_ID	  "50325601"
#define MENU_WAIT 5

/* GRUB finds the medium by this file. */
#define MARK	     ".disk/p2v"

#define BIOS_MODULES "biosdisk"
#define COMMON_MODULES                                                                             \
	"iso9660", "fat", "part_msdos", "part_gpt", "linux", "normal", "configfile", "search",     \
		"search_fs_file", "serial", "terminal", "echo", "test", "ls", "cat", "reboot",     \
		"halt", "minicmd", "chain", "loopback", "sleep", "true"

static const char early[] = "search --no-floppy --file --set=root /" MARK "\n"
			    "set prefix=($root)/boot/grub\n"
			    "configfile /boot/grub/grub.cfg\n";

static int text_write(
	const struct media_build *b, const char *path, const char *text, struct p2v_err *err)
{
	p2v_autofree char *full = p2v_path_join(b->work, path);

	return full ? media_file_write(b, full, text, strlen(text), err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static void menu_entry(struct p2v_buf *out, const char *title, const char *words)
{
	p2v_buf_addf(out,
		"menuentry '%s' {\n\techo 'Loading...'\n\tlinux /boot/vmlinuz %s %s\n"
		"\tinitrd /boot/initrd.img /boot/config.img\n}\n",
		title, media_kernel_words(), words);
}

static int menu_write(const struct media_build *b, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	int r;

	p2v_buf_addf(&out,
		"set timeout=%d\nset default=0\n"
		"if serial --unit=0 --speed=115200; then\n"
		"\tterminal_input console serial\n\tterminal_output console serial\nfi\n",
		MENU_WAIT);
	menu_entry(&out, "p2v: copy this machine", "");
	menu_entry(&out, "p2v: ask before anything is sent", "p2v.start=ask");
	menu_entry(&out, "p2v: console on the second serial port", "console=ttyS1,115200n8");
	menu_entry(&out, "p2v: show what the kernel says", "loglevel=7 ignore_loglevel");
	p2v_buf_add_str(&out, "menuentry 'Start from the first disk' {\n\tset root=(hd0)\n"
			      "\tchainloader +1\n}\nmenuentry 'Reboot' {\n\treboot\n}\n");
	r = p2v_buf_check(&out, err);
	return r < 0 ? r : text_write(b, "iso/boot/grub/grub.cfg", (char *)out.data, err);
}

/* GRUB as one file with all that it needs. */
static int grub_make(const struct media_build *b, const char *format, const char *folder,
	const char *first_module, const char *to, struct p2v_err *err)
{
	p2v_autofree char *modules = p2v_path_join(b->tree, folder);
	p2v_autofree char *config = p2v_path_join(b->work, "early.cfg");
	p2v_autofree char *out = p2v_path_join(b->work, to);
	const char *const argv[] = {"grub-mkimage", "-O", format, "-d", modules, "-c", config, "-p",
		"/boot/grub", "-o", out, first_module, COMMON_MODULES, NULL};

	return modules && config && out ? media_tool_run(b, argv, err)
					: p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* ---- UEFI ---- */

static int efi_file_add(const struct media_build *b, const char *image, const char *from,
	const char *name, struct p2v_err *err)
{
	p2v_autofree char *to = p2v_strf("::/EFI/boot/%s", name);
	const char *const argv[] = {"mcopy", "-i", image, "-m", from, to, NULL};

	return to ? media_tool_run(b, argv, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* A copy with the time that all files have. */
static int efi_tree_file_add(const struct media_build *b, const char *image, const char *path,
	const char *name, struct p2v_err *err)
{
	p2v_autofree char *from = p2v_path_join(b->tree, path);
	p2v_autofree char *copy = p2v_strf("%s/efi/%s", b->work, name);
	int r = from && copy ? media_file_copy(b, from, copy, err)
			     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	return r < 0 ? r : efi_file_add(b, image, copy, name, err);
}

static int efi_own_grub(const struct media_build *b, const char *image, struct p2v_err *err)
{
	p2v_autofree char *made = p2v_path_join(b->work, "bootia32.raw");
	p2v_autofree char *copy = p2v_path_join(b->work, "efi/BOOTIA32.EFI");
	int r = grub_make(b, "i386-efi", "usr/lib/grub/i386-efi", "all_video", "bootia32.raw", err);

	if (r == 0)
		r = made && copy ? media_file_copy(b, made, copy, err)
				 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return r < 0 ? r : efi_file_add(b, image, copy, "BOOTIA32.EFI", err);
}

static int efi_make(const struct media_build *b, struct p2v_err *err)
{
	p2v_autofree char *image = p2v_path_join(b->work, "iso/efi.img");
	const char *const format[] = {"mformat", "-i", image, "-C", "-T", "24576", "-h", "16", "-s",
		"32", "-N", FAT_ID, "-v", VOLUME, "::", NULL};
	const char *const folders[] = {"mmd", "-i", image, "::/EFI", "::/EFI/boot", NULL};
	int r = image ? media_tool_run(b, format, err)
		      : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		r = media_tool_run(b, folders, err);
	if (r == 0)
		r = efi_own_grub(b, image, err);
	for (const char *const *f = b->arch->efi_files; r == 0 && *f; f += 2)
		r = efi_tree_file_add(b, image, f[1], f[0], err);
	return r;
}

/* ---- all of it ---- */

static int boot_files_place(const struct media_build *b, struct p2v_err *err)
{
	static const char *const names[] = {"vmlinuz", "initrd.img", "config.img"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(names); i++) {
		p2v_autofree char *from = p2v_path_join(b->boot, names[i]);
		p2v_autofree char *to = p2v_strf("%s/iso/boot/%s", b->work, names[i]);

		r = from && to ? media_file_copy(b, from, to, err)
			       : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return r;
}

static int tree_make(const struct media_build *b, struct p2v_err *err)
{
	int r = boot_files_place(b, err);

	if (r == 0)
		r = text_write(b, "iso/" MARK, "p2v\n", err);
	/* Debian's signed GRUB for CDs looks for this file and for this menu. */
	if (r == 0)
		r = text_write(b, "iso/.disk/info", "p2v boot medium\n", err);
	if (r == 0)
		r = text_write(b, "iso/boot/grub/x86_64-efi/grub.cfg",
			"search --no-floppy --file --set=root /" MARK "\n"
			"source ($root)/boot/grub/grub.cfg\n",
			err);
	if (r == 0)
		r = text_write(b, "early.cfg", early, err);
	if (r == 0)
		r = menu_write(b, err);
	if (r == 0)
		r = grub_make(b, "i386-pc-eltorito", "usr/lib/grub/i386-pc", BIOS_MODULES,
			"iso/boot/grub/eltorito.img", err);
	return r < 0 ? r : efi_make(b, err);
}

static int image_write(const struct media_build *b, const char *to, struct p2v_err *err)
{
	p2v_autofree char *iso = p2v_path_join(b->work, "iso");
	p2v_autofree char *mbr = p2v_path_join(b->tree, "usr/lib/grub/i386-pc/boot_hybrid.img");
	char date[32];
	const time_t epoch = (time_t)b->spec->epoch;
	struct tm tm;
	const char *const argv[] = {"xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", VOLUME, "-o",
		to, "-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4",
		"-boot-info-table", "--grub2-boot-info", "--grub2-mbr", mbr,
		"--protective-msdos-label", "--efi-boot", "efi.img", "-efi-boot-part",
		"--efi-boot-image", "--set_all_file_dates", date, iso, NULL};

	if (!gmtime_r(&epoch, &tm) || !strftime(date, sizeof(date), "%Y%m%d%H%M%S00", &tm))
		return p2v_err_set(err, P2V_EINVAL, "the time of the build is out of range");
	return iso && mbr ? media_tool_run(b, argv, err)
			  : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int media_iso_write(struct media_build *b, const char *path, struct p2v_err *err)
{
	p2v_autofree char *made = p2v_path_join(b->work, "p2v.iso");
	int r = made ? tree_make(b, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	p2v_progress_start(b->progress, "writing the image", "steps", 0);
	if (r == 0)
		r = image_write(b, made, err);
	return r < 0 ? r : media_file_copy(b, made, path, err);
}

/* Found out before minutes of work. */
static int place_check(const char *path, struct p2v_err *err)
{
	p2v_autofree char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	struct stat st;

	if (!slash)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	/* That of "/p2v.iso" is "/". */
	slash[slash == dir] = '\0';
	if (access(dir, W_OK) < 0)
		return p2v_err_errno(err, errno, "%s", dir);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return p2v_err_set(
			err, P2V_EINVAL, "%s is a directory: name the image's file", path);
	return 0;
}

int media_iso_build(const struct media_spec *spec, const char *path, struct p2v_progress *progress,
	struct p2v_err *err)
{
	media_autobuild struct media_build b = {0};
	p2v_autofree char *whole = strchr(path, '/') ? strdup(path) : p2v_strf("./%s", path);
	int r = whole ? media_spec_check(spec, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		r = place_check(whole, err);
	if (r == 0)
		r = media_build_begin(spec, progress, &b, err);
	if (r == 0)
		r = media_boot_files_make(&b, err);
	if (r == 0)
		r = media_iso_write(&b, whole, err);
	return r;
}
