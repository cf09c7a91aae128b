/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * SYSLINUX, EXTLINUX: keywords in any case. LABEL opens an entry; KERNEL or LINUX, INITRD, APPEND
 * follow. APPEND before the first LABEL is for entries that have none of their own; "APPEND -"
 * means none at all. The initramfs may also stand in APPEND: initrd=a,b.
 */

#include <string.h>

#include "converters/boot/args.h"
#include "converters/boot/lines.h"
#include "converters/boot/loaders.h"
#include "converters/boot/menu.h"

static bool find_append(struct p2v_span line, struct p2v_span *ret_args)
{
	struct p2v_span rest = line, word, args;

	if (!p2v_word_next(&rest, &word) || !boot_keyword(word, "append", &args))
		return false;
	*ret_args = rest;
	return !p2v_span_eq(p2v_span_trim(rest), "-");
}

static bool find_kernel(struct p2v_span line, struct p2v_span *ret)
{
	return (boot_keyword(line, "kernel", ret) || boot_keyword(line, "linux", ret)) && ret->n &&
	       !p2v_span_ends(*ret, ".c32");
}

/* initrd=a,b among the arguments. */
static int take_initrds(struct boot_entry *e, struct p2v_span args, struct p2v_err *err)
{
	struct p2v_span word, list;
	int r = 0;

	while (p2v_word_next(&args, &word)) {
		if (!p2v_span_starts(word, "initrd="))
			continue;
		list = p2v_span_skip(word, strlen("initrd="));
		while (r == 0 && list.n)
			r = boot_add_initrds(e, p2v_span_until(list, ',', &list), err);
	}
	return r;
}

struct reader {
	struct boot_menu *menu;
	struct p2v_span label, global;
	struct boot_entry *now; /* of the open label; NULL: it has named no kernel yet */
	bool in_label, has_append;
};

/* An entry without APPEND has the one of all. */
static int end_entry(struct reader *rd, struct p2v_err *err)
{
	int r = 0;

	if (rd->now && !rd->has_append && rd->global.n) {
		r = boot_set(&rd->now->cmdline, rd->global, err);
		if (r == 0)
			r = take_initrds(rd->now, rd->global, err);
	}
	rd->now = NULL;
	rd->has_append = false;
	return r;
}

static int begin_kernel(struct reader *rd, struct p2v_span path, uint32_t n, struct p2v_err *err)
{
	struct p2v_span word;
	int r;

	if (!rd->in_label || rd->now || !p2v_word_next(&path, &word))
		return 0;
	r = boot_menu_add(rd->menu, &rd->now, err);
	if (r < 0)
		return r;
	rd->now->line = n;
	r = boot_set(&rd->now->id, rd->label, err);
	if (r == 0)
		r = boot_set(&rd->now->title, rd->label, err);
	return r == 0 ? boot_set_kernel(rd->now, word, err) : r;
}

static int take_append(struct reader *rd, struct p2v_span args, struct p2v_err *err)
{
	int r;

	if (!rd->in_label) {
		rd->global = args;
		return 0;
	}
	rd->has_append = true;
	if (!rd->now || p2v_span_eq(args, "-"))
		return 0;
	r = boot_set(&rd->now->cmdline, args, err);
	return r == 0 ? take_initrds(rd->now, args, err) : r;
}

static int read_line(struct reader *rd, struct p2v_span line, uint32_t n, struct p2v_err *err)
{
	struct p2v_span rest;

	if (boot_keyword(line, "label", &rest)) {
		rd->label = rest;
		rd->in_label = true;
		return 0;
	}
	if (boot_keyword(line, "default", &rest) && !rd->menu->wanted)
		return boot_set(&rd->menu->wanted, rest, err);
	if (boot_keyword(line, "menu", &rest) && boot_keyword(rest, "default", &rest))
		return boot_set(&rd->menu->wanted, rd->label, err);
	if (find_kernel(line, &rest))
		return begin_kernel(rd, rest, n, err);
	if (boot_keyword(line, "append", &rest))
		return take_append(rd, rest, err);
	if (boot_keyword(line, "initrd", &rest) && rd->now)
		while (rest.n) {
			int r = boot_add_initrds(rd->now, p2v_span_until(rest, ',', &rest), err);

			if (r < 0)
				return r;
		}
	return 0;
}

static int syslinux_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct reader rd = {.menu = menu};
	struct p2v_span line, rest;
	int r = 0;

	(void)path;
	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		if (boot_keyword(line, "label", &rest))
			r = end_entry(&rd, err);
		if (r == 0)
			r = read_line(&rd, p2v_span_trim(line), n, err);
	}
	return r == 0 ? end_entry(&rd, err) : r;
}

/* A label that names a kernel and has no APPEND at all, neither its own nor a common one, is the
 * one thing that is left as it is: nothing would start from it but a kernel with its root built in.
 */
static int syslinux_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	return boot_lines_edit(text, find_append, edit, out, err);
}

const struct boot_format boot_format_syslinux = {.read = syslinux_read, .edit = syslinux_edit};

static const struct boot_file files[] = {
	{"/boot/extlinux/extlinux.conf", &boot_format_syslinux, false},
	{"/boot/extlinux/linux.cfg", &boot_format_syslinux, false},
	{"/boot/extlinux.conf", &boot_format_syslinux, false},
	{"/boot/syslinux/extlinux.conf", &boot_format_syslinux, false},
	{"/boot/syslinux/syslinux.cfg", &boot_format_syslinux, false},
	{"/boot/syslinux.cfg", &boot_format_syslinux, false},
	{"/boot/efi/EFI/syslinux/syslinux.cfg", &boot_format_syslinux, false},
	{NULL, NULL, false},
};

const struct boot_loader boot_syslinux = {.kind = "extlinux", .files = files};
