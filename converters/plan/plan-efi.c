/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * UEFI: the entries that named the boot loader were in the old machine's memory. Firmware that has
 * none starts \EFI\BOOT\BOOTX64.EFI, so that path is made from the guest's own loader. shim loads
 * grubx64.efi from its own directory, and mmx64.efi where a key has to be enrolled; GRUB's signed
 * image finds its configuration by a path that is built in, its own by the file system's UUID.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

/* Loaders, best first: the program, and what must lie beside it. */
static const struct {
	const char *name, *beside[2];
	bool needs_first; /* without the first of these it is of no use */
	const char *menu; /* it reads a file beside it that is called as it is, with .conf */
} loaders[] = {
	{"shimx64.efi", {"grubx64.efi", "mmx64.efi"}, true, NULL},
	{"shim.efi", {"grub.efi", "MokManager.efi"}, true, NULL},
	{"grubx64.efi", {NULL, NULL}, false, NULL},
	{"systemd-bootx64.efi", {NULL, NULL}, false, NULL},
	{"refind_x64.efi", {NULL, NULL}, false, NULL},
	{"grub.efi", {NULL, NULL}, false, "grub.conf"}, /* GRUB legacy of Red Hat 6 */
};

/* The parts of .../EFI/debian/shimx64.efi. */
struct program {
	int n_top, n_vendor; /* lengths of ".../EFI" and "debian" */
	const char *vendor, *name;
};

static bool split(const char *path, struct program *ret)
{
	const char *name = strrchr(path, '/'), *vendor;

	if (!name || name == path)
		return false;
	vendor = memrchr(path, '/', (size_t)(name - path));
	if (!vendor)
		return false;
	ret->n_top = (int)(vendor - path);
	ret->vendor = vendor + 1;
	ret->n_vendor = (int)(name - vendor) - 1;
	ret->name = name + 1;
	return true;
}

static bool is_vendor(const struct program *prog, const char *vendor)
{
	return (size_t)prog->n_vendor == strlen(vendor) &&
	       strncasecmp(prog->vendor, vendor, (size_t)prog->n_vendor) == 0;
}

static bool has_fallback(const struct facts_bootloader *b)
{
	struct program prog;

	for (size_t i = 0; i < b->n_efi_programs; i++)
		if (split(b->efi_programs[i], &prog) && is_vendor(&prog, "BOOT") &&
			strcasecmp(prog.name, "BOOTX64.EFI") == 0)
			return true;
	return false;
}

/* A program of that name; in the directory of `like`, where that is given. */
static const char *find(const struct facts_bootloader *b, const char *name, const char *like)
{
	size_t dir = like ? (size_t)(strrchr(like, '/') - like) + 1 : 0;
	struct program prog;

	for (size_t i = 0; name && i < b->n_efi_programs; i++) {
		const char *path = b->efi_programs[i];

		if (split(path, &prog) && strcasecmp(prog.name, name) == 0 &&
			!is_vendor(&prog, "BOOT") && (!like || strncmp(path, like, dir) == 0))
			return path;
	}
	return NULL;
}

static void copy(struct planning *p, const char *from, const char *name)
{
	struct program prog;
	char to[512];

	if (!split(from, &prog))
		return;
	snprintf(to, sizeof(to), "%.*s/BOOT/%s", prog.n_top, from, name);
	plan_step(p, "file-copy", to,
		"The machine's boot entries stay behind in its firmware; without any, the new "
		"firmware starts what lies here.");
	plan_arg(p, "from", from);
}

/* The loader's menu, as the steps before have left it. */
static void copy_menu(struct planning *p, const char *program, const char *menu)
{
	const struct facts_bootloader *b = &p->os->bootloader;
	const size_t dir = (size_t)(strrchr(program, '/') - program) + 1;

	for (size_t i = 0; menu && i < b->n_configs; i++)
		if (strncmp(b->configs[i], program, dir) == 0 &&
			strcmp(b->configs[i] + dir, menu) == 0)
			copy(p, b->configs[i], "BOOTX64.conf");
}

static bool has_entries(const struct machine *m)
{
	for (size_t i = 0; i < m->n_efi_vars; i++)
		if (plan_is(m->efi_vars[i].name, "BootOrder"))
			return true;
	return false;
}

/* The kernel's arguments stand in an entry, and nowhere on the disks. */
static void check_stub(struct planning *p)
{
	char root[200];

	if (!has_entries(p->machine))
		plan_block(p, "the firmware starts the kernel by entries of its own, and none of "
			      "them came along: take the machine's inventory with p2v-agent, "
			      "which reads them");
	else if (p->plan->n_disks && !plan_keeps_names(p, p->plan->disks[0].bus, p->disk_drivers) &&
		 plan_efi_root(p->machine, root))
		plan_block(p,
			"the firmware's own entry starts the kernel with %s, and no disk of the "
			"virtual machine will be called that. Have the old system name its root "
			"by UUID there (efibootmgr --unicode)",
			root);
}

static bool has_program_for(const struct facts_bootloader *b, const char *end)
{
	for (size_t i = 0; i < b->n_efi_programs; i++) {
		size_t n = strlen(b->efi_programs[i]), k = strlen(end);

		if (n >= k && strcasecmp(b->efi_programs[i] + n - k, end) == 0)
			return true;
	}
	return false;
}

void plan_efi(struct planning *p)
{
	const struct facts_bootloader *b = &p->os->bootloader;

	if (!plan_is(p->plan->firmware, "uefi"))
		return;
	if (plan_is(b->kind, "efi-stub")) {
		check_stub(p);
		return;
	}
	if (has_fallback(b))
		return;
	for (size_t i = 0; i < P2V_N(loaders); i++) {
		const char *program = find(b, loaders[i].name, NULL);

		if (!program || (loaders[i].needs_first && !find(b, loaders[i].beside[0], program)))
			continue;
		copy(p, program, "BOOTX64.EFI");
		copy_menu(p, program, loaders[i].menu);
		for (size_t k = 0; k < 2; k++) {
			const char *beside = find(b, loaders[i].beside[k], program);

			if (beside)
				copy(p, beside, loaders[i].beside[k]);
		}
		return;
	}
	/* Some small machines have UEFI of 32 bits. */
	if (has_program_for(b, "ia32.efi") && !has_program_for(b, "x64.efi")) {
		plan_block(p,
			"the boot loader is for UEFI of 32 bits, and the virtual machine's "
			"has 64. Have the old system install the other one as well "
			"(grub-install --target=x86_64-efi --removable), and convert it then");
		return;
	}
	plan_warn(p, "no boot loader was found on an EFI system partition: the new firmware may "
		     "not find what to start");
}
