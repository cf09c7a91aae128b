/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/xfs.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * The log is a ring of 512-byte basic blocks, whatever the disk's sector is. The first word of each
 * is the cycle in which it was written, but in a record's header, where it is a magic number and
 * the cycle comes next:
 *
 *	cycle  7 7 7 7 7 7 7 6 6 6 6 6 6 6        a record: header, then data
 *	                     ^ head: the newest record ends here
 *
 * One that is clean shows just one step, from some cycle down to the one before (or to 0 where
 * nobody has written yet), or none where the newest record ends at the end of the ring. Anything
 * else was left by writes that were under way.
 *
 * Header: u32 magic, cycle, version, length of the data in bytes, u64 lsn, tail lsn, u32 crc,
 * u32 previous block, u32 operations, u32 cycle data[64], u32 format, uuid[16], u32 size.
 * Operation: u32 transaction, length, u8 client, u8 flags.
 */
#define BB	     512u
#define HEADER_MAGIC 0xfeedbabeu
#define HEADER_V2_SPLIT                                                                            \
	32768u /* an iclog larger than this has a header block for each such piece */
#define ICLOG_MAX     (256u << 10)
#define HEADER_FIELDS 324u
#define OP_FLAGS_AT   9u
#define OP_UNMOUNT    0x20u
#define PIECE_BYTES   (256u << 10)

struct scan {
	uint64_t at;	/* blocks seen */
	uint32_t cycle; /* of the first block */
	uint32_t last;	/* of the newest block */
	uint64_t head;	/* where the step is */
	bool stepped, odd;
	uint64_t header; /* newest record header before the step, in blocks */
	bool have_header;
};

static void scan_block(struct scan *s, const uint8_t *block)
{
	uint32_t first = p2v_get_be32(block);
	bool is_header = first == HEADER_MAGIC;
	uint32_t cycle = is_header ? p2v_get_be32(block + 4) : first;

	if (s->at == 0)
		s->cycle = s->last = cycle;
	if (cycle != s->last) {
		if (s->stepped || (cycle != s->last - 1 && cycle != 0))
			s->odd = true;
		s->stepped = true;
		s->head = s->at;
	}
	if (is_header && !s->stepped) {
		s->header = s->at;
		s->have_header = true;
	}
	s->last = cycle;
	s->at++;
}

static int scan_run(const struct map_view *v, uint64_t offset, uint64_t blocks, struct scan *s,
	struct p2v_err *err)
{
	p2v_autofree uint8_t *piece = malloc(PIECE_BYTES);

	if (!piece)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	while (s->at < blocks && !s->odd) {
		size_t n = p2v_min_u64(PIECE_BYTES, (blocks - s->at) * BB);
		int r = map_view_read(v, offset + s->at * BB, piece, n, err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i += BB)
			scan_block(s, piece + i);
	}
	if (!s->stepped)
		s->head = blocks;
	return 0;
}

/* Blocks that a record's header takes, and that its data take; false where it makes no sense. */
static bool header_sizes(
	const uint8_t *header, uint64_t *ret_header, uint64_t *ret_data, uint32_t *ret_ops)
{
	struct p2v_rd rd = p2v_rd_init(header, HEADER_FIELDS);
	uint32_t version, length, size;

	p2v_rd_bytes(&rd, 8);
	version = p2v_rd_be32(&rd);
	length = p2v_rd_be32(&rd);
	p2v_rd_bytes(&rd, 8 + 8 + 4 + 4);
	*ret_ops = p2v_rd_be32(&rd);
	p2v_rd_bytes(&rd, 64 * 4 + 4 + 16);
	size = p2v_rd_be32(&rd);
	if (length == 0 || length > ICLOG_MAX || size > ICLOG_MAX)
		return false;
	*ret_data = p2v_div_up(length, BB);
	*ret_header = version & 2 && size > HEADER_V2_SPLIT ? p2v_div_up(size, HEADER_V2_SPLIT) : 1;
	return true;
}

int map_xfs_log_clean(const struct xfs_fs *fs, bool *ret_clean, struct p2v_err *err)
{
	uint64_t ag = fs->log_start >> fs->ag_log,
		 in_ag = fs->log_start & ((UINT64_C(1) << fs->ag_log) - 1);
	uint64_t offset = (ag * fs->ag_blocks + in_ag) * fs->block_bytes;
	uint64_t blocks = (uint64_t)fs->log_blocks * fs->block_bytes / BB, headers, data;
	struct scan s = {0};
	uint8_t block[BB];
	uint32_t ops;
	int r = scan_run(fs->view, offset, blocks, &s, err);

	*ret_clean = false;
	if (r < 0 || s.odd || !s.have_header)
		return r;
	r = map_view_read(fs->view, offset + s.header * BB, block, BB, err);
	if (r < 0 || !header_sizes(block, &headers, &data, &ops) || ops != 1 ||
		s.header + headers + data != s.head)
		return r;
	r = map_view_read(fs->view, offset + (s.header + headers) * BB, block, BB, err);
	*ret_clean = r == 0 && block[OP_FLAGS_AT] & OP_UNMOUNT;
	return r;
}
