/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Services of the old hardware, each kept from starting in the manner of the guest's init; and the
 * labels of what was changed. */

#include <stdio.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

static const struct {
	const char *init, *op, *path;
} ways[] = {
	{"systemd", "unit-mask", "/etc/systemd/system"},
	{"sysvinit", "rc-disable", "/etc"},
	{"upstart", "job-disable", "/etc"},
	{"openrc", "runlevel-remove", "/etc/runlevels"},
};

static void disable(struct planning *p, const struct facts_service *s)
{
	for (size_t i = 0; i < P2V_N(ways); i++) {
		if (!plan_is(p->os->init, ways[i].init))
			continue;
		plan_step(p, ways[i].op, ways[i].path, "%s %s; there is none in a virtual machine.",
			s->name, s->reason);
		plan_arg(p, "name", s->name);
	}
}

void plan_services(struct planning *p)
{
	for (size_t i = 0; i < p->os->n_services; i++)
		disable(p, &p->os->services[i]);
	/* The door gives new files the label of a neighbour; a full relabel mends what that
	 * misses. */
	if (p->os->selinux && p->plan->n_steps) {
		plan_step(p, "file-write", "/.autorelabel",
			"SELinux must label the changed files anew, at the first start.");
		plan_arg(p, "line", "");
		plan_tell(p,
			"at its first start SELinux labels every file anew, which takes long where "
			"there are many; then the guest starts again");
	}
}
