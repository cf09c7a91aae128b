/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A boot loader's files. The first byte chooses the format. Whatever the bytes: an edit done twice
 * is an edit done once, and one that finds nothing to do changes not a byte. */
#include "fuzz.h"

#include <stdlib.h>

#include "converters/boot/boot.h"

static const struct boot_format *const formats[] = {
	&boot_format_grub_cfg,
	&boot_format_grub_default,
	&boot_format_grubenv,
	&boot_format_bls,
	&boot_format_loader_conf,
	&boot_format_unified,
	&boot_format_kernel_cmdline,
	&boot_format_syslinux,
	&boot_format_menu_lst,
	&boot_format_lilo,
	&boot_format_grub_custom,
	&boot_format_grub_script,
};

static const char *const consoles[] = {"console=tty0", "console=ttyS0,115200n8"};
static const struct boot_edit add = {.add = consoles, .n_add = 2};
static const struct boot_edit nothing = {.from = "root=/dev/nothing\n", .to = "x"};

static void check_edit(const struct boot_format *format, struct p2v_span text)
{
	p2v_autobuf struct p2v_buf same = {0}, once = {0};

	if (format->edit(text, &nothing, &same, NULL) < 0 ||
		!p2v_span_same(p2v_span_of(same.data, same.len), text))
		abort();
	/* An environment block may be full. */
	if (format->edit(text, &add, &once, NULL) < 0)
		return;
	if (boot_format_would_change(format, p2v_span_of(once.data, once.len), &add))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct boot_menu menu = {0};
	const struct boot_format *format;
	struct p2v_span text;

	if (n == 0)
		return 0;
	format = formats[data[0] % (sizeof(formats) / sizeof(formats[0]))];
	text = p2v_span_of(data + 1, n - 1);
	menu.wants_files = true;
	if (format->read && format->read(text, "/x/y.conf", &menu, NULL) == 0 &&
		boot_menu_settle(&menu, NULL) == 0 && menu.default_entry > menu.n_entries)
		abort();
	boot_menu_finish(&menu);
	if (format->edit)
		check_edit(format, text);
	return 0;
}
