/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/ext.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * ext2, ext3 and ext4 through libext2fs, which knows their layouts (bigalloc, meta_bg, 64bit, block
 * groups whose bitmaps nobody has written yet) and checks the checksums of what it reads. What
 * is looked at here is whether to believe it.
 */

static struct struct_io_manager view_manager;

/* ext2fs_open hands its I/O manager a name and nothing else. */
static _Thread_local const struct map_view *opening;

static errcode_t view_open(const char *name, int flags, io_channel *ret)
{
	io_channel c = calloc(1, sizeof(*c));

	if (!c || !(c->name = strdup(name))) {
		free(c);
		return ENOMEM;
	}
	if (flags & IO_FLAG_RW) {
		free(c->name);
		free(c);
		return EROFS;
	}
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = &view_manager;
	c->block_size = 1024;
	c->refcount = 1;
	c->private_data = (void *)(uintptr_t)opening;
	*ret = c;
	return 0;
}

static errcode_t view_close(io_channel c)
{
	if (--c->refcount > 0)
		return 0;
	free(c->name);
	free(c);
	return 0;
}

static errcode_t view_set_blksize(io_channel c, int size)
{
	c->block_size = size;
	return 0;
}

/* A negative count is one of bytes. */
static errcode_t view_read(io_channel c, unsigned long long block, int count, void *data)
{
	uint64_t offset, n = count < 0 ? (uint64_t) - (int64_t)count
				       : (uint64_t)count * (uint64_t)c->block_size;

	if (!p2v_mul_u64(block, (uint64_t)c->block_size, &offset) ||
		map_view_read(c->private_data, offset, data, n, NULL) < 0)
		return EXT2_ET_SHORT_READ;
	return 0;
}

static errcode_t view_read_32(io_channel c, unsigned long block, int count, void *data)
{
	return view_read(c, block, count, data);
}

static errcode_t view_write(io_channel c, unsigned long long block, int count, const void *data)
{
	(void)c, (void)block, (void)count, (void)data;
	return EROFS;
}

static errcode_t view_write_32(io_channel c, unsigned long block, int count, const void *data)
{
	return view_write(c, block, count, data);
}

static errcode_t view_flush(io_channel c)
{
	(void)c;
	return 0;
}

static struct struct_io_manager view_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "p2v block I/O",
	.open = view_open,
	.close = view_close,
	.set_blksize = view_set_blksize,
	.read_blk = view_read_32,
	.write_blk = view_write_32,
	.flush = view_flush,
	.read_blk64 = view_read,
	.write_blk64 = view_write,
};

/* The library would print what it finds. */
static void say_nothing(const char *who, errcode_t code, const char *fmt, va_list args)
{
	(void)who, (void)code, (void)fmt, (void)args;
}

static void fs_close(ext2_filsys *fs)
{
	if (*fs)
		ext2fs_free(*fs);
}

/* Why it is not to be believed, or NULL. The superblock says "clean" even where the journal has to
 * be replayed first: until then the bitmaps lag behind. */
static const char *doubt(ext2_filsys fs, const struct map_view *v)
{
	const struct ext2_super_block *sb = fs->super;
	uint64_t size;

	if (ext2fs_has_feature_journal_needs_recovery(fs->super))
		return "ext4: its journal was not replayed: all copied";
	if (!(sb->s_state & EXT2_VALID_FS))
		return "ext4: not cleanly unmounted: all copied";
	if (sb->s_state & EXT2_ERROR_FS)
		return "ext4: it has noted errors: all copied";
	if (sb->s_last_orphan || ext2fs_has_feature_orphan_present(fs->super))
		return "ext4: deleted files are not cleaned up: all copied";
	if (sb->s_feature_ro_compat & ~(uint32_t)EXT2_LIB_FEATURE_RO_COMPAT_SUPP)
		return "ext4: it has features that nothing here knows: all copied";
	if (!p2v_mul_u64(ext2fs_blocks_count(fs->super), fs->blocksize, &size) ||
		size > v->length_bytes)
		return "ext4: larger than its partition: all copied";
	return NULL;
}

static const char *open_doubt(errcode_t e)
{
	if (e == EXT2_ET_UNSUPP_FEATURE || e == EXT2_ET_RO_UNSUPP_FEATURE)
		return "ext4: it has features that nothing here knows: all copied";
	if (e == EXT2_ET_SHORT_READ)
		return "it could not be read to look: all copied";
	return "ext4: its superblock is not as it should be: all copied";
}

/* Wherever flexible groups put them, and whatever the bitmaps say. */
static void metadata_mark(ext2_filsys fs)
{
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		ext2fs_reserve_super_and_bgd(fs, g, fs->block_map);
		ext2fs_mark_block_bitmap2(fs->block_map, ext2fs_block_bitmap_loc(fs, g));
		ext2fs_mark_block_bitmap2(fs->block_map, ext2fs_inode_bitmap_loc(fs, g));
		ext2fs_mark_block_bitmap_range2(
			fs->block_map, ext2fs_inode_table_loc(fs, g), fs->inode_blocks_per_group);
	}
}

/* Calls on each free run, in blocks. Bigalloc bitmaps count clusters, the library's numbers are
 * blocks all the same. */
static int runs_each(ext2_filsys fs, const struct map_view *v, struct map_out *out,
	uint64_t *ret_free, struct p2v_err *err)
{
	blk64_t at = fs->super->s_first_data_block, end = ext2fs_blocks_count(fs->super);
	blk64_t first, stop;

	for (*ret_free = 0; at < end; at = stop) {
		int r;

		if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end - 1, &first) != 0)
			return 0;
		if (ext2fs_find_first_set_block_bitmap2(fs->block_map, first, end - 1, &stop) != 0)
			stop = end;
		if (stop <= first)
			return map_odd(err, "its bitmap makes no sense");
		*ret_free += stop - first;
		r = out ? map_view_free(v, out, first * fs->blocksize,
				  (stop - first) * fs->blocksize, err)
			: 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Free blocks as the groups count them. */
static uint64_t groups_free(ext2_filsys fs)
{
	uint64_t n = 0;

	for (dgrp_t g = 0; g < fs->group_desc_count; g++)
		n += ext2fs_bg_free_blocks_count(fs, g);
	return n << fs->cluster_ratio_bits;
}

static int fs_map(
	ext2_filsys fs, const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	uint64_t mapped = 0;
	int r = runs_each(fs, v, NULL, &mapped, err);

	if (r < 0)
		return r;
	/* The last cluster may reach beyond the end. */
	if (groups_free(fs) - mapped > (UINT64_C(1) << fs->cluster_ratio_bits) - 1)
		return map_out_used(out, "ext4: its bitmaps and its counts disagree: all copied");
	metadata_mark(fs);
	out->why_used = "files and metadata, by its block bitmaps";
	out->why_free = "free by its block bitmaps; cleanly unmounted";
	return runs_each(fs, v, out, &mapped, err);
}

errcode_t map_ext_open(
	const struct map_view *v, int flags, int super, unsigned block_bytes, ext2_filsys *ret)
{
	set_com_err_hook(say_nothing);
	opening = v;
	return ext2fs_open(
		v->io->name, EXT2_FLAG_64BITS | flags, super, block_bytes, &view_manager, ret);
}

int map_ext(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	__attribute__((cleanup(fs_close))) ext2_filsys fs = NULL;
	const char *why;
	errcode_t e;

	e = map_ext_open(v, 0, 0, 0, &fs);
	if (e == 0 && (why = doubt(fs, v)) != NULL)
		return map_out_used(out, why);
	if (e)
		return e == EXT2_ET_NO_MEMORY ? p2v_err_set(err, P2V_ENOMEM, "out of memory")
					      : map_out_used(out, open_doubt(e));
	/* Runs instead of bits: 2 TiB would take 64 MiB. */
	fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
	e = ext2fs_read_block_bitmap(fs);
	if (e == EXT2_ET_NO_MEMORY)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (e)
		return map_out_used(
			out, "ext4: its block bitmaps are damaged or cannot be read: all copied");
	return fs_map(fs, v, out, err);
}
