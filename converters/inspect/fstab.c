/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/fstab.h"

#include <string.h>

#include "converters/inspect/inspection.h"
#include "converters/inspect/storage.h"
#include "p2v/core/cleanup.h"

/* The file systems that hold what a conversion reads and writes, outermost first. */
static const char *const system_mounts[] = {"/usr", "/var", "/boot", "/boot/efi", "/efi"};

/* "rw,subvol=@home,..." -> "@home"; a leading slash means the top of the file system, too. */
static struct p2v_span subvolume_of(const struct facts_mount *m)
{
	struct p2v_span rest = p2v_span_str(m->options), option = {0};

	while (rest.n > 0) {
		option = p2v_span_until(rest, ',', &rest);
		if (!p2v_span_starts(option, "subvol="))
			continue;
		option = p2v_span_skip(option, 7);
		while (p2v_span_starts(option, "/"))
			option = p2v_span_skip(option, 1);
		return option;
	}
	return (struct p2v_span){0};
}

static int resolve(struct inspection *in, struct facts_mount *m)
{
	const struct facts_fs *f = inspect_find_mount(in->facts, m);
	struct p2v_span subvolume = subvolume_of(m);
	int r = inspect_set(in, &m->device, f ? f->device : "");

	if (r == 0 && f && strcmp(f->kind, "btrfs") == 0 && subvolume.n > 0)
		r = inspect_set_span(in, &m->subvolume, subvolume);
	return r;
}

static const struct facts_mount *find(const struct facts_os *os, const char *mountpoint)
{
	for (size_t i = 0; i < os->n_mounts; i++)
		if (strcmp(os->mounts[i].mountpoint, mountpoint) == 0)
			return &os->mounts[i];
	return NULL;
}

static int mount_one(struct inspection *in, const struct facts_mount *m)
{
	struct p2v_err why = {0};
	int r;

	if (!*m->device)
		return inspect_note(in, "/etc/fstab: line %u: %s for %s is not on these disks",
			m->line, m->spec, m->mountpoint);
	if (strcmp(m->device, in->os->root) == 0 && !m->subvolume)
		return 0;
	r = guest_mount(in->g, m->device, m->mountpoint, m->subvolume, true, &why);
	/* A directory that poses as a guest has all of it in one. */
	if (r == 0 || r == P2V_EUNSUPPORTED)
		return 0;
	return inspect_note(
		in, "%s could not be mounted on %s: %s", m->device, m->mountpoint, why.text);
}

/* The root is known: what fstab calls it is what it, or its disk, is called. */
static int learn_from_root(struct inspection *in)
{
	const struct facts_mount *root = find(in->os, "/");

	for (size_t i = 0; root && i < in->facts->n_filesystems; i++) {
		struct facts_fs *f = &in->facts->filesystems[i];
		struct p2v_span spec = p2v_span_str(root->spec);

		if (strcmp(f->device, in->os->root) != 0)
			continue;
		if (p2v_span_starts(spec, "/dev/disk/") && !inspect_is_hardware_name(spec) &&
			!inspect_find_fs(in->facts, spec))
			return inspect_storage_call_array(f, spec, in->err);
		return inspect_storage_call_disk(in->facts, f, spec, in->err);
	}
	return 0;
}

/* So is what a disk shows by what lies on it. */
static int learn_from_mounts(struct inspection *in)
{
	int r = 0;

	for (int evidence = INSPECT_BY_PLACE; evidence <= INSPECT_BY_REMAINING; evidence++) {
		for (size_t i = 0; r == 0 && i < in->os->n_mounts; i++)
			r = inspect_storage_learn(in->facts, in->os, &in->os->mounts[i],
				(enum inspect_evidence)evidence, in->err);
		for (size_t i = 0; evidence == INSPECT_BY_PLACE && i < in->os->n_mounts; i++)
			in->os->mounts[i].guess =
				inspect_storage_is_guess(in->facts, in->os, &in->os->mounts[i]);
	}
	return r;
}

/* The only file system of that role; NULL: none, or several. */
static const struct facts_fs *find_only(const struct facts *facts, size_t role)
{
	const struct facts_fs *found = NULL;

	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const struct facts_fs *f = &facts->filesystems[i];

		if (!*(const bool *)((const char *)f + role))
			continue;
		if (found)
			return NULL;
		found = f;
	}
	return found;
}

/* A directory that waits for a file system, of which fstab says nothing. */
static bool is_free(struct inspection *in, const char *path)
{
	struct guest_dir d = {0};
	bool empty = !find(in->os, path) && guest_is_dir(in->g, path) &&
		     guest_list_dir(in->g, path, NULL, 1, &d, NULL) == 0 && d.n_entries == 0;

	guest_dir_finish(&d);
	return empty;
}

static int add_mount(struct inspection *in, const struct facts_fs *f, const char *mountpoint)
{
	struct facts_mount *m =
		inspect_grow(in, (void **)&in->os->mounts, &in->os->n_mounts, sizeof(*m));

	if (!m || inspect_set(in, &m->spec, "") < 0 ||
		inspect_set(in, &m->mountpoint, mountpoint) < 0 ||
		inspect_set(in, &m->kind, f->kind) < 0 || inspect_set(in, &m->options, "") < 0)
		return P2V_ENOMEM;
	return inspect_set(in, &m->device, f->device);
}

/* systemd-gpt-auto-generator(8): what fstab does not mention is mounted by the partition's type,
 * the extended boot partition on /boot, the EFI system partition on /efi or, where there is no
 * other, on /boot. Those are mounts like the others. */
static int add_automatic(struct inspection *in)
{
	const struct facts_fs *esp = find_only(in->facts, offsetof(struct facts_fs, esp)),
			      *boot = find_only(in->facts, offsetof(struct facts_fs, xbootldr));
	int r = 0;

	boot = boot && is_free(in, "/boot") ? boot : NULL;
	if (boot)
		r = add_mount(in, boot, "/boot");
	if (r < 0 || !esp || find(in->os, "/boot/efi"))
		return r;
	if (is_free(in, "/efi"))
		return add_mount(in, esp, "/efi");
	return !find(in->os, "/efi") && is_free(in, "/boot") ? add_mount(in, esp, "/boot") : 0;
}

int inspect_fstab(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	const struct facts_mount *m;
	int r = inspect_text(in, "/etc/fstab", INSPECT_NEEDED, &text);

	if (r > 0) {
		r = fstab_parse(inspect_span(&text), in->os, in->err);
		if (r < 0)
			p2v_err_wrap(in->err, r, "/etc/fstab");
	}
	if (r == 0)
		r = learn_from_root(in);
	if (r == 0)
		r = inspect_names(in);
	if (r == 0)
		r = learn_from_mounts(in);
	for (size_t i = 0; r == 0 && i < in->os->n_mounts; i++)
		r = resolve(in, &in->os->mounts[i]);
	if (r == 0)
		r = add_automatic(in);
	for (size_t i = 0; r == 0 && i < P2V_N(system_mounts); i++) {
		m = find(in->os, system_mounts[i]);
		if (m)
			r = mount_one(in, m);
	}
	return r;
}
