/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIVERS_INJECT_CATALOG_DRIVER_H
#define DRIVERS_INJECT_CATALOG_DRIVER_H

/* Inside the room: an .inf's text to the row of its driver. */

#include "drivers-inject/catalog/inf.h"
#include "drivers-inject/catalog/source.h"
#include "drivers-inject/catalog/windows.h"

#define DRIVER_MAX_VARIANTS ((size_t)64)
#define DRIVER_MAX_DEVICES  ((size_t)256) /* of a variant */
#define DRIVER_MAX_FILES    ((size_t)256)
#define DRIVER_MAX_SERVICES ((size_t)16)
#define DRIVER_MAX_IDS	    ((size_t)32) /* of a device */

/*
 * P2V_EFORMAT: spoiled, or out of bounds. P2V_EUNSUPPORTED: not a driver (no class, no devices for
 * any of our processors). source: what lies beside the .inf; path: its place there.
 */
int driver_read(const struct inf *inf, const struct catalog_source *source, const char *path,
	struct catalog_driver *ret, struct p2v_err *err);
void driver_finish(struct catalog_driver *d);

/* In install.c: what the Models section `models` says is installed. */
struct install_source {
	const struct inf *inf;
	const struct catalog_source *source;
	struct p2v_span dir; /* of the .inf */
};
int install_read(const struct install_source *from, const struct inf_section *models,
	struct catalog_variant *v, struct p2v_err *err);

/* A file of the package: beside the .inf, or below in the directory that [SourceDisksFiles] names.
 * NULL: not on the medium, or no plain name. */
const struct source_member *install_file(const struct install_source *from, const char *name);
/* Adds an upper-case copy of `text` at ret; and the same as it is. */
int driver_dup(const char *text, bool upper, char **ret, struct p2v_err *err);

#endif
