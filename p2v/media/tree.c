/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The packages. mmdebstrap's variant `extract` only fetches, checks the archive's signatures and
 * unpacks: no maintainer script runs, so another architecture is as good as ours.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/media/parts.h"

/* What the system on the medium is made of; libraries come as what these depend on. */
static const char *const amd64_packages[] = {
#define COMMON                                                                                     \
	"busybox", "kmod", "udev", "iproute2", "ethtool", "openssh-client", "ncurses-base",        \
		"firmware-linux-free", "libgcc-s1", "libnewt0.52", "libcurl4", "libssh2-1",        \
		"libzstd1", "libxxhash0", "libjansson4", "libblkid1", "libext2fs2",                \
		"libntfs-3g89", "libyaml-0-2", "grub-pc-bin", "grub-efi-ia32-bin"
	COMMON, "grub-efi-amd64-signed", "shim-signed", NULL};
static const char *const i386_packages[] = {COMMON, NULL};

/* Secure Boot: Microsoft's key signed shim, which starts the GRUB that Debian signed. */
static const char *const amd64_efi[] = {"BOOTX64.EFI", "usr/lib/shim/shimx64.efi.signed",
	"grubx64.efi", "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", "mmx64.efi",
	"usr/lib/shim/mmx64.efi.signed", NULL};
static const char *const i386_efi[] = {NULL};

static const struct media_arch archs[] = {
	{"amd64", "linux-image-amd64", "x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2",
		amd64_packages, amd64_efi},
	{"i386", "linux-image-686", "i386-linux-gnu", "lib/ld-linux.so.2", i386_packages, i386_efi},
};

const struct media_arch *media_arch_find(const char *name)
{
	for (size_t i = 0; i < P2V_N(archs); i++)
		if (strcmp(name, archs[i].name) == 0)
			return &archs[i];
	return NULL;
}

static char *packages_word(const struct media_build *b)
{
	struct p2v_buf word = {0};

	p2v_buf_addf(&word, "--include=%s", b->arch->kernel);
	for (const char *const *p = b->arch->packages; *p; p++)
		p2v_buf_addf(&word, ",%s", *p);
	for (size_t i = 0; i < b->spec->n_packages; i++)
		p2v_buf_addf(&word, ",%s", b->spec->packages[i]);
	return p2v_buf_take_str(&word);
}

static int fetch(const struct media_build *b, const char *tar, struct p2v_err *err)
{
	p2v_autofree char *include = packages_word(b);
	p2v_autofree char *arch = p2v_strf("--architectures=%s", b->arch->name);
	/* apt's own lists, names of files and languages are no part of the medium. */
	const char *argv[] = {"mmdebstrap", "--variant=extract", arch, include,
		"--aptopt=Acquire::Languages \"none\"", b->spec->suite, tar, b->spec->sources,
		NULL};
	int r;

	if (!include || !arch)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = media_tool_run(b, argv, err);
	/* It can do without where users may have namespaces of their own. */
	return r < 0 && geteuid() != 0 ? p2v_err_wrap(err, r, "not root, which may be why") : r;
}

static int unpack(const struct media_build *b, const char *tar, struct p2v_err *err)
{
	const char *const argv[] = {"tar", "--extract", "--no-same-owner", "--file", tar,
		"--directory", b->tree, "--exclude=./dev/*", NULL};
	int r = p2v_dir_make(b->tree, 0700, err);

	return r < 0 ? r : media_tool_run(b, argv, err);
}

/* The one kernel that came: the name of its module directory. */
static int kernel_find(struct media_build *b, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(b->tree, "lib/modules");
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && !b->kernel)
			b->kernel = strdup(entry->d_name);
	if (dir)
		closedir(dir);
	return b->kernel ? 0
			 : p2v_err_set(err, P2V_EFORMAT, "%s brought no kernel", b->arch->kernel);
}

int media_tree_fetch(struct media_build *b, struct p2v_err *err)
{
	p2v_autofree char *tar = p2v_path_join(b->work, "tree.tar");
	int r = tar ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	p2v_progress_start(b->progress, "fetching packages", "steps", 0);
	if (r == 0)
		r = fetch(b, tar, err);
	p2v_progress_start(b->progress, "unpacking packages", "steps", 0);
	if (r == 0)
		r = unpack(b, tar, err);
	if (r == 0) {
		remove(tar);
		r = kernel_find(b, err);
	}
	return r;
}
