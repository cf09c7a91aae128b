/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/btrfs.h"

#include <stdlib.h>
#include <string.h>

#include "agent/map/crc.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * btrfs, read by ourselves. Nothing marks it as cleanly unmounted, and nothing has to: the
 * superblock names trees that are never changed in place, and those are what a mount after a crash
 * finds. Except for what was fsynced since: that is in the log tree, and its blocks in no extent
 * tree. So a superblock with a log is not believed.
 *
 * Superblock, at 64 KiB: 0 checksum[32]  32 fsid[16]  48 u64 where it is  56 u64 flags  64 magic
 * 72 u64 generation  80 u64 root tree  88 u64 chunk tree  96 u64 log tree  104 u64  112 u64 bytes
 * 120 u64 used  128 u64  136 u64 devices  144 u32 sector  148 u32 node  152 u32 x 2
 * 160 u32 length of the system chunks  164 u64 generation of the chunk tree  172 u64 compatible,
 * 180 u64 read-only compatible, 188 u64 incompatible features  196 u16 checksum type
 * 198 u8 levels of root, chunk and log tree  201 u64 this device  209 u64 its bytes ...
 * 571 metadata uuid[16]  811 system chunks[2048]: key, chunk item, ...
 */
#define SUPER_AT	   65536u
#define SUPER_BYTES	   4096u
#define SUPER_KEEP	   65536u /* the kernel leaves so much around each copy */
#define SYSTEM_AT	   811u
#define SYSTEM_MAX	   2048u
#define FLAGS_KNOWN	   3u
#define INCOMPAT_KNOWN	   0xfffu
#define INCOMPAT_UUID	   0x400u
#define RO_COMPAT_KNOWN	   0xfu
#define KEY_CHUNK	   228u
#define KEY_EXTENT	   168u
#define KEY_METADATA	   169u
#define EXTENT_TREE	   2u
#define ROOT_BYTENR_AT	   176u
#define ROOT_GENERATION_AT 160u
#define ROOT_LEVEL_AT	   238u

static const uint64_t supers[] = {65536, 64 * P2V_MIB, 256 * P2V_GIB};

static void super_fields(const uint8_t *sb, struct btrfs_fs *fs, struct btrfs_super *s)
{
	struct p2v_rd rd = p2v_rd_init(sb + 56, SUPER_BYTES - 56);

	s->flags = p2v_rd_le64(&rd);
	p2v_rd_le64(&rd);
	s->root.generation = p2v_rd_le64(&rd);
	s->root.logical = p2v_rd_le64(&rd);
	s->chunks.logical = p2v_rd_le64(&rd);
	s->log = p2v_rd_le64(&rd);
	p2v_rd_bytes(&rd, 16);
	fs->used_bytes = p2v_rd_le64(&rd);
	p2v_rd_le64(&rd);
	s->devices = p2v_rd_le64(&rd);
	fs->sector_bytes = p2v_rd_le32(&rd);
	fs->node_bytes = p2v_rd_le32(&rd);
	p2v_rd_bytes(&rd, 8);
	s->system_bytes = p2v_rd_le32(&rd);
	s->chunks.generation = p2v_rd_le64(&rd);
	p2v_rd_le64(&rd);
	s->ro_compat = p2v_rd_le64(&rd);
	s->incompat = p2v_rd_le64(&rd);
	s->csum_type = p2v_rd_le16(&rd);
	s->root.level = p2v_rd_u8(&rd);
	s->chunks.level = p2v_rd_u8(&rd);
	p2v_rd_u8(&rd);
	fs->device = p2v_rd_le64(&rd);
	fs->device_bytes = p2v_rd_le64(&rd);
	memcpy(fs->fsid, sb + (s->incompat & INCOMPAT_UUID ? 571 : 32), sizeof(fs->fsid));
}

static const char *doubt(const struct btrfs_super *s)
{
	if (s->log)
		return "btrfs: it has a log to be replayed: all copied";
	if (s->devices != 1)
		return "btrfs: it spans several devices: all copied";
	if (s->csum_type)
		return "btrfs: its checksums are of a kind that nothing here knows: all copied";
	if (s->incompat & ~(uint64_t)INCOMPAT_KNOWN || s->ro_compat & ~(uint64_t)RO_COMPAT_KNOWN ||
		s->flags & ~(uint64_t)FLAGS_KNOWN)
		return "btrfs: it has features that nothing here knows: all copied";
	return NULL;
}

static int super_read(struct btrfs_fs *fs, struct btrfs_super *s, uint8_t *sb, bool believe,
	const char **ret_why, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(sb, SUPER_BYTES);
	int r = map_view_read(fs->view, SUPER_AT, sb, SUPER_BYTES, err);

	if (r < 0)
		return r;
	super_fields(sb, fs, s);
	*ret_why = believe && memcmp(sb + 64, "_BHRfS_M", 8) == 0 ? doubt(s) : NULL;
	if (*ret_why)
		return 0;
	if (memcmp(sb + 64, "_BHRfS_M", 8) != 0 ||
		p2v_rd_le32(&rd) != map_crc32c(sb + 32, SUPER_BYTES - 32))
		return map_odd(err, "its superblock is damaged");
	if (fs->node_bytes < 4096 || fs->node_bytes > 65536 ||
		(fs->node_bytes & (fs->node_bytes - 1)) || s->system_bytes > SYSTEM_MAX ||
		fs->device_bytes > fs->view->length_bytes)
		return map_odd(err, "its superblock makes no sense");
	return 0;
}

static int system_chunks(
	struct btrfs_fs *fs, const struct btrfs_super *s, const uint8_t *sb, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(sb + SYSTEM_AT, s->system_bytes);
	int r = 0;

	while (rd.left && r == 0) {
		struct btrfs_key key = map_btrfs_key_read(&rd);

		if (rd.failed || key.type != KEY_CHUNK)
			return map_odd(err, "its system chunks make no sense");
		r = map_btrfs_chunk_add(fs, key.offset, &rd, err);
	}
	return r;
}

static int chunk_item(
	void *ctx, const struct btrfs_key *key, struct p2v_rd data, struct p2v_err *err)
{
	return key->type == KEY_CHUNK ? map_btrfs_chunk_add(ctx, key->offset, &data, err) : 0;
}

/* The chunk tree is read through the system chunks, and then takes their place. */
static int chunks_read(struct btrfs_fs *fs, const struct btrfs_root *root, struct p2v_err *err)
{
	struct btrfs_fs all = *fs;
	int r;

	all.chunks = NULL;
	all.n_chunks = 0;
	r = map_btrfs_walk(fs, root, chunk_item, &all, err);
	free(fs->chunks);
	fs->chunks = all.chunks;
	fs->n_chunks = all.n_chunks;
	return r;
}

int map_btrfs_root_read(struct p2v_rd data, struct btrfs_root *ret, struct p2v_err *err)
{
	p2v_rd_bytes(&data, ROOT_GENERATION_AT);
	ret->generation = p2v_rd_le64(&data);
	p2v_rd_le64(&data);
	ret->logical = p2v_rd_le64(&data);
	p2v_rd_bytes(&data, ROOT_LEVEL_AT - ROOT_BYTENR_AT - 8);
	ret->level = p2v_rd_u8(&data);
	return data.failed ? map_odd(err, "a tree's root makes no sense") : 0;
}

static int root_item(
	void *ctx, const struct btrfs_key *key, struct p2v_rd data, struct p2v_err *err)
{
	return key->object == EXTENT_TREE && key->type == BTRFS_ROOT_ITEM
		       ? map_btrfs_root_read(data, ctx, err)
		       : 0;
}

/* Where the walk through the extents is: all before `at` of chunk `chunk` is said. */
struct position {
	const struct btrfs_fs *fs;
	struct map_out *out;
	size_t chunk;
	uint64_t at, used_bytes;
};

static int free_until(struct position *p, uint64_t logical, struct p2v_err *err)
{
	const struct btrfs_chunk *c = &p->fs->chunks[p->chunk];
	int r = 0;

	for (unsigned i = 0; i < c->copies && r == 0; i++)
		r = map_view_free(p->fs->view, p->out, c->physical[i] + (p->at - c->logical),
			logical - p->at, err);
	p->at = logical;
	return r;
}

/* Says the rest of a chunk and goes to the next one. */
static int chunk_end(struct position *p, struct p2v_err *err)
{
	const struct btrfs_chunk *c = &p->fs->chunks[p->chunk];
	int r = free_until(p, c->logical + c->length, err);

	p->chunk++;
	if (p->chunk < p->fs->n_chunks)
		p->at = p->fs->chunks[p->chunk].logical;
	return r;
}

static int extent_item(
	void *ctx, const struct btrfs_key *key, struct p2v_rd data, struct p2v_err *err)
{
	struct position *p = ctx;
	const struct btrfs_chunk *c;
	uint64_t n = key->type == KEY_METADATA ? p->fs->node_bytes : key->offset;
	int r = 0;

	(void)data;
	if (key->type != KEY_EXTENT && key->type != KEY_METADATA)
		return 0;
	c = map_btrfs_chunk_of(p->fs, key->object, n);
	if (!c || n == 0)
		return map_odd(err, "an extent lies in no chunk");
	while (r == 0 && p->chunk < p->fs->n_chunks && &p->fs->chunks[p->chunk] < c)
		r = chunk_end(p, err);
	if (r == 0 && (&p->fs->chunks[p->chunk] != c || key->object < p->at))
		r = map_odd(err, "two extents are in one place");
	if (r == 0)
		r = free_until(p, key->object, err);
	p->at = key->object + n;
	p->used_bytes += n;
	return r;
}

static int supers_keep(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	int r = block_extents_set(out->extents, v->offset_bytes,
		p2v_min_u64(P2V_MIB, v->length_bytes), EXTENT_USED, err);

	for (size_t i = 0; i < P2V_N(supers) && r == 0; i++)
		if (p2v_range_within(supers[i], SUPER_KEEP, v->length_bytes))
			r = block_extents_set(out->extents, v->offset_bytes + supers[i], SUPER_KEEP,
				EXTENT_USED, err);
	return r;
}

static int extents_map(const struct btrfs_fs *fs, const struct btrfs_root *root,
	struct map_out *out, struct p2v_err *err)
{
	struct position p = {.fs = fs, .out = out};
	int r = map_btrfs_unallocated(fs, out, err);

	if (r == 0 && fs->n_chunks == 0)
		r = map_odd(err, "it has no chunks");
	if (r < 0)
		return r;
	p.at = fs->chunks[0].logical;
	r = map_btrfs_walk(fs, root, extent_item, &p, err);
	while (r == 0 && p.chunk < fs->n_chunks)
		r = chunk_end(&p, err);
	if (r == 0 && p.used_bytes != fs->used_bytes)
		r = map_odd(err, "its extents and its count disagree");
	out->why_used = "files and metadata, by its extent tree";
	out->why_free = "in no extent of its trees; it has no log";
	return r == 0 ? supers_keep(fs->view, out, err) : r;
}

int map_btrfs_open(struct btrfs_fs *fs, struct btrfs_super *ret, bool believe, const char **ret_why,
	struct p2v_err *err)
{
	uint8_t sb[SUPER_BYTES];
	int r = super_read(fs, ret, sb, believe, ret_why, err);

	if (r == 0 && !*ret_why)
		r = system_chunks(fs, ret, sb, err);
	if (r == 0 && !*ret_why)
		r = chunks_read(fs, &ret->chunks, err);
	return r;
}

int map_btrfs(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	struct btrfs_fs fs = {.view = v};
	struct btrfs_super s = {0};
	struct btrfs_root extents = {0};
	const char *why = NULL;
	int r = map_btrfs_open(&fs, &s, true, &why, err);

	if (r == 0 && !why)
		r = map_btrfs_walk(&fs, &s.root, root_item, &extents, err);
	if (r == 0 && !why && extents.logical == 0)
		r = map_odd(err, "it has no extent tree");
	if (r == 0 && !why)
		r = extents_map(&fs, &extents, out, err);
	free(fs.chunks);
	if (r == P2V_EUNSUPPORTED)
		why = "btrfs: neither single nor DUP: all copied";
	return why ? map_out_used(out, why) : r;
}
