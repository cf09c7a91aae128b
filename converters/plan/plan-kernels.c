/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Installed kernels that start nothing: what would suit them would make it worse for the others. */

#include <stdlib.h>

#include "converters/plan/planning.h"

/* Why it will not start, in words; NULL: it may. */
static const char *why_hopeless(const struct planning *p, const struct facts_kernel *k)
{
	const struct facts_initramfs *i = &k->initramfs;

	if (!plan_is_kernel(k) || k->default_entry || plan_drives_any(p, k))
		return NULL;
	if (!*plan_text(i->path))
		return "it has no initramfs, and drives no disk without one";
	if (plan_is(i->kind, "unknown") && !*plan_text(i->compression))
		return "its initramfs is damaged";
	return "it has no driver of a virtual machine's disks, and none can be added";
}

static bool any_hope(const struct planning *p)
{
	for (size_t i = 0; i < p->os->n_kernels; i++)
		if (plan_is_kernel(&p->os->kernels[i]) && !why_hopeless(p, &p->os->kernels[i]))
			return true;
	return false;
}

/* From here on the system is one without them. */
void plan_kernels(struct planning *p)
{
	const struct facts_os *os = p->os;

	if (!any_hope(p))
		return;
	p->kernels = calloc(os->n_kernels, sizeof(*p->kernels));
	if (!p->kernels) {
		p->r = p2v_err_set(p->err, P2V_ENOMEM, "no memory");
		return;
	}
	p->seen = *os;
	p->seen.kernels = p->kernels;
	p->seen.n_kernels = 0;
	for (size_t i = 0; i < os->n_kernels; i++) {
		const char *why = why_hopeless(p, &os->kernels[i]);

		if (why)
			plan_warn(p, "kernel %s is left as it is, and will not start: %s",
				os->kernels[i].release, why);
		else
			p->kernels[p->seen.n_kernels++] = os->kernels[i];
	}
	p->os = &p->seen;
}
