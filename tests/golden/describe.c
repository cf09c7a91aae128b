/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Facts and changes in lines that a person compares. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drivers-inject/linux/unified.h"
#include "golden.h"
#include "p2v/archive/initramfs.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static const char *text(const char *s)
{
	return s && *s ? s : "-";
}

static void add_words(const char *before, char *const *items, size_t n, struct p2v_buf *out)
{
	for (size_t i = 0; i < n; i++)
		p2v_buf_addf(out, "%s%s", i ? " " : before, items[i]);
}

static void describe_kernel(const struct facts_kernel *k, struct p2v_buf *out)
{
	static const char state[] = {'-', 'm', 'y'};

	p2v_buf_addf(out, "kernel   %s %s%s%s\n", k->release, text(k->path),
		k->default_entry ? ", starts by itself" : "",
		k->unified  ? ", unified"
		: k->rescue ? ", rescue"
			    : "");
	if (k->rescue)
		return;
	p2v_buf_add_str(out, "  drivers ");
	for (size_t i = 0; i < k->n_drivers; i++)
		if (k->drivers[i].state != DRIVER_STATE_ABSENT)
			p2v_buf_addf(out, " %s=%c", k->drivers[i].name, state[k->drivers[i].state]);
	p2v_buf_addf(out, "\n  initramfs %s %s %s%s%s", text(k->initramfs.path),
		text(k->initramfs.kind), text(k->initramfs.compression),
		k->initramfs.tail_ok ? "" : ", cannot be extended",
		k->initramfs.injected ? ", injected" : "");
	add_words(", holds ", k->initramfs.modules, k->initramfs.n_modules, out);
	for (size_t i = 0; i < k->n_crash; i++)
		p2v_buf_addf(out, "\n  kdump's   %s %s", k->crash[i].path, k->crash[i].kind);
	p2v_buf_add_str(out, "\n");
}

static void describe_loader(const struct facts_os *os, struct p2v_buf *out)
{
	const struct facts_bootloader *b = &os->bootloader;

	p2v_buf_addf(out, "loader   %s (%s), starts: %s%s\n", text(b->kind), text(b->firmware),
		text(b->cmdline), b->serial_console ? ", talks on the serial line" : "");
	for (size_t i = 0; i < b->n_configs; i++)
		p2v_buf_addf(out, "  read at boot %s\n", b->configs[i]);
	for (size_t i = 0; i < b->n_sources; i++)
		p2v_buf_addf(out, "  source       %s\n", b->sources[i]);
}

static void describe_os(const struct facts_os *os, struct p2v_buf *out)
{
	p2v_buf_addf(out, "system   %s %s %s on %s, init %s%s\n", text(os->id),
		text(os->version_id), text(os->arch), text(os->root), text(os->init),
		os->selinux ? ", SELinux" : "");
	describe_loader(os, out);
	for (size_t i = 0; i < os->n_kernels; i++)
		describe_kernel(&os->kernels[i], out);
	for (size_t i = 0; i < os->n_mounts; i++)
		p2v_buf_addf(out, "mount    %s is %s on %s\n", os->mounts[i].spec,
			text(os->mounts[i].device), os->mounts[i].mountpoint);
	for (size_t i = 0; i < os->n_refs; i++)
		p2v_buf_addf(out, "names    %s:%u %s: %s -> %s\n", os->refs[i].path,
			os->refs[i].line, os->refs[i].what, os->refs[i].text,
			text(os->refs[i].stable));
	for (size_t i = 0; i < os->n_nics; i++)
		p2v_buf_addf(out, "nic      %s %s %s %s\n", text(os->nics[i].name),
			os->nics[i].kind, text(os->nics[i].dialect), text(os->nics[i].mac));
	for (size_t i = 0; i < os->n_services; i++)
		p2v_buf_addf(out, "service  %s %s\n", os->services[i].name, os->services[i].reason);
}

void golden_describe_facts(const struct facts *facts, struct p2v_buf *out)
{
	for (size_t i = 0; i < facts->n_systems; i++)
		describe_os(&facts->systems[i], out);
	for (size_t i = 0; i < facts->n_notes; i++)
		p2v_buf_addf(out, "note     %s\n", facts->notes[i]);
}

/* A section of a unified kernel in a file of its own; -1: it is none. */
static int section(int fd, const char *name)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	uint64_t at, n;
	uint8_t *space;
	int part;

	if (fd < 0 || linux_unified_find(fd, name, &at, &n, NULL) <= 0)
		return -1;
	part = memfd_create(name, MFD_CLOEXEC);
	space = p2v_buf_reserve(&bytes, n);
	if (part < 0 || !space || pread(fd, space, n, (off_t)at) != (ssize_t)n ||
		write(part, space, n) != (ssize_t)n)
		golden_need(p2v_err_set(&golden_err, P2V_EIO, "cannot be taken out"), name);
	return part;
}

static void describe_arguments(int fd, struct p2v_buf *out)
{
	p2v_autoclose int part = section(fd, LINUX_UNIFIED_CMDLINE);
	char words[512];
	ssize_t n = part < 0 ? 0 : pread(part, words, sizeof(words), 0);

	if (n > 0)
		p2v_buf_addf(out, "  arguments: %.*s\n", (int)n, words);
}

/* What the last segment of an image brought, but for the indexes: they are the host's depmod's. */
static void describe_image(const char *path, struct p2v_buf *out)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC), part = -1;
	struct archive_initramfs list = {0};
	struct archive_wanted none = {0};

	describe_arguments(fd, out);
	part = section(fd, LINUX_UNIFIED_INITRD);
	if (fd < 0 || archive_initramfs_read(part < 0 ? fd : part, &none, &list, NULL) < 0 ||
		!list.n_segments)
		return;
	p2v_buf_addf(out, "  %zu segments, the last one %s\n", list.n_segments,
		archive_compression_word(list.segments[list.n_segments - 1].compression));
	for (size_t i = 0; i < list.n_members; i++)
		if (list.members[i].segment == list.n_segments - 1 &&
			!strstr(list.members[i].path, "/modules."))
			p2v_buf_addf(out, "  + %s%s%s\n", list.members[i].path,
				list.members[i].target ? " -> " : "",
				list.members[i].target ? list.members[i].target : "");
	archive_initramfs_finish(&list);
}

void golden_describe_changes(
	const struct changes *changes, const char *root, const char *top, struct p2v_buf *out)
{
	for (size_t i = 0; i < changes->n_changes; i++) {
		const struct change *c = &changes->changes[i];
		p2v_autofree char *path = p2v_path_join(top, c->diff ? c->diff : "");
		p2v_autofree char *file = p2v_strf("%s%s", root, c->path);

		p2v_buf_addf(out, "%s %s %s\n", c->action, c->kind, c->path);
		if (c->diff)
			golden_need(p2v_file_read(path, 1 << 20, out, &golden_err), path);
		else if (strcmp(c->kind, "binary") == 0)
			describe_image(file, out);
	}
}
