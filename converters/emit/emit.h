/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_EMIT_H
#define P2V_EMIT_EMIT_H

/*
 * Hands over the converted machine: disks, a libvirt domain, a start script, a UEFI variable store,
 * and output.json last. How a disk gets there, and what a crash leaves: converters/emit/disk.h.
 *
 * The job directory is locked by the caller (store_jobdir_open).
 */

#include "p2v/core/progress.h"
#include "p2v/model/image.h"
#include "p2v/model/machine.h"
#include "p2v/model/output.h"
#include "p2v/model/plan.h"

struct emit_request {
	const char *dir; /* job directory */
	const struct image *image;
	const char *const *overlays; /* one per disk of image: the qcow2 that holds its conversion;
					as it is named here or relative to dir */
	const struct plan *plan;
	const struct machine *machine; /* for SMBIOS and the processor's shape, or NULL */
	struct p2v_progress *progress; /* or NULL */
};

/* Where DIR/output.json is there afterwards, all that it names is complete. The overlays are
 * removed then. Repeating a run that was killed gives the same result. */
int emit_run(const struct emit_request *request, struct output *ret, struct p2v_err *err);

/* Takes back what emit_run did to disks of the job: each is as received again, and `noun`
 * (STORE_FACTS: everything that followed; STORE_CHANGES: facts and plan stay) and later ones are
 * dropped. Must be called before a disk is read or converted again; costs nothing where nothing was
 * emitted. P2V_EREFUSED, with nothing changed, while a machine runs on a disk. What that machine
 * has written since is lost. */
int emit_undo(const char *dir, const char *noun, struct p2v_err *err);

#endif
