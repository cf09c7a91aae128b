/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_MENU_H
#define CONVERTERS_BOOT_MENU_H

/* What the readers of all formats share: building a menu. */

#include "converters/boot/boot.h"

/* A further entry, its strings empty; good until the next one is added. */
int boot_menu_add(struct boot_menu *menu, struct boot_entry **ret, struct p2v_err *err);
/* *to = copy; an older value is freed. */
int boot_set(char **to, struct p2v_span s, struct p2v_err *err);
/* Adds s to the text that is there, a blank between the two. P2V_EFORMAT: more than BOOT_MAX_ARGS.
 */
int boot_join(char **to, struct p2v_span s, struct p2v_err *err);
/* The words of a command line, one blank between two; without the '\'s that end lines in it.
 * P2V_EFORMAT: more than BOOT_MAX_ARGS. */
int boot_set_args(struct boot_entry *e, struct p2v_span args, struct p2v_err *err);
/* The kernel's path; "(hd0,0)" or "($root)" before it is left out. */
int boot_set_kernel(struct boot_entry *e, struct p2v_span path, struct p2v_err *err);
/* Words of paths; at most BOOT_MAX_INITRDS are kept. */
int boot_add_initrds(struct boot_entry *e, struct p2v_span paths, struct p2v_err *err);

/* The last part of a path. */
const char *boot_base_name(const char *path);
/* Takes a word off the front; true where it is `word`, in any case of letters. */
bool boot_keyword(struct p2v_span line, const char *word, struct p2v_span *ret_rest);

#endif
