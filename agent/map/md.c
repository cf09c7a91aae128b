/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/mappers.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * A member of a Linux software RAID1 (md(4), superblock 1.0 to 1.2, little-endian) holds the whole
 * of what the array holds, from data_offset on. What its file system proves free is free on each
 * member, so each is mapped by its own copy; it was in sync and the array was stopped in order.
 *
 *	0 u32 magic  4 u32 1  8 u32 features  72 s32 level  80 u64 sectors of the array
 *	128 u64 data offset  136 u64 data sectors  144 u64 this superblock's own sector
 *	160 u32 device  208 u64 resynced up to  216 u32 checksum  220 u32 devices
 *	256 u16 role of each device: 0xfffe and 0xffff have none
 */
#define SECTOR	      512u
#define SUPER_BYTES   4096u
#define ROLES_AT      256u
#define CSUM_AT	      216u
#define MAGIC	      0xa92b4efcu
#define FEATURES_GOOD 0x9u /* write-intent bitmap, list of bad blocks */
#define ROLES_NONE    0xfffeu
#define DEPTH_MAX     2u

static const char *const not_known =
	"md: not a member in sync of a RAID1 that was stopped: all copied";

/* The sum of its 32-bit words, its own left out, carried around. */
static uint32_t sum(const uint8_t *sb, size_t n)
{
	struct p2v_rd rd = p2v_rd_init(sb, n);
	uint64_t total = 0;

	while (rd.left >= 4) {
		uint32_t word = p2v_rd_le32(&rd);

		total += n - rd.left == CSUM_AT + 4 ? 0 : word;
	}
	if (rd.left == 2)
		total += p2v_rd_le16(&rd);
	return (uint32_t)(total & UINT32_MAX) + (uint32_t)(total >> 32);
}

/* True where this is a good superblock that lies where it says. */
static bool super_parse(
	const struct map_view *v, const uint8_t *sb, uint64_t at, struct map_view *ret)
{
	struct p2v_rd rd = p2v_rd_init(sb, SUPER_BYTES);
	uint32_t magic = p2v_rd_le32(&rd), major = p2v_rd_le32(&rd), features = p2v_rd_le32(&rd);
	uint32_t level, device, devices, csum, role;
	uint64_t size, offset, sectors, place, resynced, offset_bytes, length_bytes;

	rd = p2v_rd_init(sb + 72, SUPER_BYTES - 72);
	level = p2v_rd_le32(&rd);
	p2v_rd_le32(&rd);
	size = p2v_rd_le64(&rd);
	rd = p2v_rd_init(sb + 128, SUPER_BYTES - 128);
	offset = p2v_rd_le64(&rd);
	sectors = p2v_rd_le64(&rd);
	place = p2v_rd_le64(&rd);
	p2v_rd_le64(&rd);
	device = p2v_rd_le32(&rd);
	rd = p2v_rd_init(sb + 208, SUPER_BYTES - 208);
	resynced = p2v_rd_le64(&rd);
	csum = p2v_rd_le32(&rd);
	devices = p2v_rd_le32(&rd);
	if (magic != MAGIC || major != 1 || place != at / SECTOR || features & ~FEATURES_GOOD ||
		level != 1 || resynced != UINT64_MAX || devices > (SUPER_BYTES - ROLES_AT) / 2 ||
		device >= devices || csum != sum(sb, ROLES_AT + devices * 2) || size > sectors ||
		!p2v_mul_u64(offset, SECTOR, &offset_bytes) ||
		!p2v_mul_u64(size, SECTOR, &length_bytes) ||
		!p2v_range_within(offset_bytes, length_bytes, v->length_bytes))
		return false;
	rd = p2v_rd_init(sb + ROLES_AT + device * 2, 2);
	role = p2v_rd_le16(&rd);
	*ret = *v;
	ret->offset_bytes += offset_bytes;
	ret->length_bytes = length_bytes;
	ret->depth++;
	return role < ROLES_NONE;
}

int map_md(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	uint64_t end = v->length_bytes / SECTOR;
	/* 1.1, 1.2, and 1.0 that lies at the end: 8 KiB before it, on 4 KiB. */
	const uint64_t places[] = {0, 4096, end < 16 ? 0 : (end - 16) / 8 * 8 * SECTOR};
	uint8_t sb[SUPER_BYTES];
	struct map_view in;
	const char *type;

	for (size_t i = 0; i < P2V_N(places) && v->depth < DEPTH_MAX; i++) {
		int r = map_view_read(v, places[i], sb, sizeof(sb), err);

		if (r < 0)
			return r;
		if (super_parse(v, sb, places[i], &in))
			return map_view_map(&in, NULL, false, out, &type, err);
	}
	return map_out_used(out, not_known);
}
