/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/door.h"

#include <stdlib.h>

#include "p2v/core/cleanup.h"
#include "p2v/guest/accel.h"

int cli_door_open(
	const struct image *image, char *const *overlays, struct guest **ret, struct p2v_err *err)
{
	p2v_autofree struct guest_disk *disks = calloc(image->n_disks, sizeof(*disks));
	struct guest_accel_result accel;
	struct guest_options o = {.disks = disks, .n_disks = image->n_disks, .writable = overlays};
	int r;

	if (!disks)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < image->n_disks; i++) {
		disks[i].path = overlays ? overlays[i] : image->disks[i].path;
		disks[i].format = overlays ? "qcow2" : image->disks[i].format;
	}
	r = guest_accel_find(&accel, err);
	if (r < 0)
		return r;
	o.use_kvm = accel.accel == GUEST_ACCEL_KVM;
	return guest_open_disks(&o, ret, err);
}
