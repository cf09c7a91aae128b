/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The drivers that a boot from a virtual disk needs, and the filters of vendors in their way. */

#include <stdlib.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* Disks of virtual machines, the buses that they hang on, what stacks above them; and processor
 * drivers that look at the old machine's processor. */
static const char *const wanted[] = {"viostor", "vioscsi", "netkvm", "storahci", "msahci",
	"stornvme", "atapi", "intelide", "pciide", "pci", "vpci", "disk", "partmgr", "volmgr",
	"intelppm", "amdppm", "amdk8", "processr", "p3", "agp440", "gagp30kx"};

/* Classes between the disk and the file system. */
static const char *const classes[] = {
	"{4d36e967-e325-11ce-bfc1-08002be10318}", /* disks */
	"{71a27cdd-812a-11d0-bec7-08002be2092f}", /* volumes */
	"{4d36e97b-e325-11ce-bfc1-08002be10318}", /* SCSI and RAID adapters */
	"{4d36e96a-e325-11ce-bfc1-08002be10318}", /* IDE and AHCI adapters */
	"{4d36e97d-e325-11ce-bfc1-08002be10318}", /* system */
};

/* Filters of hardware that stays behind: their devices are gone, so they have nothing to do, and
 * some refuse to start then. Filters of software (backup, encryption) stay. */
static const char *const vendor_filters[] = {"emcpbase", "emcpmpx", "mpdev", "mpspfltr", "hpdskflt",
	"hpsamd", "hpcisss", "hpcisss2", "hpcisss3", "megasas", "megasas2", "percsas2i",
	"percsas3i", "iaStorF", "iaStorA", "iaStorAV", "iaStorAC", "iaStorVD", "nvstor", "nvraid",
	"prl_strg", "rhelscsi", "vsepflt", "cissesrv", "cpqarry2", "adpu320", "symmpi", "lsi_sas",
	"aacraid", "arcsas", "mptsas", "qlfcoe", "ql2300", "lpxfc", "elxstor", "bfadfcoe",
	"dellprop", "pwdrvio", "ibmsasad"};

static int read_driver(struct windows *win, const char *set, const char *name)
{
	p2v_autofree char *key = p2v_strf("%s\\Services\\%s", set, name);
	p2v_autofree char *over = p2v_strf("%s\\Services\\%s\\StartOverride", set, name);
	p2v_autofree char *rest = p2v_strf("System32/drivers/%s.sys", name);
	p2v_autofree char *file = NULL;
	p2v_autofree char *source = NULL;
	struct facts_windows_driver *d;
	bool there;
	int r;

	if (!key || !over || !rest)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	there = guest_hive_has_key(win->system, key);
	file = windows_path(win, rest);
	if (!file || !guest_is_file(win->in->g, file))
		source = windows_source(win, name);
	if (!there && !source)
		return 0;
	d = inspect_grow(win->in, (void **)&win->w->drivers, &win->w->n_drivers, sizeof(*d));
	if (!d)
		return P2V_ENOMEM;
	d->source = p2v_steal(source);
	d->start = windows_u32(win, win->system, key, "Start", 4);
	d->overridden = guest_hive_has_key(win->system, over);
	d->present = file && guest_is_file(win->in->g, file);
	r = inspect_set(win->in, &d->name, name);
	return r < 0 ? r : inspect_set(win->in, &d->set, set);
}

static bool is_vendor_filter(const char *name)
{
	for (size_t i = 0; i < P2V_N(vendor_filters); i++)
		if (strcasecmp(name, vendor_filters[i]) == 0)
			return true;
	return false;
}

static int read_filters(struct windows *win, const char *key, const char *value)
{
	guest_auto_names struct guest_hive_names names = {0};
	int r = 0;

	windows_texts(win, win->system, key, value, &names);
	for (size_t i = 0; r == 0 && i < names.n_items; i++) {
		struct facts_windows_filter *f;

		if (!is_vendor_filter(names.items[i]))
			continue;
		f = inspect_grow(
			win->in, (void **)&win->w->filters, &win->w->n_filters, sizeof(*f));
		if (!f)
			return P2V_ENOMEM;
		r = inspect_set(win->in, &f->key, key);
		if (r == 0)
			r = inspect_set(win->in, &f->value, value);
		if (r == 0)
			r = inspect_set(win->in, &f->name, names.items[i]);
	}
	return r;
}

static int read_set(struct windows *win, const char *set)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(wanted); i++)
		r = read_driver(win, set, wanted[i]);
	for (size_t i = 0; r == 0 && i < P2V_N(classes); i++) {
		p2v_autofree char *key = p2v_strf("%s\\Control\\Class\\%s", set, classes[i]);

		r = key ? read_filters(win, key, "UpperFilters")
			: p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
		if (r == 0)
			r = read_filters(win, key, "LowerFilters");
	}
	return r;
}

/* QEMU's IDE controller, in every control set. */
static bool lists_ide(struct windows *win)
{
	size_t n = 0;

	for (size_t i = 0; i < win->w->n_sets; i++) {
		p2v_autofree char *key = p2v_strf("%s\\Control\\CriticalDeviceDatabase\\"
						  "pci#ven_8086&dev_7010",
			win->w->sets[i]);

		n += key && guest_hive_has_key(win->system, key);
	}
	return n && n == win->w->n_sets;
}

int windows_drivers(struct windows *win)
{
	int r = 0;

	win->w->ide_listed = lists_ide(win);
	win->w->driver_database = guest_hive_has_key(win->system, "DriverDatabase");
	for (size_t i = 0; r == 0 && i < win->w->n_sets; i++)
		r = read_set(win, win->w->sets[i]);
	return r;
}
