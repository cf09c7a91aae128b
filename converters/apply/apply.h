/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_APPLY_APPLY_H
#define CONVERTERS_APPLY_APPLY_H

/*
 * Plan to changes: runs the plan's steps against a guest, in order. Each step's op is a row of one
 * table. What is changed is recorded by the guest door itself.
 */

#include "drivers-inject/catalog/windows.h"
#include "p2v/core/err.h"
#include "p2v/core/progress.h"
#include "p2v/guest/guest.h"
#include "p2v/model/changes.h"
#include "p2v/model/plan.h"

/*
 * g: open and writable, on an overlay that is dropped where this fails; nothing is mounted, and so
 * it is again afterwards (a directory that poses as a guest has its root mounted from the start and
 * keeps it). changes_dir: a host directory that exists, for the diffs; their names in ret are
 * relative to its parent. media: with the drivers for Windows that the plan names, or NULL.
 * progress may be NULL. launch_ms is the caller's to fill in.
 *
 * P2V_EREFUSED: the plan has blockers, or the door is not writable. Applied to what it made, a plan
 * changes nothing and ret is empty.
 */
int apply_run(struct guest *g, const struct plan *plan, const struct catalog_media *media,
	const char *changes_dir, struct p2v_progress *progress, struct changes *ret,
	struct p2v_err *err);

#endif
