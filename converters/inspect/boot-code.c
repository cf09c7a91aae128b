/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Which disks a BIOS can start: 440 bytes of program and the signature 0x55 0xaa at the end of the
 * first sector. A disk that was partitioned and never started from has zeros there, and a BIOS runs
 * them. Source: the layout of the master boot record, as UEFI 2.10, 5.2.1 describes it.
 */

#include <string.h>

#include "converters/inspect/storage.h"
#include "p2v/core/cleanup.h"
#include "p2v/guest/sector.h"

#define CODE_BYTES	440
#define SIGNATURE_BYTES 2

static bool has_code(const uint8_t sector[GUEST_SECTOR_BYTES])
{
	static const uint8_t signature[SIGNATURE_BYTES] = {0x55, 0xaa};

	if (memcmp(sector + GUEST_SECTOR_BYTES - SIGNATURE_BYTES, signature, SIGNATURE_BYTES) != 0)
		return false;
	for (size_t i = 0; i < CODE_BYTES; i++)
		if (sector[i])
			return true;
	return false;
}

int inspect_boot_code(struct guest *g, struct facts *facts, struct p2v_err *err)
{
	for (size_t i = 0; i < facts->n_disks; i++) {
		struct facts_disk *d = &facts->disks[i];
		uint8_t sector[GUEST_SECTOR_BYTES];

		/* What cannot be read is not known. */
		if (guest_sector_read(g, d->device, sector, NULL) < 0 || has_code(sector))
			continue;
		free(d->boot_code);
		d->boot_code = strdup("none");
		if (!d->boot_code)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	return 0;
}
