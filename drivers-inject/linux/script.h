/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_SCRIPT_H
#define P2V_DRIVERS_LINUX_SCRIPT_H

/*
 * Inside the room: images that do not look for hardware, but load what a script names.
 *
 * Red Hat's mkinitrd (RHEL 5 and before): /init is nash's, and has a line "insmod /lib/x.ko" for
 * each module, all of them flat in /lib.
 * SUSE's mkinitrd (SLES 11 and before): RESOLVED_INITRD_MODULES='a b' in config/start.sh, and in
 * run_all.sh, which is all scripts in one; modprobe loads them.
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/core/span.h"

bool linux_script_is_nash(struct p2v_span text);
/* Whether the script loads the module file of that name ("virtio_blk.ko"). */
bool linux_script_nash_loads(struct p2v_span text, const char *file);
/* Has it load further files, in their order, before it looks for disks. P2V_EUNSUPPORTED: the
 * script has no place for that. */
int linux_script_nash_add(struct p2v_span text, const char *const *files, size_t n_files,
	struct p2v_buf *out, struct p2v_err *err);

bool linux_script_suse_loads(struct p2v_span text, const char *module);
/* Adds the names to the list that the script holds; a script without one stays as it is. */
int linux_script_suse_add(struct p2v_span text, const char *const *modules, size_t n_modules,
	struct p2v_buf *out, struct p2v_err *err);

#endif
