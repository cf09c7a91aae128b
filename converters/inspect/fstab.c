/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/fstab.h"

#include <string.h>

#include "converters/inspect/inspection.h"
#include "converters/inspect/storage.h"

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
	const struct facts_fs *f = inspect_find_fs(in->facts, p2v_span_str(m->spec));
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
	if (r == 0)
		return 0;
	return inspect_note(
		in, "%s could not be mounted on %s: %s", m->device, m->mountpoint, why.text);
}

int inspect_fstab(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	const struct facts_mount *m;
	int r = inspect_names(in);

	if (r == 0)
		r = inspect_text(in, "/etc/fstab", INSPECT_NEEDED, &text);
	if (r > 0) {
		r = fstab_parse(inspect_span(&text), in->os, in->err);
		if (r < 0)
			p2v_err_wrap(in->err, r, "/etc/fstab");
	}
	for (size_t i = 0; r == 0 && i < in->os->n_mounts; i++)
		r = resolve(in, &in->os->mounts[i]);
	for (size_t i = 0; r == 0 && i < sizeof(system_mounts) / sizeof(system_mounts[0]); i++) {
		m = find(in->os, system_mounts[i]);
		if (m)
			r = mount_one(in, m);
	}
	return r;
}
