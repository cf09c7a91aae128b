/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_PLAN_PLAN_H
#define CONVERTERS_PLAN_PLAN_H

/*
 * Facts, machine and target to a plan. Pure: the same input gives the same plan, byte for byte; no
 * guest, no file, no clock.
 *
 * What stands in the way of a conversion is no error here: it is a sentence in plan.blockers (no
 * operating system, several without a choice, another processor), so that --dry-run can show all
 * of it at once. What the operator should know, but may go on with, is in plan.warnings.
 */

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/model/facts.h"
#include "p2v/model/image.h"
#include "p2v/model/machine.h"
#include "p2v/model/plan.h"
#include "p2v/model/target.h"

/* The segment and the configuration are to hold these, as far as the kernel has them as modules. */
extern const char *const plan_virtio_modules[]; /* NULL-terminated */

/* The target of that name with its devices, qcow2 as its format and no root chosen; P2V_EINVAL for
 * a name that is not known. */
int plan_target_find(const char *name, struct target *ret, struct p2v_err *err);

/* machine: as the agent saw it, or plan_machine_default. */
int plan_make(const struct facts *facts, const struct machine *machine, const struct target *target,
	struct plan *ret, struct p2v_err *err);

/* For people, at most 80 columns: what the VM will be, what is changed and why, warnings, blockers.
 */
int plan_print(const struct plan *plan, struct p2v_buf *out, struct p2v_err *err);

/*
 * A machine for disks that no agent brought, as the system on root (of several; NULL or one that is
 * not there: the first) has it: its host name and firmware, 2 GiB, 2 processors, and a network
 * card for each that it configures, at least one. A card whose address the guest does not say gets
 * a locally administered one that follows from its machine-id, so that it is the same each time.
 */
int plan_machine_default(const struct facts *facts, const struct image *image, const char *root,
	struct machine *ret, struct p2v_err *err);

#endif
