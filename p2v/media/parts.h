/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MEDIA_PARTS_H
#define P2V_MEDIA_PARTS_H

/* What the files of the room share. A build has a work directory, which goes when it ends. */

#include <stdbool.h>

#include "p2v/core/buf.h"
#include "p2v/core/progress.h"
#include "p2v/media/media.h"

#define MEDIA_TOOL_MS  600000
#define MEDIA_FETCH_MS 3600000

struct media_build {
	const struct media_spec *spec;
	const struct media_arch *arch;
	struct p2v_progress *progress;
	char *work;   /* ours alone */
	char *tree;   /* work/tree: the unpacked packages */
	char *kernel; /* "6.1.0-56-amd64" */
	char *boot;   /* work/boot: vmlinuz, initrd.img, config.img */
};

/* What differs between architectures. */
struct media_arch {
	const char *name;    /* Debian's */
	const char *kernel;  /* the package */
	const char *triplet; /* of its library directory */
	const char *loader;  /* the dynamic loader, which programs name by path */
	const char *const *packages;
	/* UEFI: what lies below EFI/boot, from the tree; NULL-terminated pairs (name, path). */
	const char *const *efi_files;
};

const struct media_arch *media_arch_find(const char *name);

/* Fetches and unpacks the packages, finds the kernel. */
int media_tree_fetch(struct media_build *b, struct p2v_err *err);
/* Files of the initramfs: a list of where each comes from. */
struct media_entry {
	char *path; /* on the medium, without a leading slash */
	char *from; /* a file here; NULL: bytes */
	void *bytes;
	size_t n;
	uint32_t mode;
};
struct media_list {
	struct media_entry *items;
	size_t n_items;
};
int media_list_add_file(struct media_list *l, const char *path, const char *from, uint32_t mode,
	struct p2v_err *err);
int media_list_add_bytes(struct media_list *l, const char *path, const void *bytes, size_t n,
	uint32_t mode, struct p2v_err *err);
int media_list_add_link(
	struct media_list *l, const char *path, const char *target, struct p2v_err *err);
int media_list_add_directory(struct media_list *l, const char *path, struct p2v_err *err);
bool media_list_has(const struct media_list *l, const char *path);
/* Sorted, each path once, with the directories above. */
int media_list_pack(struct media_list *l, struct p2v_buf *ret, struct p2v_err *err);
void media_list_finish(struct media_list *l);
#define media_autolist __attribute__((cleanup(media_list_finish)))

/* Adds the programs, the libraries that they name, and what else the system needs. */
int media_system_add(struct media_build *b, struct media_list *l, struct p2v_err *err);
/* Adds the kernel's modules that modules.list takes, and an index of them. */
int media_modules_add(struct media_build *b, struct media_list *l, struct p2v_err *err);
/* Adds p2v/config, p2v/identity, p2v/known_hosts. */
int media_config_add(const struct media_spec *spec, struct media_list *l, struct p2v_err *err);
/* Fills b->boot. */
int media_boot_files_make(struct media_build *b, struct p2v_err *err);
/* The image, from b->boot. */
int media_iso_write(struct media_build *b, const char *path, struct p2v_err *err);

/* "p2v.server=... console=..." as a boot loader has it. */
const char *media_kernel_words(void);

int media_build_begin(const struct media_spec *spec, struct p2v_progress *progress,
	struct media_build *ret, struct p2v_err *err);
void media_build_finish(struct media_build *b);
#define media_autobuild __attribute__((cleanup(media_build_finish)))

/* Runs a tool with SOURCE_DATE_EPOCH set. */
int media_tool_run(const struct media_build *b, const char *const *argv, struct p2v_err *err);
/* Copies a file of ours; its time is the spec's. */
int media_file_copy(
	const struct media_build *b, const char *from, const char *to, struct p2v_err *err);
int media_file_write(const struct media_build *b, const char *path, const void *bytes, size_t n,
	struct p2v_err *err);

#endif
