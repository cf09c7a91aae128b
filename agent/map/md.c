/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/names.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * A member of a Linux software RAID1 (md(4), superblock 0.90 to 1.2, little-endian) holds the whole
 * of what the array holds, from data_offset on. What its file system proves free is free on each
 * member, so each is mapped by its own copy; it was in sync and the array was stopped in order.
 *
 *	0 u32 magic  4 u32 1  8 u32 features  72 s32 level  80 u64 sectors of the array
 *	128 u64 data offset  136 u64 data sectors  144 u64 this superblock's own sector
 *	160 u32 device  208 u64 resynced up to  216 u32 checksum  220 u32 devices
 *	256 u16 role of each device: 0xfffe and 0xffff have none
 *
 * Superblock 0.90 (words of the host's order: little-endian here) lies in the last whole 64 KiB and
 * has no offset:
 *
 *	0 u32 magic  4 u32 0  8 u32 90  28 u32 level  32 u32 KiB of each device  40 u32 devices
 *	44 u32 1: it is not persistent  132 u32 state: bit 0 clean and resynced, bit 8 bitmap
 *	152 u32 checksum  3968 this device: 3980 u32 role  3984 u32 state: bit 0 faulty,
 *	1 active, 2 in sync, 3 removed
 */
#define SECTOR	      512u
#define SUPER_BYTES   4096u
#define ROLES_AT      256u
#define CSUM_AT	      216u
#define CSUM_AT_090   152u
#define MAGIC	      0xa92b4efcu
#define RESERVED_090  65536u
#define STATE_090     132u
#define STATE_CLEAN   1u
#define STATE_BITMAP  0x100u
#define DEVICE_090    3968u
#define DEVICE_STATES 0xfu
#define DEVICE_GOOD   6u
#define FEATURES_GOOD 0x9u /* write-intent bitmap, list of bad blocks */
#define ROLES_NONE    0xfffeu
#define DEPTH_MAX     2u

static const char *const not_known =
	"md: not a member in sync of a RAID1 that was stopped: all copied";

/* The sum of its 32-bit words, its own left out, carried around. */
static uint32_t sum(const uint8_t *sb, size_t n, size_t own_at)
{
	struct p2v_rd rd = p2v_rd_init(sb, n);
	uint64_t total = 0;

	while (rd.left >= 4) {
		uint32_t word = p2v_rd_le32(&rd);

		total += n - rd.left == own_at + 4 ? 0 : word;
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
		device >= devices || csum != sum(sb, ROLES_AT + devices * 2, CSUM_AT) ||
		size > sectors || !p2v_mul_u64(offset, SECTOR, &offset_bytes) ||
		!p2v_mul_u64(size, SECTOR, &length_bytes) ||
		!p2v_range_within(offset_bytes, length_bytes, v->length_bytes))
		return false;
	rd = p2v_rd_init(sb + ROLES_AT + device * 2, 2);
	role = p2v_rd_le16(&rd);
	*ret = (struct map_view){v->io, v->offset_bytes + offset_bytes, length_bytes, v->number,
		v->depth + 1, v->peers};
	return role < ROLES_NONE;
}

static uint32_t word_at(const uint8_t *sb, size_t at)
{
	struct p2v_rd rd = p2v_rd_init(sb + at, 4);

	return p2v_rd_le32(&rd);
}

/* The same for version 0.90; `at` is where its data ends. */
static bool super_090_parse(
	const struct map_view *v, const uint8_t *sb, uint64_t at, struct map_view *ret)
{
	uint64_t length = (uint64_t)word_at(sb, 32) * 1024;

	if (word_at(sb, 0) != MAGIC || word_at(sb, 4) != 0 || word_at(sb, 8) != 90 ||
		word_at(sb, 28) != 1 || word_at(sb, 44) != 0 ||
		(word_at(sb, STATE_090) & ~STATE_BITMAP) != STATE_CLEAN ||
		word_at(sb, CSUM_AT_090) != sum(sb, SUPER_BYTES, CSUM_AT_090) ||
		word_at(sb, DEVICE_090 + 12) >= word_at(sb, 40) ||
		(word_at(sb, DEVICE_090 + 16) & DEVICE_STATES) != DEVICE_GOOD || length > at)
		return false;
	*ret = (struct map_view){v->io, v->offset_bytes, length, v->number, v->depth + 1, v->peers};
	return true;
}

/* One place where a superblock may lie. */
struct place {
	uint64_t at;
	bool (*parse)(
		const struct map_view *v, const uint8_t *sb, uint64_t at, struct map_view *ret);
};

/* What the member holds. ret_found false: it is no member in sync of a RAID1 that was stopped. */
static int member_find(
	const struct map_view *v, struct map_view *ret, bool *ret_found, struct p2v_err *err)
{
	uint64_t sectors = v->length_bytes / SECTOR, blocks = v->length_bytes / RESERVED_090;
	/* 1.1; 1.2; 1.0, 8 KiB before the end, on 4 KiB; 0.90. */
	const struct place places[] = {
		{0, super_parse},
		{4096, super_parse},
		{sectors < 16 ? 0 : (sectors - 16) / 8 * 8 * SECTOR, super_parse},
		{blocks < 2 ? 0 : (blocks - 1) * RESERVED_090, super_090_parse},
	};
	uint8_t sb[SUPER_BYTES];

	*ret_found = false;
	for (size_t i = 0; i < P2V_N(places) && !*ret_found && v->depth < DEPTH_MAX; i++) {
		int r = map_view_read(v, places[i].at, sb, sizeof(sb), err);

		if (r < 0)
			return r;
		*ret_found = places[i].parse(v, sb, places[i].at, ret);
	}
	return 0;
}

int map_md(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	struct map_view in;
	const char *type;
	bool found;
	int r = member_find(v, &in, &found, err);

	if (r < 0)
		return r;
	return found ? map_view_map(&in, NULL, false, out, &type, err)
		     : map_out_used(out, not_known);
}

int map_names_md(const struct map_view *v, struct map_bad *bad, struct p2v_err *err)
{
	map_auto_bad struct map_bad within = {0};
	struct map_view in;
	bool found;
	int r = member_find(v, &in, &found, err);

	if (r == 0 && found)
		r = map_bad_move(
			bad, in.offset_bytes - v->offset_bytes, in.length_bytes, 0, &within, err);
	if (r < 0 || within.n_spans == 0)
		return r;
	within.where = strdup(bad->where);
	return within.where ? map_bad_name(&in, NULL, &within, err)
			    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}
