/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DAEMON_SANDBOX_H
#define P2V_DAEMON_SANDBOX_H

/*
 * What no worker needs of the kernel, and is refused (EPERM) to it and to all that it starts, qemu
 * included: to mount, to load modules or another kernel, to look into other processes, to enter
 * other namespaces, to set the clock, keys, bpf. A list of what is forbidden and not of what is
 * allowed: libguestfs and QEMU change what they use from version to version, and both have a
 * confinement of their own.
 */

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

/* A filter for struct p2v_proc_confine. P2V_EUNSUPPORTED: this kernel has none. */
int daemon_sandbox_make(struct p2v_buf *ret_filter, struct p2v_err *err);

#endif
