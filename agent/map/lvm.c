/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/lvm.h"

#include <stdlib.h>
#include <string.h>

#include "agent/map/names.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * An LVM2 physical volume (little-endian). One of its first four sectors is the label:
 *
 *	0 "LABELONE"  8 u64 its sector  16 u32 crc of what follows  20 u32 where the header is
 *	24 "LVM2 001"
 *
 * the header: uuid[32], u64 size, then two lists of {u64 offset, u64 size} that each end with
 * zeros: data areas, metadata areas. A metadata area begins with a sector
 *
 *	0 u32 crc of what follows  4 magic[16]  20 u32 version (1)  24 u64 start  32 u64 size
 *	40 {u64 offset, u64 size, u32 crc, u32 flags}: the text in force; then one that is prepared
 *
 * and is a ring from its second sector on.
 */
#define DEPTH_MAX    1u /* in a partition, or in the RAID1 in one */
#define SECTOR	     512u
#define LABELS	     4u
#define AREAS_MAX    16u
#define TEXT_MAX     (16u << 20)
#define CRC_SEED     0xf597a6cfu
#define CRC_POLY     0xedb88320u
#define MAGIC	     " LVM2 x[5A%r0N*>"
#define MAGIC_BYTES  16u
#define LOCN_IGNORED 1u

struct label {
	uint8_t uuid[LVM_UUID_BYTES];
	uint64_t mda_offset, mda_size; /* of the first metadata area; size 0: none */
};

static uint32_t crc(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint32_t c = CRC_SEED;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? CRC_POLY : 0);
	}
	return c;
}

/* Offsets of one list, up to its end; the first goes out. */
static void areas_read(struct p2v_rd *rd, uint64_t *ret_offset, uint64_t *ret_size)
{
	*ret_offset = *ret_size = 0;
	for (unsigned i = 0; i < AREAS_MAX; i++) {
		uint64_t offset = p2v_rd_le64(rd), size = p2v_rd_le64(rd);

		if (offset == 0)
			return;
		if (i == 0) {
			*ret_offset = offset;
			*ret_size = size;
		}
	}
	rd->failed = true;
}

static bool label_parse(const uint8_t *sector, struct label *ret)
{
	struct p2v_rd rd = p2v_rd_init(sector, SECTOR);
	uint32_t sum, header;
	const uint8_t *uuid;
	uint64_t offset, size;

	p2v_rd_bytes(&rd, 16);
	sum = p2v_rd_le32(&rd);
	header = p2v_rd_le32(&rd);
	if (memcmp(sector, "LABELONE", 8) != 0 || memcmp(sector + 24, "LVM2 001", 8) != 0 ||
		sum != crc(sector + 20, SECTOR - 20) || header > SECTOR)
		return false;
	rd = p2v_rd_init(sector + header, SECTOR - header);
	uuid = p2v_rd_bytes(&rd, LVM_UUID_BYTES);
	p2v_rd_le64(&rd);
	areas_read(&rd, &offset, &size);
	areas_read(&rd, &ret->mda_offset, &ret->mda_size);
	if (rd.failed)
		return false;
	memcpy(ret->uuid, uuid, LVM_UUID_BYTES);
	return true;
}

static int label_read(const struct map_view *v, struct label *ret, struct p2v_err *err)
{
	uint8_t sector[SECTOR];

	for (unsigned i = 0; i < LABELS; i++) {
		int r = map_view_read(v, (uint64_t)i * SECTOR, sector, SECTOR, err);

		if (r < 0)
			return r;
		if (label_parse(sector, ret))
			return 0;
	}
	return map_odd(err, "no sound label");
}

/* The ring's text into buf; where it is not what its checksum says, P2V_EFORMAT. */
static int text_read(const struct map_view *v, const struct label *label, uint64_t offset,
	uint64_t size, uint32_t sum, char **ret, struct p2v_err *err)
{
	p2v_autofree char *text = NULL;
	uint64_t first;
	int r;

	if (size == 0 || size > TEXT_MAX || offset < SECTOR || offset >= label->mda_size ||
		size > label->mda_size - SECTOR)
		return map_odd(err, "its metadata lies nowhere");
	text = malloc(size);
	if (!text)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	first = p2v_min_u64(size, label->mda_size - offset);
	r = map_view_read(v, label->mda_offset + offset, text, first, err);
	if (r == 0 && first < size)
		r = map_view_read(v, label->mda_offset + SECTOR, text + first, size - first, err);
	if (r < 0)
		return r;
	if (crc(text, size) != sum)
		return map_odd(err, "its metadata's checksum is off");
	*ret = p2v_steal(text);
	return 0;
}

/* ret_text NULL and ret_why: it is sound, and says nothing. */
static int area_read(const struct map_view *v, const struct label *label, char **ret_text,
	size_t *ret_n, const char **ret_why, struct p2v_err *err)
{
	uint8_t head[SECTOR];
	struct p2v_rd rd = p2v_rd_init(head, SECTOR);
	uint64_t offset, size, prepared;
	uint32_t sum, flags;
	int r;

	if (label->mda_size <= SECTOR) {
		*ret_why = "LVM: it holds no metadata: all copied";
		return 0;
	}
	r = map_view_read(v, label->mda_offset, head, SECTOR, err);
	if (r < 0)
		return r;
	if (p2v_rd_le32(&rd) != crc(head + 4, SECTOR - 4) ||
		memcmp(head + 4, MAGIC, MAGIC_BYTES) != 0)
		return map_odd(err, "its metadata area is damaged");
	p2v_rd_bytes(&rd, MAGIC_BYTES);
	if (p2v_rd_le32(&rd) != 1 || p2v_rd_le64(&rd) != label->mda_offset ||
		p2v_rd_le64(&rd) != label->mda_size)
		return map_odd(err, "its metadata area is another's");
	offset = p2v_rd_le64(&rd);
	size = p2v_rd_le64(&rd);
	sum = p2v_rd_le32(&rd);
	flags = p2v_rd_le32(&rd);
	prepared = p2v_rd_le64(&rd);
	if (prepared)
		*ret_why = "LVM: a change of its metadata was under way: all copied";
	else if (offset == 0 || flags & LOCN_IGNORED)
		*ret_why = "LVM: it holds no metadata: all copied";
	if (*ret_why)
		return 0;
	*ret_n = size;
	return text_read(v, label, offset, size, sum, ret_text, err);
}

static int group_map(const struct map_view *v, const struct lvm_group *g, struct map_out *out,
	struct p2v_err *err)
{
	uint64_t bytes, end, first = 0, n = 0, begin = g->pvs[g->own].first_bytes;
	int r = 0;

	if (!p2v_mul_u64(g->taken.n_bits, g->extent_bytes, &bytes) ||
		!p2v_add_u64(bytes, begin, &end) || end > v->length_bytes)
		return map_odd(err, "its extents lie beyond its end");
	while (r == 0 && block_bitmap_run(&g->taken, first, false, &first, &n)) {
		r = map_view_free(
			v, out, begin + first * g->extent_bytes, n * g->extent_bytes, err);
		first += n;
	}
	for (size_t i = 0; i < g->n_volumes && r == 0; i++)
		r = map_lvm_volume(v, g, &g->volumes[i], out, err);
	out->why_used = "metadata, and what its volumes use";
	out->why_free = "in no volume, or free in one";
	return r;
}

/* ret_why: a constant text where it is sound and tells nothing; then ret is untouched. */
static int group_read(
	const struct map_view *v, struct lvm_group *ret, const char **ret_why, struct p2v_err *err)
{
	p2v_autofree char *text = NULL;
	struct label label;
	size_t n = 0;
	int r = label_read(v, &label, err);

	*ret_why = v->depth > DEPTH_MAX ? "LVM within LVM: all copied" : NULL;
	if (r == 0 && !*ret_why)
		r = area_read(v, &label, &text, &n, ret_why, err);
	if (r == 0 && !*ret_why)
		r = map_lvm_parse(text, n, label.uuid, ret, ret_why, err);
	return r;
}

/* Puts another physical volume of the group into its place. False: it contradicts. */
static bool peer_join(const struct map_view *pv, struct lvm_group *g)
{
	map_lvm_auto_group struct lvm_group other = {0};
	const char *why;
	struct lvm_pv *to;

	if (group_read(pv, &other, &why, NULL) < 0 || why ||
		memcmp(other.uuid, g->uuid, LVM_UUID_BYTES) != 0)
		return true;
	to = &g->pvs[other.own];
	if (other.seqno != g->seqno || other.n_pvs != g->n_pvs || to->here ||
		memcmp(to->uuid, other.pvs[other.own].uuid, LVM_UUID_BYTES) != 0)
		return false;
	to->here = true;
	to->view = *pv;
	return true;
}

/*
 * A stale copy of the metadata may lie on one of several, which was missing for a while: then the
 * others know better. So all must be here, and say the same. NULL: they do.
 */
static const char *peers_join(const struct map_view *v, struct lvm_group *g)
{
	const struct map_peers *peers = v->peers;

	g->pvs[g->own].here = true;
	g->pvs[g->own].view = *v;
	for (size_t i = 0; g->n_pvs > 1 && peers && i < peers->n; i++) {
		const struct map_peer *p = &peers->items[i];
		const struct map_view pv = {
			p->io, p->offset_bytes, p->length_bytes, 0, v->depth, NULL};

		if ((p->io != v->io || p->offset_bytes != v->offset_bytes) && !peer_join(&pv, g))
			return "LVM: the physical volumes of its group contradict each other: all "
			       "copied";
	}
	for (size_t i = 0; i < g->n_pvs; i++)
		if (!g->pvs[i].here)
			return "LVM: its group spans several physical volumes, and not all are "
			       "among these disks: all copied";
	return NULL;
}

int map_lvm(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	map_lvm_auto_group struct lvm_group g = {0};
	const char *why = NULL;
	int r = group_read(v, &g, &why, err);

	if (r == 0 && !why)
		why = peers_join(v, &g);
	if (r < 0)
		return r;
	return why ? map_out_used(out, why) : group_map(v, &g, out, err);
}

/* Volumes that lie in part on other disks are read as far as these go: not at all. */
int map_names_lvm(const struct map_view *v, struct map_bad *bad, struct p2v_err *err)
{
	map_lvm_auto_group struct lvm_group g = {0};
	const char *why = NULL;
	int r = group_read(v, &g, &why, err);

	if (r == 0 && !why)
		peers_join(v, &g);
	for (size_t i = 0; r == 0 && i < g.n_volumes; i++)
		r = map_lvm_volume_names(v, &g, &g.volumes[i], bad, err);
	return r;
}
