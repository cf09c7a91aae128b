/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_IMAGE_H
#define P2V_DRIVERS_LINUX_IMAGE_H

/* Inside the room: an initramfs image on the host, and what its list of files says. */

#include "drivers-inject/linux/initramfs.h"
#include "drivers-inject/linux/modules.h"
#include "p2v/core/buf.h"

/* What is read of one, and so how large it may become: it is looked at again. */
#define LINUX_IMAGE_MAX_BYTES ((uint64_t)1 << 30)

struct linux_image {
	int fd;	     /* a host copy without a name */
	int program; /* the EFI program that it is a section of; -1: none */
	struct archive_initramfs list;
	struct p2v_buf dep_bin; /* the last modules.dep.bin of this kernel */
	bool has_alias_bin;
	bool *has;  /* per item of the guest's modules: its file is in the image */
	char *base; /* where the image keeps this kernel's modules: "usr/lib/modules/KV" */
	enum linux_initramfs_tool tool;
	struct linux_initramfs_file *texts; /* that something here reads: scripts, host facts */
	size_t n_texts;
};

#define LINUX_IMAGE_NONE ((struct linux_image){.fd = -1, .program = -1})

/* Takes a copy out of the guest and reads it; of a unified kernel, the initramfs that it holds. The
 * error names the image. */
int linux_image_load(struct guest *g, const char *path, const char *kernel,
	const struct linux_modules *modules, struct linux_image *ret, struct p2v_err *err);
/* A host file without a name. */
int linux_temporary(struct p2v_err *err);
void linux_image_finish(struct linux_image *i);

/* The text of a small file that the image holds, or NULL where it holds none that is kept. */
const struct linux_initramfs_file *linux_image_text(const struct linux_image *i, const char *path);
/* Takes the texts over that repeat facts of the old machine. */
int linux_image_take_facts(struct linux_image *i, struct linux_initramfs_file **ret, size_t *ret_n,
	struct p2v_err *err);
/* The compression of the segment that holds /init. */
enum archive_compression linux_image_compression(const struct linux_image *i);
/* The module and all that it needs are there, and the image will load it: its index knows it, or
 * its script names it. */
bool linux_image_can_load(
	const struct linux_image *i, const struct linux_modules *m, const struct linux_module *mod);
/* Its file is there, whether it is loaded or not. */
bool linux_image_holds(
	const struct linux_image *i, const struct linux_modules *m, const struct linux_module *mod);
/* Copies the image's own module files into the directory `dir`, as paths relative to base. */
int linux_image_extract(const struct linux_image *i, const char *dir, struct p2v_err *err);

#endif
