/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The virtio drivers: into each initramfs now, and into the ones that the guest makes later. */

#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

/* No virtio_net: a card that appears in the initramfs is named there, by rules that do not know the
 * kept names, and udev before 243 lets no name be changed twice. */
const char *const plan_virtio_modules[] = {
	"virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", NULL};

static bool lacks_any(const struct facts_kernel *k)
{
	for (size_t i = 0; plan_virtio_modules[i]; i++)
		if (plan_has_module(k, plan_virtio_modules[i]) &&
			!plan_holds(&k->initramfs, plan_virtio_modules[i]))
			return true;
	return false;
}

static void inject(struct planning *p, const struct facts_kernel *k)
{
	if (!lacks_any(k))
		return;
	if (!*plan_text(k->initramfs.path)) {
		plan_block(p,
			"kernel %s has its virtio drivers as modules, but no initramfs in "
			"/boot to load them from",
			k->release);
		return;
	}
	if (!k->initramfs.tail_ok) {
		plan_block(p, "%s: this initramfs cannot be extended (%s compression)",
			k->initramfs.path,
			*plan_text(k->initramfs.compression) ? k->initramfs.compression
							     : "unknown");
		return;
	}
	plan_step(p, "initramfs-inject", k->initramfs.path,
		"Kernel %s must find its disk on virtio: the drivers are not in its initramfs.",
		k->release);
	plan_arg(p, "kernel", k->release);
	for (size_t i = 0; plan_virtio_modules[i]; i++)
		if (plan_has(k, plan_virtio_modules[i]))
			plan_arg(p, "module", plan_virtio_modules[i]);
}

static const char keep[] = "The guest's next update of its initramfs must keep the virtio drivers.";

static void keep_initramfs_tools(struct planning *p)
{
	plan_step(p, "lines-add", "/etc/initramfs-tools/modules", "%s", keep);
	for (size_t i = 0; i < 3; i++)
		plan_arg(p, "line", plan_virtio_modules[i]);
}

static void keep_dracut(struct planning *p)
{
	plan_step(p, "file-write", "/etc/dracut.conf.d/50-p2v.conf", "%s", keep);
	plan_arg(p, "line", "add_drivers+=\" virtio_pci virtio_blk virtio_scsi \"");
}

/* Versions before 38 do not read mkinitcpio.conf.d; those that may lack the one file do. */
static void keep_mkinitcpio(struct planning *p)
{
	bool has = false;

	for (size_t i = 0; i < p->os->n_initramfs_config; i++)
		has |= plan_is(p->os->initramfs_config[i], "/etc/mkinitcpio.conf");
	plan_step(p, "lines-add",
		has ? "/etc/mkinitcpio.conf" : "/etc/mkinitcpio.conf.d/50-p2v.conf", "%s", keep);
	plan_arg(p, "line", "MODULES+=(virtio_pci virtio_blk virtio_scsi)");
}

static const struct {
	const char *kind;
	void (*keep)(struct planning *p);
} tools[] = {
	{"initramfs-tools", keep_initramfs_tools},
	{"dracut", keep_dracut},
	{"mkinitcpio", keep_mkinitcpio},
};

/* The configuration has them in each initramfs already. */
static bool kept(const struct facts_os *os)
{
	for (size_t i = 0; i < 3; i++) {
		bool found = false;

		for (size_t k = 0; k < os->n_initramfs_modules; k++)
			found |= plan_is(os->initramfs_modules[k], plan_virtio_modules[i]);
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

	if (!p->virtio_disk || p->sealed)
		return;
	for (size_t i = 0; i < p->os->n_kernels; i++)
		if (plan_is_kernel(&p->os->kernels[i]))
			inject(p, &p->os->kernels[i]);
	for (size_t i = 0; i < P2V_N(tools); i++) {
		if (!used(p->os, tools[i].kind))
			continue;
		if (!kept(p->os))
			tools[i].keep(p);
		known = true;
	}
	if (!known && p->plan->n_steps)
		plan_warn(p, "it is unknown what makes this guest's initramfs: after the next "
			     "kernel update check that the new one holds virtio_blk");
}
