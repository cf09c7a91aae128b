/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Services that talk to hardware which a virtual machine does not have, where they are enabled. */

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static const char monitoring[] = "watches sensors of the physical machine";
static const char management[] = "talks to the management controller of the physical machine";
static const char disks[] = "watches physical disks";
static const char vendor[] = "is an agent of the hardware's vendor";
static const char power[] = "watches power supplies and batteries, or sets the processor's clock";
static const char serial[] = "offers a login on a further serial line, and waits for that";
static const char tools[] = "is a tool of another hypervisor";

static const char clock_speed[] = "sets the speed of the physical machine's processors";
static const char microcode[] = "loads microcode into the physical machine's processors";
static const char chip[] = "talks to a chip or card of the physical machine";
static const char watchdog[] = "feeds a watchdog of the physical machine";
static const char kudzu[] = "takes changed hardware for lost and would drop its configuration";

/* A name may be a pattern (fnmatch). irqbalance, kdump, mdmonitor, tuned and such do no harm and
 * stay. */
static const struct {
	const char *name, *reason;
} candidates[] = {
	{"smartd", disks},
	{"smartmontools", disks},
	{"hddtemp", disks},
	{"ledmon", disks},
	{"fcoe", disks},
	{"multipathd", disks},
	{"multipath-tools*", disks},
	{"dmraid*", disks},
	{"mcelog", monitoring},
	{"mcelogd", monitoring},
	{"rasdaemon", monitoring},
	{"ras-mc-ctl", monitoring},
	{"edac", monitoring},
	{"lm_sensors", monitoring},
	{"lm-sensors", monitoring},
	{"sensord", monitoring},
	{"fancontrol", monitoring},
	{"thermald", monitoring},
	{"i8k*", monitoring},
	{"thinkfan", monitoring},
	{"prometheus-node-exporter-smartmon*", disks},
	{"prometheus-smartctl-exporter", disks},
	{"smartctl_exporter", disks},
	{"acpid-fan", monitoring},
	{"ipmi", management},
	{"openipmi", management},
	{"ipmievd", management},
	{"ipmidetectd", management},
	{"ipmiseld", management},
	{"ipmiutil*", management},
	{"freeipmi*", management},
	{"ipmi[-_]exporter", management},
	{"prometheus-ipmi-exporter", management},
	{"prometheus-node-exporter-ipmitool*", management},
	{"bmc-*", management},
	{"exchange-bmc-os-info", management},
	{"watchdog", watchdog},
	{"wd_keepalive", watchdog},
	{"hpwdt*", watchdog},
	{"cpuspeed", clock_speed},
	{"cpufreq*", clock_speed},
	{"cpupower*", clock_speed},
	{"loadcpufreq", clock_speed},
	{"powernowd", clock_speed},
	{"ondemand", clock_speed},
	{"microcode", microcode},
	{"microcode_ctl", microcode},
	{"microcode.ctl", microcode},
	{"tcsd", chip},
	{"trousers", chip},
	{"aesmd", chip},
	{"dahdi", chip},
	{"apcupsd", power},
	{"nut*", power},
	{"upsd", power},
	{"upsmon", power},
	{"pbeagent", power},
	{"PBEAgent", power},
	{"PowerChute*", power},
	{"laptop-mode", power},
	{"tlp", power},
	{"kudzu", kudzu},
	{"hp-*", vendor},
	{"hpsmhd", vendor},
	{"hpasm*", vendor},
	{"hpssa*", vendor},
	{"cma*", vendor},
	{"cpq*", vendor},
	{"amsd", vendor},
	{"smad*", vendor},
	{"mr_cpqScsi", vendor},
	{"ahslog", vendor},
	{"ilo*", vendor},
	{"dataeng", vendor},
	{"dsm_*", vendor},
	{"instsvcdrv", vendor},
	{"srvadmin-*", vendor},
	{"racsvc", vendor},
	{"dcismeng", vendor},
	{"ibmasm", vendor},
	{"ibmspm", vendor},
	{"lnvgy*", vendor},
	{"eecd", vendor},
	{"srvmagt*", vendor},
	{"ssm-*", vendor},
	{"vivaldiframeworkd", vendor},
	{"lsi_mrdsnmpd", vendor},
	{"mrmonitor", vendor},
	{"msm_*", vendor},
	{"megaraid*", vendor},
	{"LsiSASH", vendor},
	{"stor_agent", vendor},
	{"stor_tomcat", vendor},
	{"aus-monitor", vendor},
	{"3dm2", vendor},
	{"tw_*", vendor},
	{"arcmsr*", vendor},
	{"arc[-_]cfg*", vendor},
	{"archttp*", vendor},
	{"elxhbamgrd", vendor},
	{"elxmgmt*", vendor},
	{"qlremote", vendor},
	{"sd5", vendor},
	{"superdoctor*", vendor},
	{"SuperDoctor*", vendor},
	{"hpe-*", vendor},
	{"nvidia-*", vendor},
	{"dcgm", vendor},
	{"openibd", vendor},
	{"opensm*", vendor},
	{"mst", vendor},
	{"serial-getty@ttyS[1-9]*", serial},
	{"serial-getty@ttyUSB*", serial},
	{"ttyS[1-9]*", serial},
	{"open-vm-tools*", tools},
	{"vgauth*", tools},
	{"vmtoolsd", tools},
	{"vmware*", tools},
	{"vboxadd*", tools},
	{"vboxservice", tools},
	{"vboxdrv", tools},
	{"virtualbox-guest-utils", tools},
	{"hypervkvpd", tools},
	{"hypervvssd", tools},
	{"hypervfcopyd", tools},
	{"hv-*", tools},
	{"hv_*", tools},
	{"hyperv-daemons*", tools},
	{"xe-linux-distribution*", tools},
	{"xe-daemon", tools},
	{"xendomains", tools},
	{"prltoolsd", tools},
};

/* Of units; sockets and timers start services, too. */
static const char *const suffixes[] = {".service", ".socket", ".timer", ".path"};

static bool has_suffix(const char *name)
{
	bool any = false;

	for (size_t k = 0; k < P2V_N(suffixes); k++)
		any |= p2v_span_ends(p2v_span_str(name), suffixes[k]);
	return any;
}

/* A link to /dev/null in the place of the unit: it does not start, whoever wants it. Or our
 * drop-in, where the unit itself is in that place. */
static bool is_masked(struct inspection *in, const char *name)
{
	const char *suffix = has_suffix(name) ? "" : suffixes[0];
	p2v_autofree char *path = p2v_strf("/etc/systemd/system/%s%s", name, suffix);
	p2v_autofree char *drop_in = path ? p2v_strf("%s.d/p2v-off.conf", path) : NULL;
	p2v_autofree char *target = NULL;

	if (!path || !drop_in)
		return false;
	return guest_is_file(in->g, drop_in) ||
	       (guest_read_link(in->g, path, &target, NULL) == 0 && !strcmp(target, "/dev/null"));
}

/* init(5) of upstart: an override that says "manual". */
static bool is_manual(struct inspection *in, const char *name)
{
	p2v_autofree char *path = p2v_strf("/etc/init/%s.override", name);
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;

	if (!path || inspect_text(in, path, INSPECT_OPTIONAL, &text) <= 0)
		return false;
	rest = inspect_span(&text);
	while (p2v_line_next(&rest, &line))
		if (p2v_span_eq(p2v_span_trim(line), "manual"))
			return true;
	return false;
}

static bool is_off(struct inspection *in, const char *name)
{
	if (strcmp(in->os->init, "systemd") == 0)
		return is_masked(in, name);
	return strcmp(in->os->init, "upstart") == 0 && is_manual(in, name);
}

static bool already(const struct facts_os *os, const char *name)
{
	for (size_t i = 0; i < os->n_services; i++)
		if (strcmp(os->services[i].name, name) == 0)
			return true;
	return false;
}

static const char *reason_for(const char *name)
{
	for (size_t i = 0; i < P2V_N(candidates); i++)
		if (fnmatch(candidates[i].name, name, 0) == 0)
			return candidates[i].reason;
	return NULL;
}

/* name: a service's as init calls it; suffix: of another kind of unit. */
static int consider(struct inspection *in, struct p2v_span name, const char *suffix)
{
	p2v_autofree char *stem = name.n < 200 ? p2v_span_dup(name) : NULL;
	p2v_autofree char *whole = stem ? p2v_strf("%s%s", stem, suffix) : NULL;
	const char *reason = stem ? reason_for(stem) : NULL;
	struct facts_service *s;
	int r;

	if (!whole || !reason || already(in->os, whole) || is_off(in, whole) ||
		in->os->n_services == INSPECT_LIST_MAX)
		return 0;
	s = inspect_grow(in, (void **)&in->os->services, &in->os->n_services, sizeof(*s));
	r = s ? inspect_set(in, &s->name, whole) : P2V_ENOMEM;
	return r < 0 ? r : inspect_set(in, &s->reason, reason);
}

/* x.target.wants/smartd.service */
static int read_wants(struct inspection *in, const struct guest_dir *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_entries; i++)
		for (size_t k = 0; r == 0 && k < P2V_N(suffixes); k++) {
			struct p2v_span name = p2v_span_str(d->entries[i].name);

			if (p2v_span_ends(name, suffixes[k]))
				r = consider(in, p2v_span_of(name.p, name.n - strlen(suffixes[k])),
					k ? suffixes[k] : "");
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
			r = consider(in, p2v_span_skip(name, 3), "");
	}
	return r;
}

static int read_jobs(struct inspection *in, const struct guest_dir *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_entries; i++) {
		struct p2v_span name = p2v_span_str(d->entries[i].name);

		if (p2v_span_ends(name, ".conf"))
			r = consider(in, p2v_span_of(name.p, name.n - strlen(".conf")), "");
	}
	return r;
}

static int read_names(struct inspection *in, const struct guest_dir *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_entries; i++)
		r = consider(in, p2v_span_str(d->entries[i].name), "");
	return r;
}

/* Where a service is enabled, by the init that reads it. systemd starts what old scripts are
 * linked for, too. */
static const struct {
	const char *inits, *path;
	int (*read)(struct inspection *in, const struct guest_dir *d);
} places[] = {
	{"systemd", "/etc/systemd/system/*.wants", read_wants},
	{"systemd", "/etc/systemd/system/*.requires", read_wants},
	{"systemd sysvinit upstart", "/etc/rc[2-5S].d", read_rc},
	{"systemd sysvinit upstart", "/etc/rc.d/rc[2-5].d", read_rc},
	{"sysvinit", "/etc/init.d/rc[2-5].d", read_rc},
	{"upstart", "/etc/init", read_jobs},
	{"openrc", "/etc/runlevels/*", read_names},
};

static int read_dir(struct inspection *in, const char *path,
	int (*read)(struct inspection *in, const struct guest_dir *d))
{
	struct guest_dir d = {0};
	int r = inspect_list(in, path, NULL, &d);

	if (r == 0)
		r = read(in, &d);
	guest_dir_finish(&d);
	return r;
}

/* All directories of the pattern's parent whose names match its last part. */
static int read_dirs(struct inspection *in, const char *pattern,
	int (*read)(struct inspection *in, const struct guest_dir *d))
{
	const char *slash = strrchr(pattern, '/');
	p2v_autofree char *top = strndup(pattern, (size_t)(slash - pattern));
	struct guest_dir d = {0};
	int r;

	if (!strpbrk(pattern, "*["))
		return read_dir(in, pattern, read);
	r = top ? inspect_list(in, top, slash + 1, &d)
		: p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; r == 0 && i < d.n_entries; i++) {
		p2v_autofree char *path = p2v_path_join(top, d.entries[i].name);

		if (path && d.entries[i].st.type != GUEST_FILE && guest_is_dir(in->g, path))
			r = read_dir(in, path, read);
	}
	guest_dir_finish(&d);
	return r;
}

int inspect_services(struct inspection *in)
{
	int r = 0;

	/* None can be disabled; those of hardware that is not there do nothing. */
	if (in->os->static_etc)
		return 0;
	for (size_t i = 0; r == 0 && i < P2V_N(places); i++)
		if (strstr(places[i].inits, in->os->init))
			r = read_dirs(in, places[i].path, places[i].read);
	return r;
}
