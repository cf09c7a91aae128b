/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Which system is converted, on what kind of machine, and how its file systems are mounted. */

#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"
#include "p2v/model/check.h"

static const char *title(const struct facts_os *os)
{
	return *plan_text(os->pretty) ? os->pretty : *plan_text(os->id) ? os->id : os->kind;
}

static void block_ambiguous(struct planning *p)
{
	p2v_autobuf struct p2v_buf list = {0};

	for (size_t i = 0; i < p->facts->n_systems; i++)
		p2v_buf_addf(&list, "%s%s (%s)", i ? ", " : "", p->facts->systems[i].root,
			title(&p->facts->systems[i]));
	plan_block(p, "%zu operating systems are on these disks: %s. Name one with --root.",
		p->facts->n_systems, list.data ? (const char *)list.data : "");
}

static const struct facts_os *choose(struct planning *p)
{
	const char *root = plan_text(p->target->root);

	if (p->facts->n_systems == 0) {
		plan_block(p, "no operating system was found on these disks");
		return NULL;
	}
	if (!*root && p->facts->n_systems > 1) {
		block_ambiguous(p);
		return NULL;
	}
	for (size_t i = 0; i < p->facts->n_systems; i++)
		if (!*root || plan_is(p->facts->systems[i].root, root))
			return &p->facts->systems[i];
	plan_block(p, "--root %s: no operating system was found there", root);
	return NULL;
}

static void check_kind(struct planning *p, const struct facts_os *os)
{
	const char *arch = plan_text(os->arch);

	if (plan_is(os->kind, "ostree"))
		plan_block(p,
			"%s: %s: an ostree system (CoreOS, Silverblue, a bootc image) checks out "
			"its files, kernels and arguments from a repository, and changes of ours "
			"would be lost. Install the same system anew as a virtual machine, and "
			"copy /etc, /var and /home to it",
			os->root, title(os));
	else if (!plan_is(os->kind, "linux") && !os->n_windows)
		plan_block(p, "%s: a %s system: it cannot be converted", os->root, os->kind);
	else if (*arch && !plan_is(arch, "x86_64") && !plan_is(arch, "i686"))
		plan_block(p, "%s: %s is made for %s processors; the target has x86", os->root,
			title(os), arch);
}

/* Outer file systems first. */
static void mount(
	struct planning *p, const char *device, const char *mountpoint, const char *options)
{
	struct plan_mount *m =
		plan_grow(p, (void **)&p->plan->mounts, &p->plan->n_mounts, sizeof(*m));

	if (!m)
		return;
	plan_set(p, &m->device, device);
	plan_set(p, &m->mountpoint, mountpoint);
	plan_set(p, &m->options, options);
}

/* A line for the EFI system partition may be a leftover: the system starts without it. */
static bool is_leftover(const struct planning *p, const struct facts_mount *m)
{
	struct p2v_span options = p2v_span_str(plan_text(m->options));

	return (plan_is(m->mountpoint, "/boot/efi") || plan_is(m->mountpoint, "/efi")) &&
	       (!plan_is(p->plan->firmware, "uefi") || p2v_span_has_option(options, "nofail") ||
		       p2v_span_has_option(options, "noauto"));
}

/* What the system is made of is not here. */
static void tell_missing(struct planning *p, const struct facts_mount *m)
{
	if (!is_leftover(p, m))
		plan_block(p,
			"/etc/fstab: line %u: %s for %s is not on these disks; add the disk that "
			"holds it",
			m->line, m->spec, m->mountpoint);
}

/* Copies of a disk: which of the two a kernel finds first is chance. */
static void warn_twins(struct planning *p)
{
	for (size_t i = 0; i < p->facts->n_filesystems; i++)
		for (size_t k = 0; k < i; k++) {
			const struct facts_fs *a = &p->facts->filesystems[k],
					      *b = &p->facts->filesystems[i];
			struct p2v_span kind = p2v_span_str(plan_text(a->kind));

			if (!*plan_text(a->uuid) || !plan_is(b->uuid, a->uuid) ||
				!plan_is(b->kind, plan_text(a->kind)) ||
				p2v_span_eq(kind, "btrfs") ||
				(p2v_span_ends(kind, "_member") &&
					!p2v_span_eq(kind, "LVM2_member")))
				continue;
			plan_warn(p,
				"%s and %s have the same UUID (%s): one is a copy of the other, "
				"and the virtual machine may start from either. Leave the copy's "
				"disk out",
				a->device, b->device, a->uuid);
		}
}

static void mounts(struct planning *p)
{
	static const char *const wanted[] = {"/usr", "/var", "/boot", "/boot/efi", "/efi"};
	char subvolume[280] = "";
	bool missing = false;

	if (*plan_text(p->os->root_subvolume))
		snprintf(subvolume, sizeof(subvolume), "subvol=%.256s", p->os->root_subvolume);
	mount(p, p->os->root, "/", subvolume);
	for (size_t i = 0; i < P2V_N(wanted); i++) {
		for (size_t k = 0; k < p->os->n_mounts; k++) {
			const struct facts_mount *m = &p->os->mounts[k];

			if (!plan_is(m->mountpoint, wanted[i]) ||
				(plan_is(m->device, p->os->root) && !*plan_text(m->subvolume)))
				continue;
			if (*plan_text(m->subvolume))
				snprintf(subvolume, sizeof(subvolume), "subvol=%.256s",
					m->subvolume);
			missing |= !*plan_text(m->device);
			if (*plan_text(m->device))
				mount(p, m->device, m->mountpoint,
					*plan_text(m->subvolume) ? subvolume : "");
			else
				tell_missing(p, m);
			break;
		}
	}
	if (missing)
		plan_unseen(p);
}

/* openSUSE MicroOS, SLE Micro: the root is a snapshot that nobody writes to. */
static void block_transactional(struct planning *p)
{
	for (size_t i = 0; i < p->os->n_mounts; i++) {
		const struct facts_mount *m = &p->os->mounts[i];

		if (plan_is(m->mountpoint, "/etc") && plan_is(m->kind, "overlay"))
			plan_block(p,
				"/etc/fstab: line %u: /etc lies over a snapshot that is read-only "
				"(transactional-update): what is changed below it is not seen, or "
				"is lost. Install the same system anew as a virtual machine, and "
				"copy /etc, /var and /home to it",
				m->line);
	}
}

/* The EFI system partition, over a directory that is not needed meanwhile. */
static void windows_mounts(struct planning *p)
{
	const struct facts_windows *w = p->os->windows;

	mount(p, p->os->root, "/", "");
	if (*plan_text(w->esp) && *plan_text(w->esp_at))
		mount(p, w->esp, w->esp_at, "");
}

static void describe(struct planning *p)
{
	const struct machine *m = p->machine;
	struct plan *plan = p->plan;
	const char *firmware = *plan_text(m->firmware) ? m->firmware : "bios";

	plan_set(p, &plan->name, model_name_ok(m->name) ? m->name : "machine");
	plan_set(p, &plan->target, p->target->name);
	plan_set(p, &plan->format, p->target->format);
	plan_set(p, &plan->machine, "q35");
	plan_set(p, &plan->firmware, firmware);
	plan_set(p, &plan->os, p->os ? p->os->kind : "unknown");
	plan_set(p, &plan->arch, p->os ? p->os->arch : "");
	plan_set(p, &plan->root, p->os ? p->os->root : "");
	plan_set(p, &plan->rtc, p->os ? p->os->rtc : m->rtc);
	plan_set(p, &plan->uuid, m->uuid);
	plan->secure_boot = m->secure_boot && plan_is(firmware, "uefi");
	plan->memory_bytes = m->memory_bytes;
	plan->cpus = m->cpus;
	plan->grade = GRADE_COPIED;
}

/* A .link file is one more; all others are there, as links into the store. */
void plan_static_etc(struct planning *p)
{
	for (size_t i = 0; p->os->static_etc && i < p->plan->n_steps; i++) {
		const struct plan_step *step = &p->plan->steps[i];

		if (strncmp(plan_text(step->path), "/etc/", 5) == 0 &&
			!plan_is(step->op, "nic-link"))
			plan_block(p,
				"%s is made from the system's own description (NixOS, Guix) and "
				"cannot be changed in its place. %s Say so in the description, "
				"have the old system built from it, and convert it then",
				step->path, step->reason);
	}
}

void plan_system(struct planning *p)
{
	const struct facts_os *os = choose(p);

	p->os = os;
	describe(p);
	if (!os) {
		plan_unseen(p);
		return;
	}
	check_kind(p, os);
	if (p->facts->n_systems > 1)
		plan_warn(p,
			"%zu operating systems are on these disks, and the boot loader may start "
			"another: %s must be what is started where nobody chooses, as only it is "
			"made fit for the virtual machine",
			p->facts->n_systems, os->root);
	if (plan_is(os->kind, "linux")) {
		mounts(p);
		warn_twins(p);
		block_transactional(p);
	} else if (os->n_windows) {
		windows_mounts(p);
	} else {
		p->os = NULL;
	}
}
