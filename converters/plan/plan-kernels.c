/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Installed kernels that start nothing: what would suit them would make it worse for the others. */

#include <stdlib.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

static bool is_builtin(const struct facts_kernel *k, const char *driver)
{
	return plan_has(k, driver) && !plan_has_module(k, driver);
}

/* Without an initramfs it reaches a disk that a virtual machine can have. */
static bool starts_alone(const struct facts_kernel *k)
{
	static const char *const drivers[] = {
		"virtio_blk", "virtio_scsi", "ahci", "ata_piix", "piix", "ide_gd_mod", "ide_disk"};

	for (size_t i = 0; i < P2V_N(drivers); i++)
		if (is_builtin(k, drivers[i]))
			return true;
	return false;
}

/* Why it will not start, in words; NULL: it may. */
static const char *why_hopeless(const struct facts_kernel *k)
{
	const struct facts_initramfs *i = &k->initramfs;

	if (!plan_is_kernel(k) || k->default_entry)
		return NULL;
	if (!*plan_text(i->path))
		return starts_alone(k) ? NULL
				       : "it has no initramfs, and drives no disk without one";
	return plan_is(i->kind, "unknown") && !*plan_text(i->compression)
		       ? "its initramfs is damaged"
		       : NULL;
}

static bool any_hope(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) && !why_hopeless(&os->kernels[i]))
			return true;
	return false;
}

/* From here on the system is one without them. */
void plan_kernels(struct planning *p)
{
	const struct facts_os *os = p->os;

	if (!any_hope(os))
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
		const char *why = why_hopeless(&os->kernels[i]);

		if (why)
			plan_warn(p, "kernel %s is left as it is, and will not start: %s",
				os->kernels[i].release, why);
		else
			p->kernels[p->seen.n_kernels++] = os->kernels[i];
	}
	p->os = &p->seen;
}
