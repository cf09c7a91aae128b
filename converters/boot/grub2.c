/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * GRUB 2. grub.cfg is edited line by line and never made anew: it is the guest's own, with its
 * users, passwords, themes and other systems. Only `linux` commands are touched.
 */

#include "converters/boot/grub2.h"
#include "converters/boot/args.h"
#include "converters/boot/loaders.h"

static const char *const configs[] = {
	"/boot/grub/grub.cfg",
	"/boot/grub2/grub.cfg",
	"/boot/efi/EFI/redhat/grub.cfg",
	"/boot/efi/EFI/centos/grub.cfg",
	NULL,
};
static const char *const sources[] = {"/etc/default/grub", NULL};

bool grub2_linux_line(struct p2v_span line, struct p2v_span *ret_kernel, struct p2v_span *ret_args)
{
	static const char *const commands[] = {
		"linux", "linux16", "linuxefi", "$linux", "${linux}"};
	struct p2v_span rest = line, word, kernel;

	if (!p2v_word_next(&rest, &word))
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!p2v_span_eq(word, commands[i]))
			continue;
		if (!p2v_word_next(&rest, &kernel))
			return false;
		*ret_kernel = kernel;
		*ret_args = rest;
		return true;
	}
	return false;
}

static int edit_config(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	struct p2v_span line, kernel, args;

	for (const char *end = text.p + text.n; p2v_line_next(&text, &line);) {
		if (grub2_linux_line(line, &kernel, &args)) {
			p2v_buf_add(out, line.p, (size_t)(kernel.p + kernel.n - line.p));
			if (args.n == 0 && edit->n_add)
				p2v_buf_add_str(out, " ");
			boot_args_edit(args, edit, out);
		} else {
			p2v_buf_add(out, line.p, line.n);
		}
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}

const struct boot_loader boot_grub2 = {
	.kind = "grub2",
	.configs = configs,
	.sources = sources,
	.parse = grub2_menu_parse,
	.edit_config = edit_config,
	.edit_source = grub2_source_edit,
};
