/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_LINES_H
#define CONVERTERS_BOOT_LINES_H

/* Formats in which a command line is (a part of) one line of the file. */

#include "converters/boot/boot.h"

/* Whether the line holds arguments, and which part of it they are (perhaps empty, but inside). */
typedef bool boot_line_function(struct p2v_span line, struct p2v_span *ret_args);

/* One line, without its LF. */
void boot_line_edit(struct p2v_span line, boot_line_function *find, const struct boot_edit *edit,
	struct p2v_buf *out);
/* Every line. */
int boot_lines_edit(struct p2v_span text, boot_line_function *find, const struct boot_edit *edit,
	struct p2v_buf *out, struct p2v_err *err);
/* Every line of one of GRUB's menus: in "module /vmlinuz ...", which Xen starts, and in the values
 * of variables `from` is replaced and nothing added. */
int boot_lines_edit_grub(struct p2v_span text, boot_line_function *find,
	const struct boot_edit *edit, struct p2v_buf *out, struct p2v_err *err);

#endif
