/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Kernels: one for each module tree that has an image in /boot, and what each can drive. */

#include <stdio.h>
#include <string.h>

#include "converters/inspect/inspection.h"
#include "drivers-inject/linux/initramfs.h"
#include "drivers-inject/linux/modules.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* Years of updates leave empty module trees behind. */
#define MAX_KERNELS ((size_t)256)

/* What a virtual machine may offer, and how a kernel's configuration calls it. */
static const struct {
	const char *name, *config;
} wanted[] = {
	{"virtio_pci", "CONFIG_VIRTIO_PCI"},
	{"virtio_blk", "CONFIG_VIRTIO_BLK"},
	{"virtio_scsi", "CONFIG_SCSI_VIRTIO"},
	{"virtio_net", "CONFIG_VIRTIO_NET"},
	{"ahci", "CONFIG_SATA_AHCI"},
	{"ata_piix", "CONFIG_ATA_PIIX"},
	{"e1000", "CONFIG_E1000"},
	{"e1000e", "CONFIG_E1000E"},
	{"8139cp", "CONFIG_8139CP"},
	{"8139too", "CONFIG_8139TOO"},
	{"nvme", "CONFIG_BLK_DEV_NVME"},
	{"sd_mod", "CONFIG_BLK_DEV_SD"},
	{"piix", "CONFIG_BLK_DEV_PIIX"},
	{"ide_gd_mod", "CONFIG_IDE_GD"},
	{"ide_disk", "CONFIG_BLK_DEV_IDEDISK"},
};

/* Of these, what its initramfs must load before the root can be mounted. */
static const char *const early[] = {"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "ahci",
	"ata_piix", "sd_mod", "nvme", "piix", "ide_gd_mod", "ide_disk"};

static const char *const kernel_forms[] = {"vmlinuz-%s", "kernel-%s", "vmlinux-%s", "bzImage-%s"};
static const char *const initramfs_forms[] = {
	"initrd.img-%s", "initramfs-%s.img", "initrd-%s.img", "initrd-%s", "initramfs-%s"};

/* Where kdump keeps its own: Red Hat (the first two), SUSE, Debian. */
static const char *const crash_forms[] = {"/boot/initramfs-%skdump.img", "/boot/initrd-%skdump.img",
	"/var/lib/kdump/initramfs-%skdump.img", "/boot/initrd-%s-kdump",
	"/var/lib/kdump/initrd.img-%s"};

/* "vmlinuz-%s": the release in its place. */
static void fill_form(const char *form, const char *release, char text[512])
{
	const char *mark = strstr(form, "%s");

	snprintf(text, 512, "%.*s%.255s%s", (int)(mark - form), form, release, mark + 2);
}

/* The first name of these forms that /boot has. */
static int find_in_boot(struct inspection *in, const char *const *forms, size_t n_forms,
	const char *release, char **to)
{
	char name[512];

	for (size_t i = 0; i < n_forms; i++) {
		fill_form(forms[i], release, name);
		if (inspect_dir_find(&in->boot, name)) {
			p2v_autofree char *path = p2v_path_join("/boot", name);

			return inspect_set(in, to, path ? path : "");
		}
	}
	return inspect_set(in, to, "");
}

/* "CONFIG_X=y" as a line of the kernel's configuration: it is linked in. Kernels before 2.6.33 have
 * no list of that, and kernels without modules need none. */
static bool is_linked_in(struct p2v_span config, const char *symbol)
{
	struct p2v_span line, value;

	while (p2v_line_next(&config, &line))
		if (p2v_span_eq(p2v_span_until(line, '=', &value), symbol))
			return p2v_span_eq(p2v_span_trim(value), "y");
	return false;
}

static int load_modules(struct inspection *in, struct facts_kernel *k, struct linux_modules *ret)
{
	struct p2v_err why = {0};
	int r = linux_modules_load(in->g, k->release, ret, &why);

	if (r == 0)
		return 0;
	if (r != P2V_EFORMAT && r != P2V_ENOTFOUND)
		return p2v_err_set(in->err, r, "%s", why.text);
	return inspect_note(in, "kernel %s: %s; taken to have no modules", k->release, why.text);
}

static int add_driver(struct inspection *in, struct facts_kernel *k, const char *name, int state)
{
	struct facts_driver *d = inspect_grow(in, (void **)&k->drivers, &k->n_drivers, sizeof(*d));

	if (!d)
		return P2V_ENOMEM;
	d->state = state;
	return inspect_set(in, &d->name, name);
}

static int read_drivers(struct inspection *in, struct facts_kernel *k)
{
	p2v_autofree char *path = p2v_strf("/boot/config-%s", k->release);
	p2v_autobuf struct p2v_buf config = {0};
	struct linux_modules modules = {0};
	int r = path ? load_modules(in, k, &modules)
		     : p2v_err_set(in->err, P2V_ENOMEM, "no memory");

	if (r == 0)
		r = inspect_text(in, path, INSPECT_OPTIONAL, &config);
	for (size_t i = 0; r >= 0 && i < P2V_N(wanted); i++) {
		const struct linux_module *m = linux_modules_find(&modules, wanted[i].name);
		int state = !m && is_linked_in(inspect_span(&config), wanted[i].config)
				    ? DRIVER_STATE_BUILTIN
			    : !m      ? DRIVER_STATE_ABSENT
			    : m->path ? DRIVER_STATE_MODULE
				      : DRIVER_STATE_BUILTIN;

		r = add_driver(in, k, wanted[i].name, state);
	}
	linux_modules_finish(&modules);
	return r < 0 ? r : 0;
}

static int take_info(struct inspection *in, const struct facts_kernel *k,
	const struct linux_initramfs_info *info, struct facts_initramfs *i)
{
	int r = inspect_set(in, &i->kind, linux_initramfs_tool_word(info->tool));

	if (r == 0)
		r = inspect_set(in, &i->compression, archive_compression_word(info->compression));
	for (size_t n = 0; r == 0 && n < info->n_present; n++)
		r = inspect_add_str(in, &i->modules, &i->n_modules, info->present[n]);
	i->injected = info->marked;
	i->tail_ok = info->compression != ARCHIVE_COMP_LZOP;
	/* What a rescue kernel holds is not ours to change. */
	for (size_t n = 0; r == 0 && !k->rescue && n < info->n_files; n++)
		r = inspect_refs_inside(in, i->path, info->files[n].path,
			p2v_span_of(info->files[n].text.data, info->files[n].text.len));
	return r;
}

static int read_initramfs(struct inspection *in, struct facts_kernel *k, struct facts_initramfs *i)
{
	const struct linux_initramfs_request rq = {.image = i->path,
		.kernel = k->release,
		.modules = early,
		.n_modules = P2V_N(early)};
	struct linux_initramfs_info info = {0};
	struct guest_stat st;
	struct p2v_err why = {0};
	int r = guest_stat(in->g, i->path, &st, &why);

	if (r == 0) {
		i->size_bytes = st.size_bytes;
		r = linux_initramfs_inspect(in->g, &rq, &info, &why);
	}
	if (r == 0) {
		r = take_info(in, k, &info, i);
		linux_initramfs_info_finish(&info);
		return r;
	}
	if (r != P2V_EFORMAT && r != P2V_EUNSUPPORTED && r != P2V_ENOTFOUND)
		return p2v_err_set(in->err, r, "%s", why.text);
	r = inspect_set(in, &i->kind, "unknown");
	return r < 0 ? r : inspect_note(in, "%s", why.text);
}

int inspect_kernel_read(struct inspection *in, struct facts_kernel *k)
{
	int r = read_drivers(in, k);

	return r == 0 && *k->initramfs.path ? read_initramfs(in, k, &k->initramfs) : r;
}

/* What kdump starts after a crash must find a disk, too. */
static int read_crash(struct inspection *in, struct facts_kernel *k)
{
	char path[512];

	for (size_t i = 0; i < P2V_N(crash_forms); i++) {
		struct facts_initramfs *crash;
		int r;

		fill_form(crash_forms[i], k->release, path);
		if (!guest_is_file(in->g, path))
			continue;
		crash = inspect_grow(in, (void **)&k->crash, &k->n_crash, sizeof(*crash));
		r = crash ? inspect_set(in, &crash->path, path) : P2V_ENOMEM;
		return r < 0 ? r : read_initramfs(in, k, crash);
	}
	return 0;
}

static int add_kernel(struct inspection *in, const char *release)
{
	struct facts_kernel *k =
		inspect_grow(in, (void **)&in->os->kernels, &in->os->n_kernels, sizeof(*k));
	p2v_autofree char *dir = p2v_path_join("/lib/modules", release);
	int r = k && dir ? 0 : P2V_ENOMEM;

	if (r == 0)
		r = inspect_set(in, &k->release, release);
	if (r == 0)
		r = inspect_set(in, &k->modules_dir, dir);
	if (r == 0)
		r = inspect_set(in, &k->arch, in->os->arch);
	if (r == 0)
		r = find_in_boot(in, kernel_forms, P2V_N(kernel_forms), release, &k->path);
	if (r == 0)
		r = find_in_boot(
			in, initramfs_forms, P2V_N(initramfs_forms), release, &k->initramfs.path);
	if (r == 0 && *k->path)
		r = inspect_kernel_read(in, k);
	return r == 0 && *k->path ? read_crash(in, k) : r;
}

/* /boot/vmlinuz-0-rescue-<machine-id>: no module tree of its own, and left alone. */
static int add_rescue(struct inspection *in)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->boot.n_entries; i++) {
		const char *name = in->boot.entries[i].name;
		struct facts_kernel *k;
		p2v_autofree char *path = NULL;

		if (strncmp(name, "vmlinuz-", 8) != 0 || !strstr(name, "rescue"))
			continue;
		k = inspect_grow(in, (void **)&in->os->kernels, &in->os->n_kernels, sizeof(*k));
		path = p2v_path_join("/boot", name);
		r = k && path ? inspect_set(in, &k->path, path) : P2V_ENOMEM;
		if (r == 0)
			r = inspect_set(in, &k->release, name + 8);
		if (k)
			k->rescue = true;
	}
	return r;
}

int inspect_kernels(struct inspection *in)
{
	struct guest_dir trees = {0};
	int r = inspect_list(in, "/boot", NULL, &in->boot);

	if (r == 0)
		r = inspect_list(in, "/lib/modules", NULL, &trees);
	if (r == 0 && trees.n_entries > MAX_KERNELS)
		r = p2v_err_set(in->err, P2V_EFORMAT, "/lib/modules: %zu kernels, more than %zu",
			trees.n_entries, MAX_KERNELS);
	for (size_t i = 0; r == 0 && i < trees.n_entries; i++)
		if (trees.entries[i].st.type == GUEST_DIR)
			r = add_kernel(in, trees.entries[i].name);
	guest_dir_finish(&trees);
	return r == 0 ? add_rescue(in) : r;
}
