/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_GRUB2_H
#define CONVERTERS_BOOT_GRUB2_H

/* What the files of the GRUB 2 row share. */

#include "converters/boot/boot.h"

/* Whether the line is a command that names a Linux kernel; then the kernel's path and all that
 * stands behind it. */
bool grub2_linux_line(struct p2v_span line, struct p2v_span *ret_kernel, struct p2v_span *ret_args);

/* boot_loader.parse */
int grub2_menu_parse(
	struct p2v_span text, const char *saved, struct boot_menu *ret, struct p2v_err *err);
/* boot_loader.edit_source: /etc/default/grub, shell assignments. `add` goes to
 * GRUB_CMDLINE_LINUX, which the recovery entries have too; `from` is looked for in
 * GRUB_CMDLINE_LINUX_DEFAULT also. */
int grub2_source_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err);

#endif
