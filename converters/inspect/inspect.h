/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_INSPECT_H
#define CONVERTERS_INSPECT_INSPECT_H

/*
 * Guest to facts: what is on the disks, which operating systems, and whatever a plan needs to know
 * about them. Reads only; runs nothing of the guest; each read is bounded.
 *
 * A file that is not what its name promises (/etc/fstab is a device, a loop of links, megabytes of
 * garbage) is P2V_EFORMAT with its path where the conversion cannot do without it, and else a
 * sentence in facts.notes and treated as absent.
 */

#include "p2v/core/err.h"
#include "p2v/guest/guest.h"
#include "p2v/model/facts.h"
#include "p2v/model/image.h"
#include "p2v/model/machine.h"

/*
 * The door is open with the image's disks in their order, and nothing is mounted; so it is again
 * afterwards. No operating system at all is not an error: facts.systems is empty then.
 * machine: whose disks these are, or NULL; by their serial numbers it is seen what a guest means by
 * some of its names.
 */
int inspect_run(struct guest *g, const struct image *image, const struct machine *machine,
	struct facts *ret, struct p2v_err *err);

/*
 * The same where the files are those of a directory (guest_open_dir): of a running machine, or a
 * copy of some of them. storage: what is on its disks, devices in the door's terms; root: the
 * device of the root file system, "" where nobody knows. The one system is found as linux.
 */
int inspect_tree(struct guest *g, const struct guest_storage *storage, const char *root,
	struct facts *ret, struct p2v_err *err);

#endif
