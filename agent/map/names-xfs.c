/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/names.h"
#include "agent/map/xfs-inode.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"

#define DEPTH_MAX 256u

struct search {
	struct xfs_fs fs;
	struct map_bad *bad;
	struct map_hits hits;
	const struct xfs_inode *dir; /* whose names are looked at */
	bool hit;
	int r;
	struct p2v_err *err;
};

static bool on_run(void *ctx, uint64_t file_block, uint64_t offset, uint64_t length)
{
	struct search *s = ctx;

	(void)file_block;
	s->hit = map_bad_touches(s->bad, offset, length);
	return !s->hit;
}

static int look_at_blocks(void *ctx, const struct xfs_inode *inode, struct p2v_err *err)
{
	struct search *s = ctx;

	(void)err;
	s->hit = false;
	map_xfs_runs(&s->fs, inode, true, on_run, s);
	if (s->hit)
		map_hits_add(&s->hits, inode->number);
	return 0;
}

/* The name of one number in a directory; or the number of one name. */
struct wanted {
	uint64_t number;
	const char *name;
	struct p2v_buf *text; /* the name goes there */
	bool found;
};

static bool is_dots(const uint8_t *name, size_t n)
{
	return (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.');
}

static bool on_wanted(void *ctx, uint64_t number, const uint8_t *name, size_t n)
{
	struct wanted *w = ctx;

	if (w->name) {
		w->found = n == strlen(w->name) && memcmp(name, w->name, n) == 0;
		w->number = w->found ? number : w->number;
	} else {
		w->found = number == w->number && !is_dots(name, n);
		if (w->found)
			p2v_buf_add(w->text, name, n);
	}
	return !w->found;
}

/* Goes from a directory to the one above: its name is put before path. False at the end. */
static bool path_up(const struct search *s, struct xfs_inode *dir, struct p2v_buf *path)
{
	struct wanted up = {.name = ".."}, own = {.number = dir->number};
	struct p2v_buf longer = {0};
	struct xfs_inode above;

	map_xfs_entries(&s->fs, dir, on_wanted, &up);
	own.text = &longer;
	p2v_buf_add_str(&longer, "/");
	if (up.found && map_xfs_inode_read(&s->fs, up.number, &above))
		map_xfs_entries(&s->fs, &above, on_wanted, &own);
	if (!own.found)
		p2v_buf_add_str(&longer, "?");
	p2v_buf_add(&longer, path->data, path->len);
	p2v_buf_finish(path);
	*path = longer;
	if (own.found)
		*dir = above;
	return own.found;
}

static bool on_entry(void *ctx, uint64_t number, const uint8_t *name, size_t n)
{
	struct search *s = ctx;
	size_t i = map_hits_nameless(&s->hits, number);
	p2v_autobuf struct p2v_buf path = {0};
	struct xfs_inode dir = *s->dir;

	if (i == s->hits.n || is_dots(name, n))
		return true;
	p2v_buf_add_str(&path, "/");
	p2v_buf_add(&path, name, n);
	for (unsigned depth = 0; dir.number != s->fs.root_inode && depth < DEPTH_MAX; depth++)
		if (!path_up(s, &dir, &path))
			break;
	s->r = p2v_buf_check(&path, s->err);
	if (s->r == 0)
		s->r = map_bad_say(s->bad, (const char *)path.data, s->err);
	s->hits.named[i] = true;
	return s->r == 0;
}

static int look_at_names(void *ctx, const struct xfs_inode *inode, struct p2v_err *err)
{
	struct search *s = ctx;

	(void)err;
	s->dir = inode;
	if (map_xfs_is_dir(inode))
		map_xfs_entries(&s->fs, inode, on_entry, s);
	return s->r;
}

int map_names_xfs(const struct map_view *v, struct map_bad *bad, struct p2v_err *err)
{
	p2v_autofree struct search *s = calloc(1, sizeof(*s));
	const char *why;
	int r = s ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0)
		return r;
	s->fs.view = v;
	s->bad = bad;
	s->err = err;
	r = map_xfs_super(&s->fs, &why, err);
	if (r == 0)
		r = map_xfs_inodes_check(&s->fs, err);
	if (r == 0)
		r = map_xfs_inodes(&s->fs, look_at_blocks, s, err);
	if (r == 0 && s->hits.n)
		r = map_xfs_inodes(&s->fs, look_at_names, s, err);
	return r == 0 ? map_hits_end(&s->hits, s->fs.root_inode, bad, err) : r;
}
