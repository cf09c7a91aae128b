/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_APART_H
#define P2V_CORE_APART_H

/*
 * The namespaces of a confined child (struct p2v_proc_confine), which only root can make: for
 * p2v_proc_start alone. A user could in a namespace of users, but libguestfs does not work there:
 * its appliance would hold the host's setuid programs as nobody's, mount(8) among them.
 */

#include "p2v/core/proc.h"

struct apart {
	bool no_network;
	const char *alone;
	char *above; /* of alone */
};

/* In the parent: what the child needs, so that it has to ask for no memory. */
int apart_prepare(const struct p2v_proc_confine *confine, struct apart *ret, struct p2v_err *err);
void apart_finish(struct apart *apart);

/* In the child. -1 with errno. Only async-signal-safe calls. */
int apart_enter(const struct apart *apart);

#endif
