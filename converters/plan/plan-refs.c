/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Names of the old hardware: replaced by what stays, removed, or told to the operator. */

#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

static void replace(struct planning *p, const struct facts_ref *ref, const char *op)
{
	char line[16];

	snprintf(line, sizeof(line), "%u", ref->line);
	plan_step(p, op, ref->path, "%s is a name that the old hardware gave; %s stays the same.",
		ref->text, ref->stable);
	plan_arg(p, "line", line);
	plan_arg(p, "from", ref->text);
	plan_arg(p, "to", ref->stable);
}

static void free_device(struct planning *p, const struct facts_ref *ref)
{
	if (*plan_text(ref->stable))
		replace(p, ref, "device-replace");
	else
		plan_warn(p,
			"%s: line %u: %s is not on these disks; the guest may wait for it "
			"when it starts",
			ref->path, ref->line, ref->text);
}

/* No swap that it names is here: the initramfs would wait half a minute for it. */
static void free_resume(struct planning *p, const struct facts_ref *ref)
{
	char line[16];

	if (*plan_text(ref->stable)) {
		replace(p, ref, "device-replace");
		return;
	}
	snprintf(line, sizeof(line), "%u", ref->line);
	plan_step(p, "device-replace", ref->path,
		"%s is not on these disks; waiting for it would delay each start.", ref->text);
	plan_arg(p, "line", line);
	plan_arg(p, "from", ref->text);
	plan_arg(p, "to", "RESUME=none");
}

static void free_argument(struct planning *p, const struct facts_ref *ref)
{
	bool resume = strncmp(plan_text(ref->text), "resume=", 7) == 0;

	if (!*plan_text(ref->stable) && !resume) {
		plan_block(p, "%s: line %u: %s is not on these disks", ref->path, ref->line,
			ref->text);
		return;
	}
	if (*plan_text(ref->stable))
		plan_step(p, "boot-args", ref->path,
			"%s is a name that the old hardware gave; %s stays the same.", ref->text,
			ref->stable);
	else
		plan_step(p, "boot-args", ref->path,
			"%s is not on these disks; waiting for it would delay each start.",
			ref->text);
	plan_arg(p, "loader", p->os->bootloader.kind);
	plan_arg(p, "from", ref->text);
	if (*plan_text(ref->stable))
		plan_arg(p, "to", ref->stable);
}

static void free_device_map(struct planning *p, const struct facts_ref *ref)
{
	plan_step(p, "file-remove", ref->path,
		"It lists the disks of the old machine; grub-install finds the new ones without "
		"it.");
}

static void free_lvm_devices(struct planning *p, const struct facts_ref *ref)
{
	plan_step(p, "file-remove", ref->path,
		"It names LVM's disks by the old hardware and would hide them; without it LVM "
		"looks at all.");
}

static void free_lvm_filter(struct planning *p, const struct facts_ref *ref)
{
	plan_step(p, "line-comment", ref->path,
		"It accepts disks by their old names and would hide LVM's disks.");
	plan_arg(p, "text", ref->text);
}

static void free_mdadm(struct planning *p, const struct facts_ref *ref)
{
	char line[16];

	snprintf(line, sizeof(line), "%u", ref->line);
	plan_step(p, "device-replace", ref->path,
		"It looks for the parts of arrays under their old names only.");
	plan_arg(p, "line", line);
	plan_arg(p, "from", ref->text);
	plan_arg(p, "to", "DEVICE partitions containers");
}

static bool has_option(const char *options, const char *wanted)
{
	struct p2v_span rest = p2v_span_str(options), option;

	while (rest.n) {
		option = p2v_span_until(rest, ',', &rest);
		if (p2v_span_eq(option, wanted))
			return true;
	}
	return false;
}

/* A disk of this machine, as far as its name tells: no tmpfs, share, floppy or CD. */
static bool names_disk(const char *spec)
{
	static const char *const prefixes[] = {
		"UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=", "/dev/sd", "/dev/hd", "/dev/xvd",
		"/dev/nvme", "/dev/cciss/", "/dev/disk/", "/dev/mapper/mpath", "/dev/md"};

	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (strncmp(plan_text(spec), prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* systemd waits 90 seconds for each missing file system and then offers a rescue shell. */
static void free_mounts(struct planning *p)
{
	for (size_t i = 0; i < p->os->n_mounts; i++) {
		const struct facts_mount *m = &p->os->mounts[i];
		char line[16];

		if (*plan_text(m->device) || !names_disk(m->spec) ||
			has_option(m->options, "noauto") || has_option(m->options, "nofail"))
			continue;
		snprintf(line, sizeof(line), "%u", m->line);
		plan_step(p, "fstab-nofail", "/etc/fstab",
			"%s for %s is not on these disks; without it the system must start all "
			"the same.",
			m->spec, m->mountpoint);
		plan_arg(p, "line", line);
		plan_warn(p,
			"/etc/fstab: line %u: %s for %s is not on these disks and will be "
			"missing",
			m->line, m->spec, m->mountpoint);
	}
}

static const struct {
	const char *what;
	void (*plan)(struct planning *p, const struct facts_ref *ref);
} kinds[] = {
	{"fstab", free_device},
	{"crypttab", free_device},
	{"resume", free_resume},
	{"boot-config", free_argument},
	{"boot-source", free_argument},
	{"device-map", free_device_map},
	{"mdadm", free_mdadm},
	{"lvm-filter", free_lvm_filter},
	{"lvm-devices", free_lvm_devices},
};

void plan_refs(struct planning *p)
{
	free_mounts(p);
	for (size_t i = 0; i < p->os->n_refs; i++)
		for (size_t k = 0; k < P2V_N(kinds); k++)
			if (plan_is(p->os->refs[i].what, kinds[k].what))
				kinds[k].plan(p, &p->os->refs[i]);
}
