/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_ORDERED_H
#define P2V_CLI_ORDERED_H

/* A job directory's orders.json (p2v/model/orders.h), and what follows from it for a conversion. */

#include "p2v/model/image.h"
#include "p2v/model/machine.h"
#include "p2v/model/orders.h"
#include "p2v/model/plan.h"

/* An empty one where dir is NULL or has none. */
int cli_ordered_load(const char *dir, struct orders *ret, struct p2v_err *err);
/* The disks that are not left out, numbered anew as disk0, disk1, ... P2V_EINVAL where none stays,
 * or one that is left out is not there. */
int cli_ordered_disks(const struct orders *orders, struct image *image, struct p2v_err *err);
/* Memory, processors. */
void cli_ordered_machine(const struct orders *orders, struct machine *machine);
/* Where its cards lead. P2V_EINVAL for a card that it does not have. */
int cli_ordered_wires(const struct orders *orders, struct plan *plan, struct p2v_err *err);
/* Where its disks go. P2V_EINVAL for a disk that it does not have, or what is no place. */
int cli_ordered_places(const struct orders *orders, struct plan *plan, struct p2v_err *err);
/* The same from "DISK=PLACE" of a command line. */
int cli_named_places(const char *const *named, size_t n, struct plan *plan, struct p2v_err *err);

#endif
