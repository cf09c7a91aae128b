/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_BOOT_H
#define CONVERTERS_BOOT_BOOT_H

/*
 * Boot loader configurations: what they start, and changes to the command lines of Linux kernels in
 * them. Text in, text out: no guest, no files. All that an edit does not mean to change stays byte
 * for byte.
 *
 * A boot loader is one row of boot_loaders. Its configuration may come in two forms: the one that
 * is read at boot (`configs`, often generated) and the one from which the guest makes it anew
 * (`sources`). Both are edited, so that the guest's next regeneration keeps the change.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/core/span.h"

/* Beyond this a menu is not believed. */
#define BOOT_MAX_ENTRIES ((size_t)1024)

/* One kernel that the menu offers. */
struct boot_entry {
	char *title;
	char *kernel;	/* as written: "/boot/vmlinuz-6.1.0", or relative to a /boot of its own */
	char *cmdline;	/* its arguments, one blank between two */
	char **initrds; /* as written, in order */
	size_t n_initrds;
	uint32_t line; /* 1-based, of the command that names the kernel */
};

struct boot_menu {
	struct boot_entry *entries;
	size_t n_entries;
	size_t default_entry; /* index of what starts by itself; n_entries: the text does not say */
};

void boot_menu_finish(struct boot_menu *menu);

/*
 * A change to every Linux command line. `add`: appended in this order, unless the last of them is
 * there already (compared up to a ',': "console=ttyS0,9600" is there for "console=ttyS0,115200n8",
 * and then the guest's own choice of consoles stands). `from`: one argument, exactly, replaced by
 * `to` wherever it stands; to NULL removes it. Either part may be absent (n_add 0, from NULL).
 */
struct boot_edit {
	const char *const *add;
	size_t n_add;
	const char *from, *to;
};

/* Appends the whole text to out, edited. */
typedef int boot_edit_function(struct p2v_span text, const struct boot_edit *edit,
	struct p2v_buf *out, struct p2v_err *err);

struct boot_loader {
	const char *kind;	    /* facts_bootloader.kind */
	const char *const *configs; /* NULL-terminated; where to look, best first */
	const char *const *sources;
	/* saved: the entry that the loader's environment remembers, or NULL. */
	int (*parse)(struct p2v_span text, const char *saved, struct boot_menu *ret,
		struct p2v_err *err);
	boot_edit_function *edit_config;
	boot_edit_function *edit_source;
};

extern const struct boot_loader *const boot_loaders[]; /* NULL-terminated */
/* NULL where no row has that kind. */
const struct boot_loader *boot_loader_find(const char *kind);

#endif
