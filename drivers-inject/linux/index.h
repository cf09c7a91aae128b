/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_INDEX_H
#define P2V_DRIVERS_LINUX_INDEX_H

/*
 * Inside the room: the files that a segment will hold, and the module indexes among them. Indexes
 * are made by the host's depmod over a copy of the image's modules and ours; where depmod is
 * missing, the guest's own go in as they are (they list more than the image holds, which harms
 * nothing).
 */

#include "drivers-inject/linux/image.h"

struct linux_file {
	char *path; /* relative to /lib/modules/KV */
	struct p2v_buf bytes;
};

struct linux_files {
	struct linux_file *items;
	size_t n_items;
};

void linux_files_finish(struct linux_files *f);
/* Adds a file of the guest's module tree. P2V_ENOTFOUND where it is not there. */
int linux_files_fetch(struct guest *g, const char *kernel, const char *path, struct linux_files *f,
	struct p2v_err *err);
/* Adds the indexes for what the image holds and `f` adds. */
int linux_files_add_indexes(struct guest *g, const char *kernel, const struct linux_image *image,
	struct linux_files *f, bool *ret_used_depmod, struct p2v_err *err);

#endif
