/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The boot sector of an NTFS: at 3 "NTFS    ", at 0x1a the number of heads, 16 bits. */

#include <string.h>

#include "converters/apply/editors.h"
#include "p2v/core/span.h"
#include "p2v/guest/sector.h"

#define MAGIC_AT 3
#define HEADS_AT 0x1a

int run_ntfs_heads(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *text = apply_arg(step, "heads", err);
	uint8_t sector[GUEST_SECTOR_BYTES];
	uint64_t heads;
	int r;

	(void)details;
	if (!text || !p2v_span_u64(p2v_span_str(text), 255, &heads))
		return P2V_EFORMAT;
	r = guest_sector_read(g, step->path, sector, err);
	if (r < 0)
		return r;
	if (memcmp(sector + MAGIC_AT, "NTFS    ", 8) != 0)
		return p2v_err_set(err, P2V_EFORMAT, "%s: is no NTFS", step->path);
	sector[HEADS_AT] = (uint8_t)heads;
	sector[HEADS_AT + 1] = 0;
	return guest_sector_write(g, step->path, sector, step->reason, err);
}
