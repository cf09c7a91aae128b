/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/rescue.h"

#include <inttypes.h>
#include <string.h>

#include "p2v/core/num.h"

/* A range that was met before, in an earlier pass, is known already. */
static bool bad_known(const struct send_bad *bad, uint64_t offset, uint64_t n)
{
	for (size_t i = 0; i < bad->n; i++)
		if (offset >= bad->items[i].offset &&
			offset + n <= bad->items[i].offset + bad->items[i].length)
			return true;
	return false;
}

static int bad_add(
	struct block_io *io, uint64_t offset, uint64_t n, struct send_bad *bad, struct p2v_err *err)
{
	if (bad_known(bad, offset, n))
		return 0;
	for (size_t i = 0; i < bad->n; i++)
		if (bad->items[i].offset + bad->items[i].length == offset) {
			bad->items[i].length += n;
			return 0;
		}
	if (bad->n == SEND_BAD_MAX)
		return p2v_err_set(err, P2V_EIO,
			"%s: more than %u ranges cannot be read, the last at %" PRIu64, io->name,
			SEND_BAD_MAX, offset);
	bad->items[bad->n].offset = offset;
	bad->items[bad->n].length = n;
	bad->n++;
	return 0;
}

int send_rescue_read(struct block_io *io, uint64_t offset, uint8_t *buf, size_t n,
	struct send_bad *bad, struct p2v_err *err)
{
	struct p2v_err why = {0};
	size_t sector = io->logical_sector_bytes, half;
	int r = block_read(io, offset, buf, n, &why);

	if (r == P2V_EIO && n <= sector) {
		memset(buf, 0, n);
		return bad_add(io, offset, n, bad, err);
	}
	if (r != P2V_EIO) {
		if (r < 0 && err)
			*err = why;
		return r;
	}
	/* Halves on sectors; n is at most a chunk, so this goes a dozen deep. */
	half = (size_t)p2v_align_up(n / 2, sector);
	r = send_rescue_read(io, offset, buf, half, bad, err);
	return r < 0 ? r : send_rescue_read(io, offset + half, buf + half, n - half, bad, err);
}
