/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What only Windows itself can do: install drivers, give addresses to cards that it has not seen
 * yet. A service starts a script once, and both go when it is done. The service's program is cmd,
 * which Windows has: as it is no service, the service manager gives it up and logs that (events
 * 7000, 7009); the script runs on beside it.
 */

#include <stdio.h>
#include <string.h>

#include "converters/plan/windows-script.h"
#include "p2v/core/cleanup.h"

/* Drivers to be installed where the medium has them. */
static const char *const staged[] = {
	"viostor", "vioscsi", "netkvm", "balloon", "vioser", "viorng", "pvpanic", "fwcfg"};

bool plan_windows_installs(const struct planning *p)
{
	for (size_t i = 0; i < P2V_N(staged); i++)
		if (plan_windows_offer(p, staged[i]))
			return true;
	return false;
}

static void stage_driver(struct planning *p, const struct target_driver *d)
{
	for (size_t i = 0; i < d->n_package; i++) {
		const char *name = plan_base_name(d->package[i]);
		char to[256];

		if (!plan_is_plain(name))
			continue;
		snprintf(to, sizeof(to), "%s/%s", d->name, name);
		plan_arg(p, "from", d->package[i]);
		plan_arg(p, "to", to);
	}
}

static void stage_drivers(struct planning *p)
{
	char path[512], names[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < P2V_N(staged); i++)
		if (plan_windows_offer(p, staged[i]))
			n += (size_t)snprintf(
				names + n, sizeof(names) - n, "%s%s", n ? ", " : "", staged[i]);
	if (!n)
		return;
	snprintf(path, sizeof(path), "%s/p2v/drivers", plan_windows(p)->dir);
	plan_step(p, "media-copy", path,
		"Windows installs these drivers from here at its first start: %s.", names);
	for (size_t i = 0; i < P2V_N(staged); i++)
		if (plan_windows_offer(p, staged[i]))
			stage_driver(p, plan_windows_offer(p, staged[i]));
}

/* Windows' own programs are Microsoft's, and what Microsoft has tested. */
static bool asks_about(const struct target_driver *d)
{
	return d && plan_is_plain(d->publisher_serial) && *plan_text(d->catalog) &&
	       strncmp(plan_text(d->publisher), "Microsoft", 9) != 0;
}

static bool is_trusted_before(const struct planning *p, size_t at)
{
	const char *serial = plan_windows_offer(p, staged[at])->publisher_serial;

	for (size_t i = 0; i < at; i++) {
		const struct target_driver *d = plan_windows_offer(p, staged[i]);

		if (asks_about(d) && plan_is(d->publisher_serial, serial))
			return true;
	}
	return false;
}

/* pnputil wants to ask somebody at the screen, and installs nothing where there is none. */
static void stage_publishers(struct planning *p)
{
	for (size_t i = 0; plan_windows(p)->major >= 6 && i < P2V_N(staged); i++) {
		const struct target_driver *d = plan_windows_offer(p, staged[i]);
		char path[512];

		if (!asks_about(d) || is_trusted_before(p, i))
			continue;
		snprintf(path, sizeof(path), "%s/p2v/drivers/%s.cer", plan_windows(p)->dir,
			d->publisher_serial);
		plan_step(p, "media-certificate", path,
			"Windows installs drivers of '%s' without asking somebody only where it "
			"trusts that publisher: it does while the script installs them.",
			d->publisher);
		plan_arg(p, "from", d->catalog);
	}
}

static void stage_agent(struct planning *p)
{
	char path[512];

	if (!plan_windows_takes_agent(p))
		return;
	snprintf(path, sizeof(path), "%s/p2v/qemu-ga.msi", plan_windows(p)->dir);
	plan_step(p, "media-copy", path,
		"The guest agent, by which the hypervisor talks to Windows, is installed from "
		"here.");
	plan_arg(p, "from", p->target->guest_agent);
}

static void add_service(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	plan_hive_step(p, "SYSTEM",
		"A service runs the script once, at the first start of Windows%s.",
		w->auto_reboot ? "; until then a crash stays on the screen" : "");
	for (size_t i = 0; i < w->n_sets; i++) {
		plan_hive_key(p, w->sets[i], "Services\\" WINDOWS_SERVICE);
		plan_hive_u32(p, "Type", 0x10);
		plan_hive_u32(p, "Start", 2);
		plan_hive_u32(p, "ErrorControl", 0);
		plan_hive_value(p, "expand", "ImagePath",
			"%SystemRoot%\\System32\\cmd.exe /c start \"\" /b "
			"%SystemRoot%\\System32\\cmd.exe /c %SystemRoot%\\p2v\\firstboot.cmd");
		plan_hive_value(p, "text", "DisplayName", "p2v: first start as a virtual machine");
		plan_hive_value(p, "text", "ObjectName", "LocalSystem");
		if (!w->auto_reboot)
			continue;
		plan_hive_key(p, w->sets[i], "Control\\CrashControl");
		plan_hive_u32(p, "AutoReboot", 0);
	}
}

/* XP and 2003 have no pnputil: they look in DevicePath, and would ask somebody about each device.
 */
static void find_by_path(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	if (w->major >= 6 || !plan_windows_installs(p))
		return;
	plan_hive_step(p, "SOFTWARE",
		"Windows looks there for the drivers of new devices, and asks nobody.");
	plan_hive_key(p, "", "Microsoft\\Windows\\CurrentVersion");
	for (size_t i = 0; i < P2V_N(staged); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%%SystemRoot%%\\p2v\\drivers\\%s", staged[i]);
		if (plan_windows_offer(p, staged[i]))
			plan_hive_value(p, "expand-more", "DevicePath", path);
	}
	if (plan_windows_version(p) == 501) {
		plan_hive_key(p, "", "Policies\\Microsoft\\Windows\\DeviceInstall\\Settings");
		plan_hive_u32(p, "SuppressNewHWUI", 1);
		return;
	}
	plan_hive_step(p, "SYSTEM", "Windows asks nobody about new devices at its first start.");
	for (size_t i = 0; i < w->n_sets; i++) {
		plan_hive_key(p, w->sets[i], "Services\\PlugPlay\\Parameters");
		plan_hive_u32(p, "SuppressUI", 1);
	}
}

void plan_windows_first_boot(struct planning *p)
{
	char path[512];

	if (!plan_windows_has_script(p))
		return;
	stage_drivers(p);
	stage_publishers(p);
	stage_agent(p);
	find_by_path(p);
	snprintf(path, sizeof(path), "%s/p2v/firstboot.cmd", plan_windows(p)->dir);
	plan_step(p, "cmd-write", path,
		"At its first start Windows installs the drivers and gives the cards their "
		"addresses; what it did is in firstboot.log beside this.");
	plan_windows_script(p);
	add_service(p);
}
