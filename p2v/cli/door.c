/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/door.h"

#include <stdlib.h>

#include "p2v/core/cleanup.h"
#include "p2v/guest/accel.h"
#include "p2v/guest/key.h"

int cli_door_open(const struct image *image, char *const *overlays, const char *const *keys,
	size_t n_keys, struct guest **ret, struct p2v_err *err)
{
	p2v_autofree struct guest_disk *disks = calloc(image->n_disks, sizeof(*disks));
	guest_auto_keys struct guest_keys loaded = {0};
	struct guest_accel_result accel;
	struct guest_options o = {.disks = disks, .n_disks = image->n_disks, .writable = overlays};
	int r;

	if (!disks)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < image->n_disks; i++) {
		disks[i].path = overlays ? overlays[i] : image->disks[i].path;
		disks[i].format = overlays ? "qcow2" : image->disks[i].format;
		disks[i].logical_sector_bytes = image->disks[i].logical_sector_bytes;
	}
	r = guest_keys_load(keys, n_keys, &loaded, err);
	if (r == 0)
		r = guest_accel_find(&accel, err);
	if (r < 0)
		return r;
	o.keys = loaded.items;
	o.n_keys = loaded.n_items;
	o.use_kvm = accel.accel == GUEST_ACCEL_KVM;
	return guest_open_disks(&o, ret, err);
}
