/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What starts before anything can be installed: the driver of the disk that Windows is on.
 *
 *	its file      System32\drivers\viostor.sys
 *	its service   Services\viostor, in every control set that may be booted
 *	its devices   up to 7: Control\CriticalDeviceDatabase; from 8 on: DriverDatabase, in the
 *	              same hive (storage is among the classes that a boot needs)
 *
 * Both virtio drivers are put there, so that a disk of either kind starts.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"

/* A package key has to be called like one, or Windows' own tools stumble over it. */
#define PACKAGE_HASH "0000000000000000"

static const struct {
	const char *name;
	uint32_t bus_type; /* ntddstor.h: SCSI, SAS */
} storages[] = {{"viostor", 1}, {"vioscsi", 10}};

/* What stands between the bus and the file system, whatever the disk. */
static const char *const below[] = {"pci", "vpci", "disk", "partmgr", "volmgr"};

/* IDE on XP and 2003, which look for each device's driver here (Microsoft's KB 314082). */
static const struct {
	const char *id, *service, *class_guid;
} ide_devices[] = {
#define HDC "{4D36E96A-E325-11CE-BFC1-08002BE10318}"
	{"primary_ide_channel", "atapi", HDC},
	{"secondary_ide_channel", "atapi", HDC},
	{"*pnp0600", "atapi", HDC},
	{"*azt0502", "atapi", HDC},
	{"gendisk", "disk", "{4D36E967-E325-11CE-BFC1-08002BE10318}"},
	{"pci#cc_0101", "pciide", HDC},
	{"pci#ven_8086&dev_7010", "intelide", HDC},
	{"pci#ven_8086&dev_7111", "intelide", HDC},
};

/* "PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00" without its SUBSYS, which a hypervisor's vendor
 * may choose; a compatible id of the device, too. false: no PCI device. */
static bool plain_id(const char *id, char *ret, size_t size)
{
	const char *sub = strstr(id, "&SUBSYS_");
	const char *rest = sub ? sub + 1 + strcspn(sub + 1, "&") : "";
	int n = snprintf(
		ret, size, "%.*s%s", (int)(sub ? sub - id : (ptrdiff_t)strlen(id)), id, rest);

	return strncmp(id, "PCI\\", 4) == 0 && n > 4 && (size_t)n < size &&
	       !strpbrk(ret + 4, "\\#/") && plan_text(ret)[0];
}

static bool has_revision(const struct target_driver *d)
{
	for (size_t i = 0; i < d->n_ids; i++)
		if (strstr(d->ids[i], "&REV_"))
			return true;
	return false;
}

/* Calls `add` once for each: where there are ids with a revision, for those alone, which are the
 * .inf's first choice. */
static void each_id(struct planning *p, const struct target_driver *d,
	void (*add)(
		struct planning *p, const struct target_driver *d, const char *set, const char *id),
	const char *set)
{
	char seen[16][128];
	size_t n = 0;

	for (size_t i = 0; i < d->n_ids && n < P2V_N(seen); i++) {
		bool known = !plain_id(d->ids[i], seen[n], sizeof(seen[n])) ||
			     (has_revision(d) && !strstr(seen[n], "&REV_"));

		for (size_t k = 0; k < n; k++)
			known |= strcasecmp(seen[k], seen[n]) == 0;
		if (!known)
			add(p, d, set, seen[n++]);
	}
}

static void add_critical(
	struct planning *p, const struct target_driver *d, const char *set, const char *id)
{
	plan_hive_key(p, set, "Control\\CriticalDeviceDatabase\\PCI#%s", id + strlen("PCI\\"));
	plan_hive_value(p, "text", "Service", d->service);
	plan_hive_value(p, "text", "ClassGUID", d->class_guid);
}

static void add_device_id(
	struct planning *p, const struct target_driver *d, const char *set, const char *id)
{
	char inf[128];

	snprintf(inf, sizeof(inf), "p2v%.100s.inf", d->name);
	plan_hive_key(p, set, "DriverDatabase\\DeviceIds\\%s", id);
	plan_hive_value(p, "binary", inf, "01ff0000");
}

static const char *arch_word(const struct planning *p)
{
	return plan_is(p->os->arch, "x86_64") ? "amd64" : "x86";
}

static void add_descriptor(
	struct planning *p, const struct target_driver *d, const char *set, const char *id)
{
	plan_hive_key(p, set,
		"DriverDatabase\\DriverPackages\\p2v%s.inf_%s_" PACKAGE_HASH "\\Descriptors\\%s",
		d->name, arch_word(p), id);
	plan_hive_value(p, "text", "Configuration", "p2v_conf");
}

static void add_package(struct planning *p, const struct target_driver *d)
{
	char inf[128], label[192], version[2 * WINDOWS_VERSION_BYTES + 1];

	if (!plan_windows_package_version(p->os->arch, d->class_guid, d->date, d->version, version))
		return;
	snprintf(inf, sizeof(inf), "p2v%.100s.inf", d->name);
	snprintf(label, sizeof(label), "%s_%s_" PACKAGE_HASH, inf, arch_word(p));
	plan_hive_key(p, "", "DriverDatabase\\DriverInfFiles\\%s", inf);
	plan_hive_value(p, "texts", "", label);
	plan_hive_value(p, "text", "Active", label);
	plan_hive_value(p, "texts", "Configurations", "p2v_conf");
	each_id(p, d, add_device_id, "");
	plan_hive_key(p, "", "DriverDatabase\\DriverPackages\\%s", label);
	plan_hive_value(p, "binary", "Version", version);
	plan_hive_key(p, "", "DriverDatabase\\DriverPackages\\%s\\Configurations\\p2v_conf", label);
	plan_hive_u32(p, "ConfigFlags", 0);
	plan_hive_value(p, "text", "Service", d->service);
	each_id(p, d, add_descriptor, "");
}

static void add_service(
	struct planning *p, const struct target_driver *d, const char *set, uint32_t bus_type)
{
	char path[160];

	snprintf(path, sizeof(path), "system32\\drivers\\%.100s.sys", d->service);
	plan_hive_key(p, set, "Services\\%s", d->service);
	plan_hive_u32(p, "Type", 1);
	plan_hive_u32(p, "Start", 0);
	plan_hive_u32(p, "ErrorControl", 1);
	plan_hive_value(p, "text", "Group", "SCSI miniport");
	plan_hive_value(p, "expand", "ImagePath", path);
	plan_hive_key(p, set, "Services\\%s\\Parameters", d->service);
	plan_hive_u32(p, "BusType", bus_type);
	plan_hive_key(p, set, "Services\\%s\\Parameters\\PnpInterface", d->service);
	plan_hive_u32(p, "5", 1); /* PCI */
	plan_hive_delete_key(p, set, "Services\\%s\\StartOverride", d->service);
}

static void add_storage(struct planning *p, const struct target_driver *d, uint32_t bus_type)
{
	const struct facts_windows *w = plan_windows(p);
	char path[512];

	snprintf(path, sizeof(path), "%s/System32/drivers/%.100s.sys", w->dir, d->service);
	plan_step(p, "media-copy", path, "%s", plan_text(d->about));
	plan_arg(p, "from", d->binary);
	plan_hive_step(p, "SYSTEM",
		"Windows has to have the driver %s running before it can read its own disk%s.",
		d->service,
		w->driver_database ? "" : ", and looks in a list of its own for whose that is");
	for (size_t i = 0; i < w->n_sets; i++) {
		add_service(p, d, w->sets[i], bus_type);
		if (!w->driver_database)
			each_id(p, d, add_critical, w->sets[i]);
	}
	if (w->driver_database)
		add_package(p, d);
}

/* ---- what Windows has itself ---- */

static bool is_below(const struct planning *p, const char *name, bool *ret_bus)
{
	*ret_bus = false;
	for (size_t i = 0; !p->virtio_disk && p->disk_drivers && p->disk_drivers[i]; i++)
		*ret_bus |= plan_is(name, p->disk_drivers[i]);
	for (size_t i = 0; i < P2V_N(below); i++)
		if (plan_is(name, below[i]))
			return true;
	return *ret_bus;
}

/* It has to start at boot, and does not. */
static bool sleeps(const struct planning *p, const struct facts_windows_driver *d)
{
	bool bus, wanted = is_below(p, d->name, &bus);

	return wanted && (d->overridden || (bus && d->start != 0)) && !*plan_text(d->source);
}

/* Windows 8 and later keep the drivers asleep that their own disk did not need. */
static void wake(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);
	bool any = false;

	for (size_t i = 0; i < w->n_drivers; i++) {
		const struct facts_windows_driver *d = &w->drivers[i];

		if (!sleeps(p, d))
			continue;
		if (!any)
			plan_hive_step(p, "SYSTEM",
				"Windows starts only the disk drivers that the old machine "
				"needed; a virtual machine needs these.");
		any = true;
		if (d->overridden)
			plan_hive_delete_key(p, d->set, "Services\\%s\\StartOverride", d->name);
		if (d->start != 0) {
			plan_hive_key(p, d->set, "Services\\%s", d->name);
			plan_hive_u32(p, "Start", 0);
		}
	}
}

/* Groups and tags of a plain installation: the controller before its channels. */
static const struct {
	const char *name, *group;
	uint32_t tag;
} inbox[] = {{"atapi", "SCSI miniport", 25}, {"intelide", "System Bus Extender", 4},
	{"pciide", "System Bus Extender", 3}};

static void register_inbox(
	struct planning *p, const struct facts_windows_driver *d, const char *group, uint32_t tag)
{
	char path[128];

	snprintf(path, sizeof(path), "system32\\drivers\\%.50s.sys", d->name);
	plan_hive_key(p, d->set, "Services\\%s", d->name);
	plan_hive_u32(p, "Type", 1);
	plan_hive_u32(p, "Start", 0);
	plan_hive_u32(p, "ErrorControl", 1);
	plan_hive_u32(p, "Tag", tag);
	plan_hive_value(p, "text", "Group", group);
	plan_hive_value(p, "expand", "ImagePath", path);
}

/* What its setup left out is on the disk all the same. */
static void fetch_inbox(struct planning *p, const char *name, const char *group, uint32_t tag)
{
	const struct facts_windows *w = plan_windows(p);
	bool fetched = false, bus;

	for (size_t i = 0; i < w->n_drivers; i++) {
		const struct facts_windows_driver *d = &w->drivers[i];
		char path[512], file[64];

		if (!plan_is(d->name, name) || !*plan_text(d->source) || !is_below(p, name, &bus))
			continue;
		snprintf(path, sizeof(path), "%s/System32/drivers/%.50s.sys", w->dir, name);
		snprintf(file, sizeof(file), "%.50s.sys", name);
		if (!fetched) {
			plan_step(p, "inbox-copy", path,
				"The old machine's disk needed no such driver; Windows brought it "
				"along, and the virtual machine's does.");
			plan_arg(p, "from", d->source);
			plan_arg(p, "name", file);
			plan_hive_step(p, "SYSTEM", "The driver %s starts with Windows.", name);
		}
		fetched = true;
		register_inbox(p, d, group, tag);
	}
}

static void add_ide_devices(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	plan_hive_step(p, "SYSTEM",
		"Windows looks in a list of its own for the drivers of its disk, and the virtual "
		"machine's IDE controller may not be there.");
	for (size_t i = 0; i < w->n_sets; i++)
		for (size_t k = 0; k < P2V_N(ide_devices); k++) {
			plan_hive_key(p, w->sets[i], "Control\\CriticalDeviceDatabase\\%s",
				ide_devices[k].id);
			plan_hive_value(p, "text", "Service", ide_devices[k].service);
			plan_hive_value(p, "text", "ClassGUID", ide_devices[k].class_guid);
		}
}

void plan_windows_storage(struct planning *p)
{
	for (size_t i = 0; i < P2V_N(storages); i++) {
		const struct target_driver *d = plan_windows_offer(p, storages[i].name);

		if (d && !plan_windows_boots(p, storages[i].name))
			add_storage(p, d, storages[i].bus_type);
	}
	wake(p);
	for (size_t i = 0; i < P2V_N(inbox); i++)
		fetch_inbox(p, inbox[i].name, inbox[i].group, inbox[i].tag);
	if (!p->virtio_disk && plan_windows(p)->major < 6 && !plan_windows(p)->ide_listed)
		add_ide_devices(p);
}
