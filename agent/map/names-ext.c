/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/ext.h"
#include "agent/map/names.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"

struct search {
	ext2_filsys fs;
	struct map_bad *bad;
	struct map_hits hits;
	bool hit;
	char *block; /* a directory's */
	int r;
	struct p2v_err *err;
};

static int on_block(
	ext2_filsys fs, blk64_t *block, e2_blkcnt_t n, blk64_t ref, int ref_offset, void *ctx)
{
	struct search *s = ctx;

	(void)n, (void)ref, (void)ref_offset;
	s->hit = map_bad_touches(s->bad, *block * fs->blocksize, fs->blocksize);
	return s->hit ? BLOCK_ABORT : 0;
}

/* Calls each inode that is in use; one that cannot be read is passed over. */
static void inodes_scan(
	struct search *s, void (*look)(struct search *s, ext2_ino_t ino, struct ext2_inode *inode))
{
	struct ext2_inode inode;
	ext2_inode_scan scan;
	ext2_ino_t ino = 1;
	errcode_t e;

	if (ext2fs_open_inode_scan(s->fs, 0, &scan) != 0)
		return;
	while (ino && s->r == 0 && !p2v_stop_requested()) {
		e = ext2fs_get_next_inode(scan, &ino, &inode);
		if (e == EXT2_ET_BAD_BLOCK_IN_INODE_TABLE || (e == 0 && !inode.i_links_count))
			continue;
		if (e != 0)
			break;
		if (ino)
			look(s, ino, &inode);
	}
	ext2fs_close_inode_scan(scan);
}

static void look_at_blocks(struct search *s, ext2_ino_t ino, struct ext2_inode *inode)
{
	/* Those of the file system itself, but for the root, have no names. */
	if ((ino < EXT2_FIRST_INO(s->fs->super) && ino != EXT2_ROOT_INO) ||
		!ext2fs_inode_has_valid_blocks2(s->fs, inode))
		return;
	s->hit = false;
	ext2fs_block_iterate3(s->fs, ino, BLOCK_FLAG_READ_ONLY, NULL, on_block, s);
	if (s->hit)
		map_hits_add(&s->hits, ino);
}

static int on_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int block_size,
	char *buf, void *ctx)
{
	struct search *s = ctx;
	size_t i = map_hits_nameless(&s->hits, e->inode);
	char *path;

	(void)offset, (void)block_size, (void)buf;
	if (entry == DIRENT_DOT_FILE || entry == DIRENT_DOT_DOT_FILE || i == s->hits.n ||
		ext2fs_get_pathname(s->fs, dir, e->inode, &path) != 0)
		return 0;
	s->r = map_bad_say(s->bad, path, s->err);
	s->hits.named[i] = true;
	ext2fs_free_mem(&path);
	return s->r < 0 ? DIRENT_ABORT : 0;
}

static void look_at_names(struct search *s, ext2_ino_t ino, struct ext2_inode *inode)
{
	if (LINUX_S_ISDIR(inode->i_mode))
		ext2fs_dir_iterate2(s->fs, ino, 0, s->block, on_entry, s);
}

static int fs_search(struct search *s)
{
	inodes_scan(s, look_at_blocks);
	if (s->hits.n)
		inodes_scan(s, look_at_names);
	return s->r == 0 ? map_hits_end(&s->hits, EXT2_ROOT_INO, s->bad, s->err) : s->r;
}

/* By the superblock or, where that is gone, by its first copy, which block sizes put elsewhere. */
static bool fs_open(const struct map_view *v, ext2_filsys *ret)
{
	static const struct {
		int super;
		unsigned block_bytes;
	} places[] = {{0, 0}, {32768, 4096}, {8193, 1024}, {16384, 2048}};

	for (size_t i = 0; i < P2V_N(places); i++)
		if (map_ext_open(v, EXT2_FLAG_SOFTSUPP_FEATURES | EXT2_FLAG_IGNORE_CSUM_ERRORS,
			    places[i].super, places[i].block_bytes, ret) == 0)
			return true;
	return false;
}

int map_names_ext(const struct map_view *v, struct map_bad *bad, struct p2v_err *err)
{
	p2v_autofree struct search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	s->bad = bad;
	s->err = err;
	if (!fs_open(v, &s->fs))
		return map_odd(err, "it cannot be opened");
	s->block = malloc(s->fs->blocksize);
	r = s->block ? fs_search(s) : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	free(s->block);
	ext2fs_free(s->fs);
	return r;
}
