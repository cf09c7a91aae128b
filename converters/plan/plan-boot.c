/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The boot loader: kernels that also talk on the serial line. */

#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

static void add_console(struct planning *p, const char *path)
{
	plan_step(p, "boot-args", path,
		"A virtual machine's console is its serial line; the screen stays in use beside "
		"it.");
	plan_arg(p, "loader", p->os->bootloader.kind);
	plan_arg(p, "add", "console=tty0");
	/* The last console is /dev/console. */
	plan_arg(p, "add", "console=ttyS0,115200n8");
}

void plan_boot(struct planning *p)
{
	const struct facts_bootloader *b = &p->os->bootloader;

	if (!b->n_configs) {
		plan_warn(p,
			"the boot loader (%s) is left as it is: its configuration is not one "
			"that can be edited yet",
			*plan_text(b->kind) ? b->kind : "unknown");
		return;
	}
	if (b->serial_console)
		return;
	for (size_t i = 0; i < b->n_configs; i++)
		add_console(p, b->configs[i]);
	for (size_t i = 0; i < b->n_sources; i++)
		add_console(p, b->sources[i]);
	if (!p->os->console_getty)
		plan_warn(p,
			"no login will be offered on the serial line: this guest's init (%s) "
			"needs a getty configured for it",
			plan_text(p->os->init));
}

void plan_services(struct planning *p)
{
	for (size_t i = 0; i < p->os->n_services; i++) {
		const struct facts_service *s = &p->os->services[i];

		plan_step(p, plan_is(p->os->init, "systemd") ? "unit-mask" : "rc-disable",
			plan_is(p->os->init, "systemd") ? "/etc/systemd/system" : "/etc",
			"%s %s; there is none in a virtual machine.", s->name, s->reason);
		plan_arg(p, "name", s->name);
	}
	/* The door gives new files the label of a neighbour; a full relabel mends what that
	 * misses. */
	if (p->os->selinux && p->plan->n_steps) {
		plan_step(p, "file-write", "/.autorelabel",
			"SELinux must label the changed files anew, at the first start.");
		plan_arg(p, "line", "");
	}
}

/* What the end-to-end tests boot: all parts of one row, and nothing else. */
static const struct {
	const char *loader, *firmware, *initramfs, *network, *root;
} proven[] = {
	{"grub2", "bios", "initramfs-tools", "ifupdown", "ext4"},
};

static bool all_initramfs(const struct facts_os *os, const char *kind)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) &&
			!plan_is(os->kernels[i].initramfs.kind, kind))
			return false;
	return true;
}

static bool all_network(const struct facts_os *os, const char *dialect)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (!plan_is(os->nics[i].dialect, dialect) && !plan_is(os->nics[i].kind, "name"))
			return false;
	return true;
}

/* A file system of that kind on a partition of its own, no volume or array. */
static bool root_is(const struct planning *p, const char *kind)
{
	for (size_t i = 0; i < p->facts->n_filesystems; i++) {
		const struct facts_fs *f = &p->facts->filesystems[i];

		if (plan_is(f->device, p->os->root))
			return f->part && plan_is(f->kind, kind);
	}
	return false;
}

void plan_grade(struct planning *p)
{
	const struct facts_os *os = p->os;

	p->plan->grade = p->plan->n_blockers ? GRADE_COPIED : GRADE_GENERIC;
	if (!p->virtio_disk || !p->virtio_net || p->plan->n_warnings || p->plan->n_blockers)
		return;
	for (size_t i = 0; i < P2V_N(proven); i++)
		if (plan_is(os->bootloader.kind, proven[i].loader) &&
			plan_is(p->plan->firmware, proven[i].firmware) &&
			all_initramfs(os, proven[i].initramfs) &&
			all_network(os, proven[i].network) && root_is(p, proven[i].root))
			p->plan->grade = GRADE_PROVEN;
}
