/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lsblk -P printed on another machine: each volume has a device, partitions lie on disks. */
#include "fuzz.h"

#include <stdlib.h>

#include "p2v/cli/lsblk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct guest_storage storage = {0};
	char *root = NULL;

	if (cli_lsblk_parse(p2v_span_of(data, n), &storage, &root, NULL) < 0) {
		if (storage.n_volumes || root)
			abort();
		return 0;
	}
	for (size_t i = 0; i < storage.n_volumes; i++) {
		const struct guest_volume *v = &storage.volumes[i];

		if (!v->device || (v->type == GUEST_VOLUME_PART && v->disk >= 26))
			abort();
	}
	free(root);
	guest_storage_finish(&storage);
	return 0;
}
