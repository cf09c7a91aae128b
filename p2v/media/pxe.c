/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The same system from the network: three files for the server, and how each loader names them. */
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/media/parts.h"

/* %s: the kernel's words. */
static const struct {
	const char *path, *before, *after;
} examples[] = {
	{"pxelinux.cfg.example",
		"# pxelinux.cfg/default. config.img holds the key: give it to nobody else.\n"
		"DEFAULT p2v\nPROMPT 0\nLABEL p2v\n  KERNEL vmlinuz\n"
		"  INITRD initrd.img,config.img\n  APPEND ",
		"\n"},
	/* Without a timeout GRUB's menu waits for somebody. */
	{"grub.cfg.example",
		"set timeout=5\nset default=0\nmenuentry 'p2v: copy this machine' {\n"
		"\tlinux /vmlinuz ",
		"\n\tinitrd /initrd.img /config.img\n}\n"},
	{"p2v.ipxe.example",
		"#!ipxe\n# By https the key does not cross the network in the clear.\n"
		"kernel vmlinuz initrd=initrd.img initrd=config.img ",
		"\ninitrd initrd.img\ninitrd config.img\nboot\n"},
};

static int file_place(
	const struct media_build *b, const char *name, const char *dir, struct p2v_err *err)
{
	p2v_autofree char *from = p2v_path_join(b->boot, name), *to = p2v_path_join(dir, name);

	return from && to ? media_file_copy(b, from, to, err)
			  : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int examples_write(const struct media_build *b, const char *dir, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(examples); i++) {
		p2v_autofree char *path = p2v_path_join(dir, examples[i].path);
		p2v_autofree char *text = p2v_strf(
			"%s%s%s", examples[i].before, media_kernel_words(), examples[i].after);

		r = path && text ? media_file_write(b, path, text, strlen(text), err)
				 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return r;
}

int media_pxe_build(const struct media_spec *spec, const char *dir, struct p2v_progress *progress,
	struct p2v_err *err)
{
	static const char *const names[] = {"vmlinuz", "initrd.img", "config.img"};
	media_autobuild struct media_build b = {0};
	p2v_autofree char *whole = strchr(dir, '/') ? strdup(dir) : p2v_strf("./%s", dir);
	int r = whole ? media_spec_check(spec, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		r = p2v_dir_make(whole, 0755, err);
	if (r == 0)
		r = media_build_begin(spec, progress, &b, err);
	if (r == 0)
		r = media_boot_files_make(&b, err);
	for (size_t i = 0; r == 0 && i < P2V_N(names); i++)
		r = file_place(&b, names[i], whole, err);
	return r < 0 ? r : examples_write(&b, whole, err);
}
