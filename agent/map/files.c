/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/files.h"

#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"

struct search {
	ext2_filsys fs;
	const struct map_part *part;
	const struct map_span *spans;
	size_t n_spans;
	ext2_ino_t inodes[MAP_FILES_MAX], ino; /* those found; the one that is looked at */
	bool named[MAP_FILES_MAX];
	size_t n;
	bool hit, more;
	ext2_ino_t dir;
	char *block; /* a directory's */
	char ***lines;
	size_t *n_lines;
	int r;
	struct p2v_err *err;
};

static void line_add(struct search *s, const char *text)
{
	p2v_autobuf struct p2v_buf line = {0};

	if (s->part->number)
		p2v_buf_addf(&line, "partition %u: ", s->part->number);
	p2v_text_add_printable(&line, text);
	p2v_buf_add(&line, "", 1);
	if (s->r == 0)
		s->r = p2v_buf_check(&line, s->err);
	if (s->r == 0)
		s->r = p2v_json_add_str(s->lines, s->n_lines, (char *)line.data, s->err);
}

static bool touches(const struct search *s, uint64_t offset, uint64_t length)
{
	for (size_t i = 0; i < s->n_spans; i++)
		if (s->spans[i].offset < offset + length &&
			offset < s->spans[i].offset + s->spans[i].length)
			return true;
	return false;
}

static int on_block(
	ext2_filsys fs, blk64_t *block, e2_blkcnt_t n, blk64_t ref, int ref_offset, void *ctx)
{
	struct search *s = ctx;

	(void)n, (void)ref, (void)ref_offset;
	s->hit = touches(s, s->part->offset_bytes + *block * fs->blocksize, fs->blocksize);
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
	if (!s->hit)
		return;
	s->more = s->n == MAP_FILES_MAX;
	if (!s->more)
		s->inodes[s->n++] = ino;
}

static int on_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int block_size,
	char *buf, void *ctx)
{
	struct search *s = ctx;

	(void)offset, (void)block_size, (void)buf;
	if (entry == DIRENT_DOT_FILE || entry == DIRENT_DOT_DOT_FILE)
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		char *path;

		if (s->inodes[i] != e->inode || s->named[i] ||
			ext2fs_get_pathname(s->fs, dir, e->inode, &path) != 0)
			continue;
		line_add(s, path);
		s->named[i] = true;
		ext2fs_free_mem(&path);
	}
	return 0;
}

static void look_at_names(struct search *s, ext2_ino_t ino, struct ext2_inode *inode)
{
	if (LINUX_S_ISDIR(inode->i_mode))
		ext2fs_dir_iterate2(s->fs, ino, 0, s->block, on_entry, s);
}

static void rest_tell(struct search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		p2v_autofree char *text = s->named[i] ? NULL
					  : s->inodes[i] == EXT2_ROOT_INO
						  ? p2v_strf("/")
						  : p2v_strf("a file whose name is not "
							     "found, inode %u",
							    s->inodes[i]);
		if (text)
			line_add(s, text);
	}
	if (s->n == 0)
		line_add(s, "in no file (metadata or free space)");
	if (s->more)
		line_add(s, "and further files");
}

/* Past the page cache, which may not hold what the disk cannot give; block by block. */
static errcode_t fs_open(const char *path, const struct map_part *part, ext2_filsys *ret)
{
	char offset[64];

	snprintf(offset, sizeof(offset), "offset=%llu", (unsigned long long)part->offset_bytes);
	return ext2fs_open2(path, offset,
		EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES | EXT2_FLAG_IGNORE_CSUM_ERRORS, 0, 0,
		unix_io_manager, ret);
}

static void part_search(struct search *s, const char *path)
{
	if (fs_open(path, s->part, &s->fs) != 0) {
		line_add(s, "its file system cannot be opened to see which files these are");
		return;
	}
	s->block = malloc(s->fs->blocksize);
	if (s->block) {
		inodes_scan(s, look_at_blocks);
		if (s->n)
			inodes_scan(s, look_at_names);
		rest_tell(s);
	} else {
		s->r = p2v_err_set(s->err, P2V_ENOMEM, "out of memory");
	}
	free(s->block);
	ext2fs_free(s->fs);
}

int map_files_at(const char *path, const struct map_part *parts, size_t n_parts,
	const struct map_span *spans, size_t n_spans, char ***lines, size_t *n_lines,
	struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n_parts && r == 0; i++) {
		struct search s = {.part = &parts[i],
			.spans = spans,
			.n_spans = n_spans,
			.lines = lines,
			.n_lines = n_lines,
			.err = err};

		if (!parts[i].type || strncmp(parts[i].type, "ext", 3) != 0 ||
			!touches(&s, parts[i].offset_bytes, parts[i].length_bytes))
			continue;
		part_search(&s, path);
		r = s.r;
	}
	return r;
}
