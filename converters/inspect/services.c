/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Services that talk to hardware which a virtual machine does not have, where they are enabled. */

#include <ctype.h>
#include <string.h>

#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static const char monitoring[] = "watches sensors of the physical machine";
static const char management[] = "talks to the management controller of the physical machine";
static const char disks[] = "watches physical disks";
static const char vendor[] = "is an agent of the hardware's vendor";
static const char power[] = "watches power supplies and batteries, or sets the processor's clock";
static const char tools[] = "is a tool of another hypervisor";

static const struct {
	const char *name, *reason;
} candidates[] = {
	{"smartd", disks},
	{"smartmontools", disks},
	{"hddtemp", disks},
	{"mcelog", monitoring},
	{"rasdaemon", monitoring},
	{"edac", monitoring},
	{"lm_sensors", monitoring},
	{"lm-sensors", monitoring},
	{"fancontrol", monitoring},
	{"thermald", monitoring},
	{"i8kmon", monitoring},
	{"ipmi", management},
	{"openipmi", management},
	{"ipmievd", management},
	{"ipmidetectd", management},
	{"ipmiseld", management},
	{"bmc-watchdog", management},
	{"multipathd", disks},
	{"dmraid", disks},
	{"cpuspeed", power},
	{"cpufrequtils", power},
	{"apcupsd", power},
	{"nut-server", power},
	{"nut-monitor", power},
	{"laptop-mode", power},
	{"hp-health", vendor},
	{"hp-asrd", vendor},
	{"hp-snmp-agents", vendor},
	{"hpsmhd", vendor},
	{"amsd", vendor},
	{"smad", vendor},
	{"ahslog", vendor},
	{"dataeng", vendor},
	{"dsm_sa_datamgrd", vendor},
	{"dsm_sa_eventmgrd", vendor},
	{"dsm_om_connsvc", vendor},
	{"instsvcdrv", vendor},
	{"racsvc", vendor},
	{"dcismeng", vendor},
	{"vivaldiframeworkd", vendor},
	{"mrmonitor", vendor},
	{"nvidia-persistenced", vendor},
	{"open-vm-tools", tools},
	{"vmtoolsd", tools},
	{"vmware-tools", tools},
	{"vboxadd", tools},
	{"vboxadd-service", tools},
	{"hypervkvpd", tools},
	{"hypervvssd", tools},
	{"xe-linux-distribution", tools},
};

/* A link to /dev/null in the place of the unit: it does not start, whoever wants it. */
static bool is_masked(struct inspection *in, const char *name)
{
	p2v_autofree char *path = p2v_strf("/etc/systemd/system/%s.service", name);
	p2v_autofree char *target = NULL;

	return path && strcmp(in->os->init, "systemd") == 0 &&
	       guest_read_link(in->g, path, &target, NULL) == 0 && !strcmp(target, "/dev/null");
}

static bool already(const struct facts_os *os, const char *name)
{
	for (size_t i = 0; i < os->n_services; i++)
		if (strcmp(os->services[i].name, name) == 0)
			return true;
	return false;
}

/* name without ".service", or without the S20 of an rc link. */
static int consider(struct inspection *in, struct p2v_span name)
{
	for (size_t i = 0; i < P2V_N(candidates); i++) {
		struct facts_service *s;
		int r;

		if (!p2v_span_eq(name, candidates[i].name) || already(in->os, candidates[i].name) ||
			is_masked(in, candidates[i].name))
			continue;
		s = inspect_grow(in, (void **)&in->os->services, &in->os->n_services, sizeof(*s));
		r = s ? inspect_set(in, &s->name, candidates[i].name) : P2V_ENOMEM;
		return r < 0 ? r : inspect_set(in, &s->reason, candidates[i].reason);
	}
	return 0;
}

static int read_wants(struct inspection *in, const struct guest_dir *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_entries; i++) {
		struct p2v_span name = p2v_span_str(d->entries[i].name);

		if (p2v_span_ends(name, ".service"))
			r = consider(in, p2v_span_of(name.p, name.n - strlen(".service")));
	}
	return r;
}

static int read_rc(struct inspection *in, const struct guest_dir *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_entries; i++) {
		struct p2v_span name = p2v_span_str(d->entries[i].name);

		if (name.n > 3 && name.p[0] == 'S' && isdigit((unsigned char)name.p[1]) &&
			isdigit((unsigned char)name.p[2]))
			r = consider(in, p2v_span_skip(name, 3));
	}
	return r;
}

/* Where a service is enabled, by the init that reads it. */
static const struct {
	const char *init, *path;
	int (*read)(struct inspection *in, const struct guest_dir *d);
} places[] = {
	{"systemd", "/etc/systemd/system/multi-user.target.wants", read_wants},
	{"systemd", "/etc/systemd/system/sysinit.target.wants", read_wants},
	{"systemd", "/etc/systemd/system/basic.target.wants", read_wants},
	{"systemd", "/etc/systemd/system/graphical.target.wants", read_wants},
	{"sysvinit", "/etc/rc2.d", read_rc},
	{"sysvinit", "/etc/rc3.d", read_rc},
	{"sysvinit", "/etc/rc5.d", read_rc},
	{"upstart", "/etc/rc2.d", read_rc},
	{"upstart", "/etc/rc3.d", read_rc},
};

int inspect_services(struct inspection *in)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(places); i++) {
		struct guest_dir d = {0};

		if (strcmp(in->os->init, places[i].init) != 0)
			continue;
		r = inspect_list(in, places[i].path, NULL, &d);
		if (r == 0)
			r = places[i].read(in, &d);
		guest_dir_finish(&d);
	}
	return r;
}
