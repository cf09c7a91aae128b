/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DAEMON_SANDBOX_H
#define P2V_DAEMON_SANDBOX_H

/*
 * What no worker needs of the kernel, and is refused (EPERM) to it and to all that it starts, qemu
 * included: to mount, to load modules or another kernel, to look into other processes, to enter
 * other namespaces, to set the clock, keys, bpf. A list of what is forbidden and not of what is
 * allowed: libguestfs and QEMU change what they use from version to version, and both have a
 * confinement of their own.
 *
 * And where p2vd is root: a network of its own with nobody else in it, and of the jobs only its own
 * (p2v/core/apart.h says why not otherwise). A stage has the host's network where its job needs
 * one: for a disk that goes to a place elsewhere, a key that a program gets, drivers that lie at an
 * address. A fence and no wall: through /proc it still reaches what other programs of its user see.
 */

#include <stdbool.h>

#include "p2v/control/config.h"
#include "p2v/core/buf.h"
#include "p2v/core/err.h"

struct daemon_sandbox {
	struct p2v_buf filter; /* for struct p2v_proc_confine */
	bool apart;	       /* there are namespaces */
};

/* P2V_EUNSUPPORTED: this kernel has no filters. Where `apart` is false, ret_why says why. */
int daemon_sandbox_make(const struct server_config *config, struct daemon_sandbox *ret,
	struct p2v_err *ret_why, struct p2v_err *err);
void daemon_sandbox_finish(struct daemon_sandbox *sandbox);

/* Whether what the job in dir is to become, by its orders or else by p2vd.conf, needs the host's
 * network. */
bool daemon_sandbox_needs_network(const struct server_config *config, const char *dir);

#endif
