/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_IMAGE_H
#define P2V_DRIVERS_LINUX_IMAGE_H

/* Inside the room: an initramfs image on the host, and what its list of files says. */

#include "drivers-inject/linux/initramfs.h"
#include "drivers-inject/linux/modules.h"
#include "p2v/core/buf.h"

struct linux_image {
	int fd; /* a host copy without a name */
	struct archive_initramfs list;
	struct p2v_buf dep_bin; /* the last modules.dep.bin of this kernel */
	bool has_alias_bin;
	bool *has;  /* per item of the guest's modules: its file is in the image */
	char *base; /* where the image keeps this kernel's modules: "usr/lib/modules/KV" */
};

/* Takes a copy out of the guest and reads it. The error names the image. */
int linux_image_load(struct guest *g, const char *path, const char *kernel,
	const struct linux_modules *modules, struct linux_image *ret, struct p2v_err *err);
void linux_image_finish(struct linux_image *i);

enum linux_initramfs_tool linux_image_tool(const struct linux_image *i);
/* The compression of the segment that holds /init. */
enum archive_compression linux_image_compression(const struct linux_image *i);
/* The module and all that it needs are there, and the image's index knows it. */
bool linux_image_can_load(
	const struct linux_image *i, const struct linux_modules *m, const struct linux_module *mod);
/* Copies the image's own module files into the directory `dir`, as paths relative to base. */
int linux_image_extract(const struct linux_image *i, const char *dir, struct p2v_err *err);

#endif
