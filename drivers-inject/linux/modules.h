/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_MODULES_H
#define P2V_DRIVERS_LINUX_MODULES_H

/*
 * What a guest kernel can load: /lib/modules/KV/modules.dep ("kernel/a/b.ko.xz: kernel/c/d.ko.xz
 * ...", each line's right side is the transitive closure, nearest first) and modules.builtin (one
 * path a line). Both are guest files: lines that break the form are P2V_EFORMAT.
 *
 * A module's name is its file name without .ko and compression, with '-' as '_'.
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/guest/guest.h"

struct linux_module {
	char *name;   /* "virtio_blk" */
	char *path;   /* relative to /lib/modules/KV; NULL: built in */
	size_t *deps; /* indexes into the list */
	size_t n_deps;
};

struct linux_modules {
	struct linux_module *items; /* sorted by name */
	size_t n_items;
};

/* text of modules.dep and of modules.builtin (may be empty). */
int linux_modules_parse(const struct p2v_buf *dep, const struct p2v_buf *builtin,
	struct linux_modules *ret, struct p2v_err *err);
/* The same from the guest; kernel: "6.1.0-56-amd64". P2V_ENOTFOUND: no such module tree. */
int linux_modules_load(
	struct guest *g, const char *kernel, struct linux_modules *ret, struct p2v_err *err);
void linux_modules_finish(struct linux_modules *m);

/* NULL: the kernel does not have it. '-' and '_' are the same. */
const struct linux_module *linux_modules_find(const struct linux_modules *m, const char *name);

/* The name of a module file's path, malloc'd; NULL where it is none. */
char *linux_module_name(const char *path);

/* Sets in[i] (n_items long, zeroed by the caller) for the named modules and all they need that are
 * files. Names that the kernel does not have are left out. */
int linux_modules_closure(const struct linux_modules *m, const char *const *names, size_t n_names,
	bool *in, struct p2v_err *err);

#endif
