/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_ARGS_H
#define CONVERTERS_BOOT_ARGS_H

/* One kernel command line, as a piece of some configuration's text. */

#include "converters/boot/boot.h"

/*
 * Appends the arguments to out, edited; blanks between words stay as they are, also those at both
 * ends. What is appended comes behind the last word (before a '\' that continues the line).
 */
void boot_args_edit(struct p2v_span args, const struct boot_edit *edit, struct p2v_buf *out);

/* True where `word` is among the arguments, compared up to a ','. */
bool boot_args_have(struct p2v_span args, const char *word);

#endif
