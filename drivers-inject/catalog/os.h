/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIVERS_INJECT_CATALOG_OS_H
#define DRIVERS_INJECT_CATALOG_OS_H

/* Inside the room: which Windows a decoration or a directory's name means. */

#include "drivers-inject/catalog/windows.h"
#include "p2v/core/span.h"

#define CATALOG_CLIENT 1
#define CATALOG_SERVER 3

/*
 * A decoration of an .inf's section, as in the reference "INF Manufacturer Section":
 *
 *	nt[arch][.[major][.[minor][.[product][.[suite][.[build]]]]]]
 *
 * Empty is well formed: nothing said. False: not one, or for a processor that is none of ours.
 */
bool catalog_os_parse(struct p2v_span decoration, struct catalog_os *ret);

/* What the names of the directories in a path say together: "NetKVM/2k12R2/amd64/netkvm.inf". */
struct catalog_os catalog_os_of_path(const char *path);

/* Whether the guest satisfies it. An architecture that is not said is x86: Windows wants it said
 * for any other one. */
bool catalog_os_fits(const struct catalog_os *os, const struct catalog_guest *guest);

/* The later version first: below 0, 0, above 0 as a is before, like, behind b. Builds are not
 * compared. */
int catalog_os_compare(const struct catalog_os *a, const struct catalog_os *b);

#endif
