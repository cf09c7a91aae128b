/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_SECTOR_H
#define P2V_GUEST_SECTOR_H

/*
 * The first sector of a volume, which is no file: a boot sector says there what the disk's geometry
 * is. The volume may be mounted: no file system driver writes there. A directory that poses as a
 * guest has no volumes: P2V_EUNSUPPORTED.
 */

#include <stdint.h>

#include "p2v/core/err.h"
#include "p2v/guest/guest.h"

#define GUEST_SECTOR_BYTES 512

int guest_sector_read(
	struct guest *g, const char *device, uint8_t ret[GUEST_SECTOR_BYTES], struct p2v_err *err);
/* Recorded as a change of the device; what is so already is no change. why: as in write.h. */
int guest_sector_write(struct guest *g, const char *device, const uint8_t bytes[GUEST_SECTOR_BYTES],
	const char *why, struct p2v_err *err);

#endif
