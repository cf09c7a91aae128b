/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * GRUB legacy (0.9x): menu.lst or grub.conf. "title" opens an entry, "kernel" and "initrd" follow;
 * "default N" counts titles from 0. Debian's update-grub makes its entries from the comment
 * "# kopt=", so this one comment is edited too.
 */

#include <string.h>

#include "converters/boot/lines.h"
#include "converters/boot/loaders.h"
#include "converters/boot/menu.h"

#define KOPT "# kopt="

/* "kernel (hd0,0)/vmlinuz args", with options such as --no-mem-option before the path. */
static bool find_kernel(
	struct p2v_span line, struct p2v_span *ret_kernel, struct p2v_span *ret_args)
{
	struct p2v_span rest = line, word;

	if (!p2v_word_next(&rest, &word) || !p2v_span_eq(word, "kernel"))
		return false;
	while (p2v_word_next(&rest, &word))
		if (!p2v_span_starts(word, "--")) {
			*ret_kernel = word;
			*ret_args = rest;
			return true;
		}
	return false;
}

static bool find_args(struct p2v_span line, struct p2v_span *ret_args)
{
	struct p2v_span kernel;

	if (p2v_span_starts(line, KOPT)) {
		*ret_args = p2v_span_skip(line, strlen(KOPT));
		return true;
	}
	/* memtest, Xen and the like take no arguments of Linux. */
	return find_kernel(line, &kernel, ret_args) && !memmem(kernel.p, kernel.n, "memtest", 7) &&
	       !memmem(kernel.p, kernel.n, "/xen", 4);
}

struct reader {
	struct boot_menu *menu;
	struct p2v_span title;
	size_t titles, default_title; /* number of titles so far; the one that starts */
};

static int add_entry(struct reader *rd, struct p2v_span line, uint32_t number, struct p2v_err *err)
{
	struct p2v_span kernel, args;
	struct boot_entry *e;
	int r;

	if (!find_kernel(line, &kernel, &args))
		return 0;
	r = boot_menu_add(rd->menu, &e, err);
	if (r < 0)
		return r;
	e->line = number;
	if (rd->titles == rd->default_title + 1 && !rd->menu->settled) {
		rd->menu->default_entry = rd->menu->n_entries - 1;
		rd->menu->settled = true;
	}
	r = boot_set(&e->title, rd->title, err);
	if (r == 0)
		r = boot_set_kernel(e, kernel, err);
	return r == 0 ? boot_set_args(e, args, err) : r;
}

/* The keywords may be followed by '=' as well as by a blank. */
static bool is_default(struct p2v_span line, uint64_t *ret)
{
	struct p2v_span value = {0};

	if (!boot_keyword(line, "default", &value)) {
		if (!p2v_span_starts(line, "default="))
			return false;
		value = p2v_span_trim(p2v_span_skip(line, strlen("default=")));
	}
	return p2v_span_u64(value, BOOT_MAX_ENTRIES, ret);
}

static int menu_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct reader rd = {.menu = menu};
	struct p2v_span line, rest;
	uint64_t number;
	int r = 0;

	(void)path;
	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		if (is_default(line, &number)) {
			rd.default_title = (size_t)number;
		} else if (boot_keyword(line, "title", &rest)) {
			rd.title = rest;
			rd.titles++;
		} else if (boot_keyword(line, "initrd", &rest) && menu->n_entries) {
			r = boot_add_initrds(&menu->entries[menu->n_entries - 1], rest, err);
		} else {
			r = add_entry(&rd, line, n, err);
		}
	}
	return r;
}

static int menu_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	return boot_lines_edit_grub(text, find_args, edit, out, err);
}

const struct boot_format boot_format_menu_lst = {.read = menu_read, .edit = menu_edit};

static const struct boot_file files[] = {
	{"/boot/grub/menu.lst", &boot_format_menu_lst, false},
	{"/boot/grub/grub.conf", &boot_format_menu_lst, false},
	{"/boot/efi/EFI/redhat/grub.conf", &boot_format_menu_lst, false},
	{"/boot/efi/EFI/BOOT/BOOTX64.conf", &boot_format_menu_lst, false},
	{NULL, NULL, false},
};

const struct boot_loader boot_grub_legacy = {.kind = "grub-legacy", .files = files};
