/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/plan/plan.h"

#include <stdlib.h>

#include "converters/plan/planning.h"
#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"

/* From what the machine is to what is changed in the guest, in the order of the steps: drivers
 * first, so that a guest whose /boot is full fails before anything else is touched. */
typedef void (*const rule)(struct planning *p);

static rule linux_rules[] = {
	plan_kernels,
	plan_devices,
	plan_initramfs,
	plan_refs,
	plan_boot,
	plan_efi,
	plan_network,
	plan_guest_agent,
	plan_services,
	plan_static_etc,
	plan_grade,
	NULL,
};
/* The same for Windows. */
static rule windows_rules[] = {
	plan_windows_check,
	plan_windows_devices,
	plan_windows_storage,
	plan_windows_tidy,
	plan_windows_first_boot,
	plan_windows_network,
	plan_windows_boot,
	plan_windows_board,
	plan_windows_grade,
	NULL,
};

int plan_make(const struct facts *facts, const struct machine *machine, const struct target *target,
	struct plan *ret, struct p2v_err *err)
{
	struct plan plan = {.version = 1};
	struct planning p = {
		.facts = facts, .machine = machine, .target = target, .plan = &plan, .err = err};

	plan_system(&p);
	/* Without a system there is nothing to decide: the blockers say why. */
	for (rule *rules = p.os && p.os->n_windows ? windows_rules : linux_rules;
		p.os && p.r == 0 && *rules; rules++)
		(*rules)(&p);
	for (size_t i = 0; i < facts->n_notes && p.r == 0; i++)
		plan_tell(&p, "%s", facts->notes[i]);
	free(p.kernels);
	if (p.r < 0) {
		model_plan_finish(&plan);
		return p.r;
	}
	*ret = plan;
	return 0;
}
