/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_SCRIPTS_H
#define P2V_DRIVERS_LINUX_SCRIPTS_H

/* Inside the room: an image's own scripts, edited so that they load further modules. */

#include "drivers-inject/linux/image.h"

struct scripts {
	struct linux_initramfs_file items[2];
	size_t n;
};

void linux_scripts_finish(struct scripts *s);
/* in: per item of m, whether it is to be loaded. Those that others need come first. */
int linux_scripts_nash(const struct linux_image *i, const struct linux_modules *m, const bool *in,
	struct scripts *ret, struct p2v_err *err);
int linux_scripts_suse(const struct linux_image *i, const struct linux_modules *m,
	const char *const *names, size_t n_names, struct scripts *ret, struct p2v_err *err);

#endif
