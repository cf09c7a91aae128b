/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Names of the old hardware: replaced by what stays, removed, or told to the operator. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

/* Where the reference stands, for sentences. */
static const char *place_of(const struct facts_ref *ref, char text[400])
{
	snprintf(text, 400, "%.200s%s%.180s", ref->path, ref->inside ? ": " : "",
		plan_text(ref->inside));
	return text;
}

/* A step for this file; in an initramfs, the same edit is made to the copy that it holds. */
static void __attribute__((format(printf, 4, 5)))
begin(struct planning *p, const struct facts_ref *ref, const char *op, const char *reason, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, reason);
	vsnprintf(text, sizeof(text), reason, ap);
	va_end(ap);
	if (!ref->inside) {
		plan_step(p, op, ref->path, "%s", text);
		return;
	}
	plan_step(p, "initramfs-edit", ref->path, "Its copy of %s: %s", ref->inside, text);
	plan_arg(p, "inside", ref->inside);
	plan_arg(p, "edit", op);
}

/* What is exchanged in the step that was begun. */
static void exchange(struct planning *p, const struct facts_ref *ref, const char *to)
{
	char line[16];

	snprintf(line, sizeof(line), "%u", ref->line);
	plan_arg(p, "line", line);
	plan_arg(p, "from", ref->text);
	plan_arg(p, "to", to);
}

static void replace(struct planning *p, const struct facts_ref *ref, const char *op, const char *to)
{
	begin(p, ref, op, "%s is a name that the old hardware gave; %s stays the same.", ref->text,
		to);
	exchange(p, ref, to);
}

static void replace_gone(struct planning *p, const struct facts_ref *ref, const char *to)
{
	begin(p, ref, "device-replace",
		"%s is not on these disks; waiting for it would delay each start.", ref->text);
	exchange(p, ref, to);
}

/* UUID=x as the path of a link that udev makes: for those who know paths only. */
static const char *as_path(const char *stable, char text[300])
{
	static const struct {
		const char *prefix, *dir;
	} ways[] = {
		{"UUID=", "/dev/disk/by-uuid/"},
		{"LABEL=", "/dev/disk/by-label/"},
		{"PARTUUID=", "/dev/disk/by-partuuid/"},
	};

	for (size_t i = 0; i < P2V_N(ways); i++)
		if (strncmp(stable, ways[i].prefix, strlen(ways[i].prefix)) == 0) {
			snprintf(text, 300, "%s%.256s", ways[i].dir,
				stable + strlen(ways[i].prefix));
			return text;
		}
	return stable;
}

/* No swap that it names is here: the initramfs would wait half a minute for it. */
static void free_resume(struct planning *p, const struct facts_ref *ref)
{
	if (*plan_text(ref->stable))
		replace(p, ref, "device-replace", ref->stable);
	else
		replace_gone(p, ref, "RESUME=none");
}

static bool begins(const struct facts_ref *ref, const char *prefix)
{
	return strncmp(plan_text(ref->text), prefix, strlen(prefix)) == 0;
}

/* The system starts without it. */
static bool is_resume(const struct facts_ref *ref)
{
	return begins(ref, "resume=") || begins(ref, "real_resume=");
}

static bool names_device(const struct facts_ref *ref)
{
	static const char *const keys[] = {"root=", "cryptdevice=", "real_root=", "crypt_root=",
		"cryptroot=", "boot=", "mount.usr="};

	for (size_t i = 0; i < P2V_N(keys); i++)
		if (begins(ref, keys[i]))
			return true;
	return is_resume(ref);
}

/* Its initramfs knows of file systems by paths only. */
static bool wants_paths(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) &&
			plan_is(os->kernels[i].initramfs.kind, "mkinitrd-suse"))
			return true;
	return false;
}

/* A kernel that mounts its root by itself knows no file systems' UUIDs. */
static bool is_bare(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) && !*plan_text(os->kernels[i].initramfs.path))
			return true;
	return false;
}

/* What kind of names its initramfs understands nobody knows. */
static bool is_strange(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (plan_is_kernel(&os->kernels[i]) &&
			plan_is(os->kernels[i].initramfs.kind, "unknown"))
			return true;
	return false;
}

/* What kernels call disks on that bus, without the letter. */
static const char *name_stem(const char *bus, const char *const *drivers)
{
	return plan_is(bus, "virtio-blk")		? "/dev/vd"
	       : drivers && plan_is(drivers[0], "piix") ? "/dev/hd"
							: "/dev/sd";
}

/* What the kernel will call the device on that bus. */
static bool name_on(const struct planning *p, const struct facts_ref *ref, const char *bus,
	const char *const *drivers, char text[64])
{
	const struct facts_fs *f = NULL;
	size_t disk = 0;

	for (size_t i = 0; i < p->facts->n_filesystems; i++)
		if (plan_is(p->facts->filesystems[i].device, ref->device))
			f = &p->facts->filesystems[i];
	while (f && disk < p->facts->n_disks && !plan_is(p->facts->disks[disk].id, f->disk))
		disk++;
	if (!f || !f->part || disk >= p->facts->n_disks || disk > 25)
		return false;
	snprintf(text, 64, "%s%c%u", name_stem(bus, drivers), (char)('a' + disk), f->part);
	return true;
}

static bool new_name(const struct planning *p, const struct facts_ref *ref, char text[64])
{
	return name_on(
		p, ref, p->plan->n_disks ? p->plan->disks[0].bus : "", p->disk_drivers, text);
}

/* Tools of before systemd know no PARTUUID, and a swap of theirs may have no other name that stays:
 * it gets the one that the kernel will give. */
static bool wants_name(const struct planning *p, const struct facts_ref *ref, char name[64])
{
	return strncmp(plan_text(ref->stable), "PARTUUID=", strlen("PARTUUID=")) == 0 &&
	       !plan_is(p->os->init, "systemd") && new_name(p, ref, name);
}

static void free_device(struct planning *p, const struct facts_ref *ref)
{
	char text[400], name[64];

	if (wants_name(p, ref, name)) {
		if (plan_is(ref->text, name))
			return;
		begin(p, ref, "device-replace",
			"%s was its name on the old hardware, %s is it now.", ref->text, name);
		exchange(p, ref, name);
	} else if (*plan_text(ref->stable)) {
		replace(p, ref, "device-replace", ref->stable);
	} else {
		plan_warn(p,
			"%s: line %u: %s is not on these disks; the guest may wait for it "
			"when it starts",
			place_of(ref, text), ref->line, ref->text);
	}
}

static void free_unit(struct planning *p, const struct facts_ref *ref)
{
	char path[300];

	if (*plan_text(ref->stable))
		replace(p, ref, plan_is(ref->what, "swap-unit") ? "swap-unit" : "device-replace",
			as_path(ref->stable, path));
	else
		free_device(p, ref);
}

static const char *argument_for(
	const struct planning *p, const struct facts_ref *ref, char text[400])
{
	const char *value = strchr(plan_text(ref->stable), '=');
	char name[300];

	if (!value)
		return plan_text(ref->stable);
	/* The name that was understood is right again. */
	if (begins(ref, "root=") && is_strange(p->os) && new_name(p, ref, name) &&
		plan_is(ref->text + strlen("root="), name))
		return ref->text;
	if (begins(ref, "root=") && is_bare(p->os) && new_name(p, ref, name))
		snprintf(text, 400, "root=%s", name);
	else if (wants_paths(p->os))
		snprintf(text, 400, "%.*s=%s", (int)(value - ref->stable), ref->stable,
			as_path(value + 1, name));
	else
		return ref->stable;
	return text;
}

/* "rootflags=device=/dev/sda2,device=/dev/sdb2": too long for a sentence, and no name by itself. */
static bool is_options(const struct facts_ref *ref)
{
	return plan_is(ref->what, "options") || begins(ref, "rootflags=") ||
	       begins(ref, "usrflags=") || begins(ref, "cryptopts=");
}

#define OPTIONS_REASON                                                                             \
	"Options of a mount name devices as the old hardware called them; links by what is on "    \
	"these stay the same."

static void free_options(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "device-replace", OPTIONS_REASON);
	exchange(p, ref, ref->stable);
}

static void free_argument(struct planning *p, const struct facts_ref *ref)
{
	char text[400];
	const char *to = argument_for(p, ref, text);
	const char *op = plan_is(ref->what, "unified") ? "unified-args" : "boot-args";

	if (plan_is(to, plan_text(ref->text)))
		return;
	if (!*to && names_device(ref) && !is_resume(ref)) {
		/* An entry for another system may well name what is not here. */
		if (strstr(plan_text(p->os->bootloader.cmdline), ref->text))
			plan_block(p, "%s: line %u: %s is not on these disks", ref->path, ref->line,
				ref->text);
		else
			plan_warn(p,
				"%s: line %u: %s is not on these disks: this entry will not "
				"start",
				ref->path, ref->line, ref->text);
		return;
	}
	if (*to && strncmp(to, "root=/dev/", 10) == 0 && is_bare(p->os))
		begin(p, ref, op,
			"Without an initramfs a kernel knows its root by the device's name only: "
			"%s was that on the old hardware, %s is it now.",
			ref->text, to);
	else if (*to && is_options(ref))
		begin(p, ref, op, OPTIONS_REASON);
	else if (*to)
		begin(p, ref, op, "%s is a name that the old hardware gave; %s stays the same.",
			ref->text, to);
	else if (names_device(ref))
		begin(p, ref, op,
			"%s is not on these disks; waiting for it would delay each start.",
			ref->text);
	else
		begin(p, ref, op, "%s is about hardware that a virtual machine does not have.",
			ref->text);
	plan_arg(p, "loader", p->os->bootloader.kind);
	plan_arg(p, "from", ref->text);
	if (*to)
		plan_arg(p, "to", to);
}

static bool is_sealed(const struct facts_ref *ref)
{
	return plan_is(ref->what, "sealed") || plan_is(ref->what, "unified");
}

static bool keeps_efi_root(const struct planning *p, const char *bus, const char *const *drivers)
{
	struct facts_ref root = {.device = p->os->root};
	char name[64], text[200];

	return !plan_is(p->os->bootloader.kind, "efi-stub") || !plan_efi_root(p->machine, text) ||
	       (name_on(p, &root, bus, drivers, name) && plan_is(name, strchr(text, '=') + 1));
}

bool plan_keeps_names(const struct planning *p, const char *bus, const char *const *drivers)
{
	char name[64];

	if (!keeps_efi_root(p, bus, drivers))
		return false;
	for (size_t i = 0; p->sealed && i < p->os->n_refs; i++) {
		const struct facts_ref *ref = &p->os->refs[i];

		if (is_sealed(ref) && names_device(ref) && !is_resume(ref) &&
			(!name_on(p, ref, bus, drivers, name) ||
				!plan_is(strchr(ref->text, '=') + 1, name)))
			return false;
	}
	return true;
}

/* Arguments that stay as they are: they must fit what the kernel calls its disks now. */
static void check_sealed(struct planning *p, const struct facts_ref *ref)
{
	char name[64] = "";

	if (!p->sealed || !names_device(ref))
		return;
	if (new_name(p, ref, name) && plan_is(strchr(ref->text, '=') + 1, name))
		return;
	if (is_resume(ref))
		plan_warn(p, "%s: %s stays as it is, and will not be found", ref->path, ref->text);
	else
		plan_block(p,
			"%s: %s cannot be changed, and no disk of the virtual machine will be "
			"called that. Have the old system name its root by UUID first",
			ref->path, ref->text);
}

/* A unified kernel's own. */
static void free_unified(struct planning *p, const struct facts_ref *ref)
{
	if (p->sealed)
		check_sealed(p, ref);
	else
		free_argument(p, ref);
}

/* The same in files that no boot loader reads. */
static void free_loose_argument(struct planning *p, const struct facts_ref *ref)
{
	char text[400];
	const char *to = argument_for(p, ref, text);

	if (plan_is(to, plan_text(ref->text)))
		return;
	if (is_options(ref)) {
		free_options(p, ref);
	} else if (*to) {
		replace(p, ref, "device-replace", to);
	} else if (is_resume(ref)) {
		replace_gone(p, ref, "noresume");
	} else if (names_device(ref)) {
		free_device(p, ref);
	} else {
		begin(p, ref, "device-replace",
			"%s is about hardware that a virtual machine does not have.", ref->text);
		exchange(p, ref, "");
	}
}

static void free_device_map(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "file-remove",
		"It lists the disks of the old machine; grub-install finds the new ones without "
		"it.");
}

/* The disk that was meant; where that is not known, the one that is started. */
static size_t install_disk(const struct planning *p, const struct facts_ref *ref)
{
	size_t started = 0;

	for (size_t i = 0; i < p->facts->n_disks && i < p->plan->n_disks; i++) {
		if (plan_is(p->facts->disks[i].device, ref->device))
			return i;
		if (p->plan->disks[i].boot_order == 1)
			started = i;
	}
	return started;
}

static void free_install_device(struct planning *p, const struct facts_ref *ref)
{
	const size_t at = install_disk(p, ref);
	char disk[64];

	if (!p->plan->n_disks || at > 25)
		return;
	snprintf(disk, sizeof(disk), "%s%c", name_stem(p->plan->disks[0].bus, p->disk_drivers),
		(char)('a' + at));
	if (plan_is(ref->text, disk))
		return;
	begin(p, ref, "device-replace",
		"The boot loader's next update writes to %s, which is %s now.", ref->text, disk);
	exchange(p, ref, disk);
}

static void free_lvm_devices(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "file-remove",
		"It names LVM's disks by the old hardware and would hide them; without it LVM "
		"looks at all.");
}

/* The array says which it is, or its UUID does so for it. */
static void free_array(struct planning *p, const struct facts_ref *ref)
{
	char text[400];

	if (!*plan_text(ref->stable)) {
		plan_warn(p,
			"%s: line %u: %s names the array's parts as they were called: have it say "
			"the array's UUID instead (mdadm --detail --brief)",
			place_of(ref, text), ref->line, ref->text);
		return;
	}
	begin(p, ref, "device-replace",
		"The array's parts are no longer called that; %s finds them.", ref->stable);
	exchange(p, ref, ref->stable);
}

static void free_key(struct planning *p, const struct facts_ref *ref)
{
	plan_warn(p,
		"%s: line %u: the key (%s) stays with the old machine: the volume is opened by a "
		"passphrase only, and there must be one",
		ref->path, ref->line, ref->text);
}

static void tell_clevis(struct planning *p, const struct facts_ref *ref)
{
	plan_warn(p,
		"%s: volumes that clevis opens by the TPM, or over the network from the "
		"initramfs, are opened by a passphrase in the virtual machine, and there must be "
		"one",
		ref->path);
}

static void tell_early_login(struct planning *p, const struct facts_ref *ref)
{
	plan_warn(p,
		"%s: the initramfs lets somebody log in over the network to open the disks. It "
		"has no driver of the new card: type the passphrase at the console, and have the "
		"guest make its initramfs anew with virtio_net once it runs",
		ref->path);
}

/* What it does with the disk nobody knows here: a name for a database, or who may write to it. */
static void tell_rule(struct planning *p, const struct facts_ref *ref)
{
	plan_warn(p,
		"%s: line %u: a rule that tells a disk by the old hardware: it will not find it. "
		"Have it look for something on the disk, such as ENV{ID_FS_UUID} or "
		"ENV{ID_PART_ENTRY_UUID}",
		ref->path, ref->line);
}

static void free_cache(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "file-remove", "It is a cache of the old machine's disks.");
}

static void free_lvm_filter(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "line-comment",
		"It accepts disks by their old names and would hide LVM's disks.");
	plan_arg(p, "text", ref->text);
}

static void free_module(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "line-comment",
		"The module %s finds no hardware in a virtual machine; loading it would fail.",
		ref->text);
	plan_arg(p, "text", ref->text);
}

static void free_block(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "line-comment", "It keeps a driver of virtual hardware from being loaded.");
	plan_arg(p, "text", ref->text);
}

static void free_getty(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "line-comment",
		"A virtual machine does not have this serial line; a getty on it would start again "
		"and again.");
	plan_arg(p, "text", ref->text);
}

static void free_graphics(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "file-set-aside",
		"It is made for a graphics card of the old machine (%s); without it the screen is "
		"found by itself.",
		ref->text);
}

/* Drivers that a virtual machine's disks have stay. */
static void free_disk_alias(struct planning *p, const struct facts_ref *ref)
{
	static const char *const good[] = {
		"virtio", "ata_piix", "ahci", "ata_generic", "sd_mod", "piix", "usb-storage"};
	const char *last = strrchr(plan_text(ref->text), ' '),
		   *tab = strrchr(plan_text(ref->text), '\t');

	last = !last || (tab && tab > last) ? tab : last;
	for (size_t i = 0; last && i < P2V_N(good); i++)
		if (strncmp(last + 1, good[i], strlen(good[i])) == 0)
			return;
	begin(p, ref, "line-comment", "The disks' controller is another one: %s.", ref->text);
	plan_arg(p, "text", ref->text);
}

static void free_mdadm(struct planning *p, const struct facts_ref *ref)
{
	begin(p, ref, "device-replace",
		"It looks for the parts of arrays under their old names only.");
	exchange(p, ref, "DEVICE partitions containers");
}

/* A disk of this machine, as far as its name tells: no tmpfs, share, floppy or CD. */
static bool names_disk(const char *spec)
{
	static const char *const prefixes[] = {
		"UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=", "/dev/sd", "/dev/hd", "/dev/xvd",
		"/dev/vd", "/dev/nvme", "/dev/mmcblk", "/dev/pmem", "/dev/fio", "/dev/cciss/",
		"/dev/disk/", "/dev/mapper/mpath", "/dev/md"};

	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (strncmp(plan_text(spec), prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* "/dev/vg/lv", "/dev/mapper/vg-lv" */
static bool names_volume(const char *spec)
{
	struct p2v_span rest = p2v_span_str(spec), dir;

	if (!p2v_span_starts(rest, "/dev/"))
		return false;
	dir = p2v_span_until(p2v_span_skip(rest, strlen("/dev/")), '/', &rest);
	return rest.n && !p2v_span_has(rest, '/') && !p2v_span_eq(dir, "shm") &&
	       !p2v_span_eq(dir, "loop") && !p2v_span_eq(dir, "fd");
}

/* Something on these disks may hold volumes that nobody has seen. */
static bool is_opaque(const struct facts *facts)
{
	static const char *const kinds[] = {
		"crypto_LUKS", "zfs_member", "bcache", "drbd", "ceph_bluestore"};

	for (size_t i = 0; i < facts->n_filesystems; i++)
		for (size_t k = 0; k < P2V_N(kinds); k++)
			if (plan_is(facts->filesystems[i].kind, kinds[k]))
				return true;
	return false;
}

/* The start goes on without it, and does not wait: for a swap, nofail alone says only the first. */
static bool may_be_missing(const struct facts_mount *m)
{
	struct p2v_span options = p2v_span_str(plan_text(m->options));

	if (p2v_span_has_option(options, "noauto"))
		return true;
	return p2v_span_has_option(options, "nofail") &&
	       (!plan_is(m->kind, "swap") ||
		       p2v_span_has_option(options, "x-systemd.device-timeout="));
}

/* It is mounted at the start, and is not here. */
static bool must_not_stop(const struct planning *p, const struct facts_mount *m)
{
	return !*plan_text(m->device) &&
	       (names_disk(m->spec) || (names_volume(m->spec) && !is_opaque(p->facts))) &&
	       !may_be_missing(m);
}

/* Kernels do not promise in which order they find disks. */
static void tell_guess(struct planning *p, const struct facts_mount *m)
{
	const struct facts_fs *f = NULL;

	for (size_t i = 0; i < p->facts->n_filesystems; i++)
		if (plan_is(p->facts->filesystems[i].device, m->device))
			f = &p->facts->filesystems[i];
	if (m->guess && f)
		plan_warn(p,
			"/etc/fstab: line %u: that %s for %s was on %s is known by the order of "
			"the disks alone; see whether it is the right one",
			m->line, m->spec, plan_is(m->kind, "swap") ? "swap" : m->mountpoint,
			f->disk);
}

/* Of what is not here: the start does not wait for it, or free_mounts() tells of it. */
static void free_fstab(struct planning *p, const struct facts_ref *ref)
{
	for (size_t i = 0; !*plan_text(ref->stable) && i < p->os->n_mounts; i++) {
		const struct facts_mount *m = &p->os->mounts[i];

		if (m->line == ref->line && (may_be_missing(m) || must_not_stop(p, m)))
			return;
	}
	free_device(p, ref);
}

/* systemd waits 90 seconds for each missing file system and then offers a rescue shell. */
static void free_mounts(struct planning *p)
{
	for (size_t i = 0; i < p->os->n_mounts; i++) {
		const struct facts_mount *m = &p->os->mounts[i];
		const char *what = plan_is(m->kind, "swap") ? "swap" : m->mountpoint;
		char line[16];

		tell_guess(p, m);
		if (!must_not_stop(p, m))
			continue;
		snprintf(line, sizeof(line), "%u", m->line);
		plan_step(p, "fstab-nofail", "/etc/fstab",
			"%s for %s is not on these disks; without it the system must start all "
			"the same.",
			m->spec, what);
		plan_arg(p, "line", line);
		plan_warn(p,
			"/etc/fstab: line %u: %s for %s is not on these disks and will be "
			"missing",
			m->line, m->spec, what);
	}
}

static const struct {
	const char *what;
	void (*plan)(struct planning *p, const struct facts_ref *ref);
} kinds[] = {
	{"fstab", free_fstab},
	{"options", free_options},
	{"path", free_unit},
	{"crypttab", free_device},
	{"table", free_device},
	{"crypt-key", free_key},
	{"crypt-clevis", tell_clevis},
	{"early-login", tell_early_login},
	{"disk-rule", tell_rule},
	{"unit", free_unit},
	{"swap-unit", free_unit},
	{"resume", free_resume},
	{"boot-config", free_argument},
	{"boot-source", free_argument},
	{"arguments", free_loose_argument},
	{"unified", free_unified},
	{"sealed", check_sealed},
	{"device-map", free_device_map},
	{"install-device", free_install_device},
	{"device-cache", free_cache},
	{"mdadm", free_mdadm},
	{"mdadm-array", free_array},
	{"lvm-filter", free_lvm_filter},
	{"lvm-devices", free_lvm_devices},
	{"modules-load", free_module},
	{"module-block", free_block},
	{"serial-getty", free_getty},
	{"graphics", free_graphics},
	{"disk-alias", free_disk_alias},
};

/* The copy in an initramfs that must not be changed. */
static void keep_inside(struct planning *p, const struct facts_ref *ref)
{
	char text[400];

	plan_warn(p, "%s: line %u: %s stays as it is: what holds it must not be changed",
		place_of(ref, text), ref->line, ref->text);
}

void plan_refs(struct planning *p)
{
	free_mounts(p);
	for (size_t i = 0; i < p->os->n_refs; i++) {
		const struct facts_ref *ref = &p->os->refs[i];

		if (p->sealed && ref->inside) {
			keep_inside(p, ref);
			continue;
		}
		for (size_t k = 0; k < P2V_N(kinds); k++)
			if (plan_is(ref->what, kinds[k].what))
				kinds[k].plan(p, ref);
	}
}
