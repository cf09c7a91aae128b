/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"

/* fstab comes early: it mounts /boot, /usr and /var, which the parts below read. */
static int (*const parts[])(struct inspection *in) = {
	inspect_release,
	inspect_fstab,
	inspect_basics,
	inspect_kernels,
	inspect_bootloader,
	inspect_loose_kernels,
	inspect_refs,
	inspect_network,
	inspect_services,
	inspect_initramfs_config,
};

int inspect_system(struct guest *g, struct facts *facts, struct facts_os *os, struct p2v_err *err)
{
	struct inspection in = {.g = g, .facts = facts, .os = os, .err = err};
	int r = guest_list_dir(g, "/etc", NULL, 65536, &in.etc, err);

	if (r == 0)
		r = inspect_set(&in, &os->kind, "linux");
	for (size_t i = 0; r == 0 && i < P2V_N(parts); i++)
		r = parts[i](&in);
	guest_dir_finish(&in.etc);
	guest_dir_finish(&in.boot);
	return r;
}
