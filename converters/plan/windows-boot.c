/* SPDX-License-Identifier: GPL-3.0-or-later */

/* How it is started, and what the hypervisor shows to it. */

#include <stdio.h>

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"

/* The screen of UEFI firmware is a graphical one. */
static void show_boot(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);
	char path[512];

	if (!w->n_bcd_blind || !*plan_text(w->bcd))
		return;
	snprintf(path, sizeof(path), "%s%s", w->esp_at, w->bcd);
	plan_step(p, "hive-edit", path,
		"An entry of the boot configuration shows nothing on a graphical screen "
		"(graphicsmodedisabled), and a virtual machine has no other.");
	for (size_t i = 0; i < w->n_bcd_blind; i++)
		plan_arg(p, "delete-key", w->bcd_blind[i]);
}

/*
 * UEFI: the entries were in the old machine's memory; without any the firmware starts what lies at
 * the removable path. What lies there may be another system's, long gone; it is kept beside.
 */
static void plan_removable(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);
	char from[512], to[512];

	if (!*plan_text(w->boot_loader)) {
		plan_warn(p, "Windows' boot manager was not found on an EFI system partition: the "
			     "new firmware may not find what to start");
		return;
	}
	if (plan_is(w->removable, "same"))
		return;
	snprintf(from, sizeof(from), "%s%s", w->esp_at, w->boot_loader);
	snprintf(to, sizeof(to), "%s%s", w->esp_at, w->removable_path);
	if (plan_is(w->removable, "foreign"))
		plan_step(p, "file-set-aside", to,
			"Another system's boot loader is where the new firmware looks first.");
	plan_step(p, "file-copy", to,
		"The machine's boot entries stay behind in its firmware; without any, the new "
		"firmware starts what lies here.");
	plan_arg(p, "from", from);
}

static void plan_efi_partition(struct planning *p)
{
	plan_removable(p);
	show_boot(p);
}

static uint64_t disk_bytes(const struct planning *p)
{
	const char *id = "";

	for (size_t i = 0; i < p->facts->n_filesystems; i++)
		if (plan_is(p->facts->filesystems[i].device, p->os->root))
			id = plan_text(p->facts->filesystems[i].disk);
	for (size_t i = 0; i < p->facts->n_disks; i++)
		if (*id && plan_is(p->facts->disks[i].id, id))
			return p->facts->disks[i].size_bytes;
	return 0;
}

/* The heads that SeaBIOS shows for a disk, by its size; the old machine's BIOS may have shown
 * others, and then the boot code of XP and 2003 reads somewhere else. */
static void plan_heads(struct planning *p)
{
	static const struct {
		uint64_t below_bytes;
		uint32_t heads;
	} rows[] = {{UINT64_C(2114445312), 64}, {UINT64_C(4228374780), 128}, {UINT64_MAX, 255}};
	uint64_t size = disk_bytes(p);
	char text[16];
	size_t i = 0;

	while (size >= rows[i].below_bytes)
		i++;
	if (!size || !plan_windows(p)->heads || plan_windows(p)->heads == rows[i].heads)
		return;
	snprintf(text, sizeof(text), "%u", rows[i].heads);
	plan_step(p, "ntfs-heads", p->os->root,
		"The boot sector counts on a disk with %u heads; the virtual machine's has %u.",
		plan_windows(p)->heads, rows[i].heads);
	plan_arg(p, "heads", text);
}

void plan_windows_boot(struct planning *p)
{
	if (plan_is(p->plan->firmware, "uefi"))
		plan_efi_partition(p);
	else
		plan_heads(p);
}

/* Hyper-V's interfaces that KVM has, as libvirt calls them; each needs those before it. */
static const struct {
	const char *name;
	uint32_t from; /* NT's version */
} hyperv[] = {
	{"relaxed", 600},
	{"vapic", 600},
	{"spinlocks", 600},
	{"vpindex", 601},
	{"runtime", 601},
	{"synic", 601},
	{"stimer", 601},
	{"frequencies", 601},
	{"tlbflush", 601},
	{"ipi", 601},
};

static bool one_processor(const struct planning *p)
{
	static const char *const hals[] = {
		"acpiapic_up", "acpipic_up", "mps_up", "e_isa_up", "syspro_up"};

	for (size_t i = 0; i < P2V_N(hals); i++)
		if (plan_is(plan_windows(p)->hal, hals[i]))
			return true;
	return false;
}

void plan_windows_board(struct planning *p)
{
	for (size_t i = 0; i < P2V_N(hyperv) && p->r == 0; i++)
		if (plan_windows_version(p) >= hyperv[i].from)
			p->r = p2v_json_add_str(
				&p->plan->hyperv, &p->plan->n_hyperv, hyperv[i].name, p->err);
	if (p->plan->secure_boot && p->virtio_disk && !plan_is(plan_windows(p)->role, "client"))
		plan_warn(p, "with Secure Boot, servers load only drivers that Microsoft has "
			     "tested (WHQL), such as those of RHEL; where Windows stops for that "
			     "(INACCESSIBLE_BOOT_DEVICE), switch Secure Boot off in the domain");
	/* 11 does not start without one when it is upgraded, and is not supported without. */
	p->plan->tpm = plan_is(p->os->id, "win11") && plan_is(p->plan->firmware, "uefi");
	if (p->plan->tpm)
		plan_warn(p,
			"Windows 11 wants a TPM: domain and start script have one, for which the "
			"host needs swtpm; the proof is made without");
	if (!one_processor(p) || p->plan->cpus <= 1)
		return;
	p->plan->cpus = 1;
	plan_warn(p, "this Windows was installed for one processor (HAL %s), and gets one",
		plan_windows(p)->hal);
}

/* No test has started a Windows: structure and registry are compared, nothing more. */
void plan_windows_grade(struct planning *p)
{
	p->plan->grade = p->plan->n_blockers ? GRADE_COPIED : GRADE_GENERIC;
}
