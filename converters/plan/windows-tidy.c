/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What belongs to the old hardware, or would keep the new from being used. */

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"

#define DISABLED   4
#define SAN_ONLINE 1
#define POLICY	   "Policies\\Microsoft\\Windows\\DeviceInstall\\Restrictions"

/* Drivers that look for one maker's processor or chipset; XP and 2003 may stop at the sight of
 * another. */
static const char *const processors[] = {
	"intelppm", "processr", "p3", "amdk7", "amdk8", "amdppm", "agp440", "gagp30kx"};

static bool is_processor(const char *name)
{
	for (size_t i = 0; i < P2V_N(processors); i++)
		if (plan_is(name, processors[i]))
			return true;
	return false;
}

static void stop_processors(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);
	bool any = false;

	for (size_t i = 0; w->major < 6 && i < w->n_drivers; i++) {
		const struct facts_windows_driver *d = &w->drivers[i];

		if (!is_processor(d->name) || d->start == DISABLED)
			continue;
		if (!any)
			plan_hive_step(p, "SYSTEM",
				"These drivers are for the old machine's processor and chipset; "
				"on others they may stop Windows.");
		any = true;
		plan_hive_key(p, d->set, "Services\\%s", d->name);
		plan_hive_u32(p, "Start", DISABLED);
	}
}

static void stop_services(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	for (size_t i = 0; i < p->os->n_services; i++) {
		const struct facts_service *s = &p->os->services[i];

		plan_hive_step(p, "SYSTEM",
			"The service %s %s; there is none in a virtual machine. It is disabled.",
			s->name, s->reason);
		for (size_t k = 0; k < w->n_sets; k++) {
			plan_hive_key_if_there(p, w->sets[k], "Services\\%s", s->name);
			plan_hive_u32(p, "Start", DISABLED);
		}
	}
}

static void drop_filters(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	if (w->n_filters)
		plan_hive_step(p, "SYSTEM",
			"These drivers of the old hardware stand between Windows and its disks; "
			"without that hardware they may not start, and no disk with them.");
	for (size_t i = 0; i < w->n_filters; i++) {
		plan_hive_key_if_there(p, "", "%s", w->filters[i].key);
		plan_hive_value(p, "texts-less", w->filters[i].value, w->filters[i].name);
	}
}

static void bring_disks_online(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	if (w->major < 6 || p->facts->n_disks < 2 || w->san_policy == SAN_ONLINE)
		return;
	plan_hive_step(p, "SYSTEM",
		"Windows leaves disks offline that come by another way than before; they are to "
		"come online by themselves.");
	for (size_t i = 0; i < w->n_sets; i++) {
		plan_hive_key(p, w->sets[i], "Services\\partmgr\\Parameters");
		plan_hive_u32(p, "SanPolicy", SAN_ONLINE);
	}
}

static void stop_fast_startup(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	if (!w->fast_startup)
		return;
	plan_hive_step(p, "SYSTEM",
		"With Fast Startup a shutdown is a hibernation, whose memory belongs to the old "
		"hardware.");
	for (size_t i = 0; i < w->n_sets; i++) {
		plan_hive_key_if_there(p, w->sets[i], "Control\\Session Manager\\Power");
		plan_hive_u32(p, "HiberbootEnabled", 0);
	}
}

static void allow_devices(struct planning *p)
{
	static const char reason[] = "A policy keeps Windows from installing new devices, and all "
				     "of a virtual machine's are new.";
	const struct facts_windows *w = plan_windows(p);

	if (!w->install_restricted)
		return;
	plan_hive_step(p, "SOFTWARE", reason);
	plan_hive_delete_key(p, "", POLICY);
	plan_hive_step(p, "SYSTEM", reason);
	for (size_t i = 0; i < w->n_sets; i++)
		plan_hive_delete_key(p, w->sets[i], POLICY);
}

void plan_windows_tidy(struct planning *p)
{
	drop_filters(p);
	stop_processors(p);
	stop_services(p);
	bring_disks_online(p);
	stop_fast_startup(p);
	allow_devices(p);
}
