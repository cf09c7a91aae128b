/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The virtio drivers: into each initramfs now, and into the ones that the guest makes later. */

#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

/* Both disk buses, so that the machine can be given the other one later.
 * No virtio_net: a card that appears in the initramfs is named there, by rules that do not know the
 * kept names, and udev before 243 lets no name be changed twice. */
const char *const plan_virtio_modules[] = {
	"virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", NULL};

static const char *const *wanted(const struct planning *p)
{
	return p->virtio_disk ? plan_virtio_modules : p->disk_drivers;
}

/* One that an initramfs may lack, and that a guest is told to put there. sd_mod it knows by itself.
 */
static bool is_told(const struct planning *p, const char *module)
{
	for (size_t i = 0; i < p->os->n_kernels; i++)
		if (plan_is_kernel(&p->os->kernels[i]) &&
			plan_has_module(&p->os->kernels[i], module))
			return !plan_is(module, "sd_mod");
	return false;
}

static bool lacks_any(const struct facts_kernel *k, const struct facts_initramfs *image,
	const char *const *modules)
{
	for (size_t i = 0; modules[i]; i++)
		if (plan_has_module(k, modules[i]) && !plan_holds(image, modules[i]))
			return true;
	return false;
}

/* The choice of devices has seen to it that this can be done; where it need not be, it may not. */
static void inject(struct planning *p, const struct facts_kernel *k,
	const struct facts_initramfs *image, const char *whose)
{
	const char *const *modules = wanted(p);

	if (!lacks_any(k, image, modules) || !plan_extends(image))
		return;
	plan_step(p, "initramfs-inject", image->path,
		"Kernel %s must find its disk on %s: the drivers are not in %s initramfs.",
		k->release, p->virtio_disk ? "virtio" : p->plan->disks[0].bus, whose);
	plan_arg(p, "kernel", k->release);
	for (size_t i = 0; modules[i]; i++)
		if (plan_has(k, modules[i]))
			plan_arg(p, "module", modules[i]);
}

/* kdump's own, which starts where the kernel has crashed. */
static void inject_crash(struct planning *p, const struct facts_kernel *k)
{
	for (size_t i = 0; i < k->n_crash; i++) {
		const struct facts_initramfs *crash = &k->crash[i];

		if (plan_extends(crash))
			inject(p, k, crash, "kdump's");
		else if (lacks_any(k, crash, wanted(p)))
			plan_step(p, "crash-image-remove", crash->path,
				"kdump's initramfs for kernel %s is without the drivers of the "
				"disk, and they cannot be added: without it kdump makes a new one.",
				k->release);
	}
}

static const char *keep(const struct planning *p)
{
	return p->virtio_disk ? "The guest's next update of its initramfs must keep the virtio "
				"drivers."
			      : "The guest's next update of its initramfs must keep the drivers "
				"of its disks.";
}

/* The drivers, a blank between two; at most some. */
static void join(const struct planning *p, char text[128])
{
	const char *const *modules = wanted(p);
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; modules[i] && n < 100; i++)
		if (is_told(p, modules[i]))
			n += (size_t)snprintf(
				text + n, 128 - n, "%s%.30s", n ? " " : "", modules[i]);
}

static void keep_initramfs_tools(struct planning *p)
{
	plan_step(p, "lines-add", "/etc/initramfs-tools/modules", "%s", keep(p));
	for (size_t i = 0; wanted(p)[i]; i++)
		if (is_told(p, wanted(p)[i]))
			plan_arg(p, "line", wanted(p)[i]);
}

static void keep_dracut(struct planning *p)
{
	char text[160], names[128];

	join(p, names);
	snprintf(text, sizeof(text), "add_drivers+=\" %s \"", names);
	plan_step(p, "file-write", "/etc/dracut.conf.d/50-p2v.conf", "%s", keep(p));
	plan_arg(p, "line", text);
}

/* Versions before 38 do not read mkinitcpio.conf.d; those that may lack the one file do. */
static void keep_mkinitcpio(struct planning *p)
{
	char text[160], names[128];
	bool has = false;

	join(p, names);
	snprintf(text, sizeof(text), "MODULES+=(%s)", names);
	for (size_t i = 0; i < p->os->n_initramfs_config; i++)
		has |= plan_is(p->os->initramfs_config[i], "/etc/mkinitcpio.conf");
	plan_step(p, "lines-add",
		has ? "/etc/mkinitcpio.conf" : "/etc/mkinitcpio.conf.d/50-p2v.conf", "%s", keep(p));
	plan_arg(p, "line", text);
}

/* SUSE: INITRD_MODULES="..." */
static void keep_sysconfig(struct planning *p)
{
	plan_step(p, "words-add", "/etc/sysconfig/kernel", "%s", keep(p));
	plan_arg(p, "name", "INITRD_MODULES");
	for (size_t i = 0; wanted(p)[i]; i++)
		if (is_told(p, wanted(p)[i]))
			plan_arg(p, "word", wanted(p)[i]);
}

/* Red Hat's mkinitrd takes what modprobe.conf names as a disk's driver. */
static void keep_modprobe(struct planning *p)
{
	char text[80];

	plan_step(p, "lines-add", "/etc/modprobe.conf", "%s", keep(p));
	for (size_t i = 0, n = 0; wanted(p)[i]; i++) {
		if (!is_told(p, wanted(p)[i]))
			continue;
		/* Numbers that no installer gives. */
		snprintf(text, sizeof(text), "alias scsi_hostadapter%zu %.40s", 90 + n++,
			wanted(p)[i]);
		plan_arg(p, "line", text);
	}
}

/* Alpine: sets of modules that it calls features. */
static void keep_mkinitfs(struct planning *p)
{
	plan_step(p, "words-add", "/etc/mkinitfs/mkinitfs.conf", "%s", keep(p));
	plan_arg(p, "name", "features");
	plan_arg(p, "word", p->virtio_disk ? "virtio" : "ata");
	/* virtio_scsi is one of that. */
	if (p->virtio_disk)
		plan_arg(p, "word", "scsi");
}

static const struct {
	const char *kind;
	void (*keep)(struct planning *p);
} tools[] = {
	{"initramfs-tools", keep_initramfs_tools},
	{"dracut", keep_dracut},
	{"mkinitcpio", keep_mkinitcpio},
	{"mkinitrd-suse", keep_sysconfig},
	{"mkinitrd-rh", keep_modprobe},
	{"mkinitfs", keep_mkinitfs},
};

/* The configuration has them in each initramfs already. */
static bool kept(const struct planning *p)
{
	const struct facts_os *os = p->os;

	for (size_t i = 0; wanted(p)[i]; i++) {
		bool found = !is_told(p, wanted(p)[i]);

		for (size_t k = 0; k < os->n_initramfs_modules; k++)
			found |= plan_is(os->initramfs_modules[k], wanted(p)[i]);
		if (!found)
			return false;
	}
	return true;
}

static bool used(const struct facts_os *os, const char *tool)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) && plan_is(os->kernels[i].initramfs.kind, tool))
			return true;
	return false;
}

void plan_initramfs(struct planning *p)
{
	bool known = false;

	if (!wanted(p) || p->sealed)
		return;
	for (size_t i = 0; i < p->os->n_kernels; i++)
		if (plan_is_kernel(&p->os->kernels[i])) {
			const struct facts_kernel *k = &p->os->kernels[i];

			inject(p, k, &k->initramfs, "its");
			inject_crash(p, k);
		}
	for (size_t i = 0; i < P2V_N(tools); i++) {
		if (!used(p->os, tools[i].kind))
			continue;
		if (!kept(p))
			tools[i].keep(p);
		known = true;
	}
	if (!known && p->plan->n_steps)
		plan_warn(p, "it is unknown what makes this guest's initramfs: after the next "
			     "kernel update check that the new one holds virtio_blk");
}
