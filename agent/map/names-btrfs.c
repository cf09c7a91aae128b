/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/map/btrfs.h"
#include "agent/map/names.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/stop.h"

/*
 * The tree of roots has one of files for each subvolume (the first is 5, others from 256 on), and
 * says under (subvolume, 144, the one above): u64 folder, u64, u16 length, name. In a tree of
 *files:
 *
 *	(inode, 12, folder): u64, u16 length, name; perhaps more of them
 *	(inode, 108, offset): 20 u8 0: the data are here  21 u64 logical address, 0: a hole  29 u64
 *	bytes
 *
 * A tree of which a block cannot be read is looked at as far as it goes.
 */
#define KEY_NAME    12u
#define KEY_DATA    108u
#define KEY_ABOVE   144u
#define TREE_TOP    5u
#define TREE_FIRST  256u
#define TREE_END    (UINT64_MAX - 255)
#define ROOT_FOLDER 256u
#define PLACES_MAX  4096u
#define DEPTH_MAX   64u

/* An inode that is met, or a folder above one; its name once that is found. */
struct place {
	uint64_t inode, folder;
	char *name;
};

struct tree {
	uint64_t id, above; /* 0: not below another */
	struct btrfs_root root;
	char *name;
};

struct search {
	const struct btrfs_fs *fs;
	struct map_bad *bad;
	struct tree *trees;
	size_t n_trees;
	struct map_hits hits; /* of one tree */
	struct place *places; /* likewise */
	size_t n_places;
	bool more; /* a name was found, whose folder's is not known */
};

static char *name_read(struct p2v_rd *rd)
{
	size_t n = p2v_rd_le16(rd);
	const uint8_t *name = p2v_rd_bytes(rd, n);

	return name ? strndup((const char *)name, n) : NULL;
}

static struct tree *tree_of(struct search *s, uint64_t id)
{
	for (size_t i = 0; i < s->n_trees; i++)
		if (s->trees[i].id == id)
			return &s->trees[i];
	return NULL;
}

static int on_root(void *ctx, const struct btrfs_key *key, struct p2v_rd data, struct p2v_err *err)
{
	struct search *s = ctx;
	struct tree *t = tree_of(s, key->object);

	if (key->object != TREE_TOP && (key->object < TREE_FIRST || key->object >= TREE_END))
		return 0;
	if (key->type == BTRFS_ROOT_ITEM && !t) {
		t = p2v_json_grow((void **)&s->trees, &s->n_trees, sizeof(*s->trees));
		if (!t)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		t->id = key->object;
		return map_btrfs_root_read(data, &t->root, err);
	}
	if (key->type == KEY_ABOVE && t && !t->name) {
		t->above = key->offset;
		p2v_rd_bytes(&data, 16);
		t->name = name_read(&data);
	}
	return 0;
}

static bool is_bad(const struct search *s, uint64_t logical, uint64_t n)
{
	const struct btrfs_chunk *c = map_btrfs_chunk_of(s->fs, logical, n);

	for (unsigned i = 0; c && i < c->copies; i++)
		if (map_bad_touches(s->bad, c->physical[i] + (logical - c->logical), n))
			return true;
	return false;
}

static int on_data(void *ctx, const struct btrfs_key *key, struct p2v_rd data, struct p2v_err *err)
{
	struct search *s = ctx;
	uint64_t logical, n;

	if (key->type != KEY_DATA)
		return 0;
	p2v_rd_bytes(&data, 20);
	if (p2v_rd_u8(&data) == 0)
		return 0;
	logical = p2v_rd_le64(&data);
	n = p2v_rd_le64(&data);
	if (!data.failed && logical && is_bad(s, logical, n))
		map_hits_add(&s->hits, key->object);
	return p2v_stop_check(err);
}

static struct place *place_of(struct search *s, uint64_t inode)
{
	for (size_t i = 0; i < s->n_places; i++)
		if (s->places[i].inode == inode)
			return &s->places[i];
	return NULL;
}

static int place_add(struct search *s, uint64_t inode, struct p2v_err *err)
{
	struct place *p;

	if (inode == ROOT_FOLDER || place_of(s, inode) || s->n_places == PLACES_MAX)
		return 0;
	p = p2v_json_grow((void **)&s->places, &s->n_places, sizeof(*s->places));
	if (!p)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	p->inode = inode;
	s->more = true;
	return 0;
}

static int on_name(void *ctx, const struct btrfs_key *key, struct p2v_rd data, struct p2v_err *err)
{
	struct search *s = ctx;
	struct place *p = key->type == KEY_NAME ? place_of(s, key->object) : NULL;

	if (!p || p->name)
		return 0;
	p2v_rd_le64(&data);
	p->name = name_read(&data);
	p->folder = key->offset;
	return p->name ? place_add(s, p->folder, err) : 0;
}

static void prepend(struct p2v_buf *path, const char *name)
{
	struct p2v_buf longer = {0};

	p2v_buf_add_str(&longer, "/");
	p2v_buf_add_str(&longer, name);
	p2v_buf_add(&longer, path->data, path->len);
	p2v_buf_finish(path);
	*path = longer;
}

/* Up to the top of the subvolume, then from one subvolume to the one above: in which folder of that
 * it lies is left out. */
static void path_read(struct search *s, const struct tree *t, uint64_t inode, struct p2v_buf *path)
{
	for (unsigned depth = 0; inode != ROOT_FOLDER && depth < DEPTH_MAX; depth++) {
		const struct place *p = place_of(s, inode);

		prepend(path, p && p->name ? p->name : "?");
		inode = p && p->name ? p->folder : ROOT_FOLDER;
	}
	for (unsigned depth = 0; t && t->name && depth < DEPTH_MAX; depth++) {
		prepend(path, t->name);
		t = tree_of(s, t->above);
	}
}

static void places_clear(struct search *s)
{
	for (size_t i = 0; i < s->n_places; i++)
		free(s->places[i].name);
	free(s->places);
	s->places = NULL;
	s->n_places = 0;
}

/* Folders are found one level in each walk, or more. */
static int names_find(struct search *s, const struct tree *t, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->hits.n && r == 0; i++)
		r = place_add(s, s->hits.ids[i], err);
	for (unsigned depth = 0; s->more && r == 0 && depth < DEPTH_MAX; depth++) {
		s->more = false;
		if (map_btrfs_walk(s->fs, &t->root, on_name, s, err) == P2V_ENOMEM)
			r = P2V_ENOMEM;
	}
	return r;
}

static int tree_search(struct search *s, const struct tree *t, bool *any, struct p2v_err *err)
{
	int r;

	s->hits = (struct map_hits){0};
	map_btrfs_walk(s->fs, &t->root, on_data, s, NULL);
	r = names_find(s, t, err);
	for (size_t i = 0; i < s->hits.n && r == 0; i++) {
		p2v_autobuf struct p2v_buf path = {0};

		path_read(s, t, s->hits.ids[i], &path);
		r = p2v_buf_check(&path, err);
		if (r == 0)
			r = map_bad_say(s->bad, (const char *)path.data, err);
		*any = true;
	}
	if (r == 0 && s->hits.more)
		r = map_bad_say(s->bad, "and further files", err);
	places_clear(s);
	return r;
}

static int trees_search(struct search *s, struct p2v_err *err)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < s->n_trees && r == 0; i++)
		r = tree_search(s, &s->trees[i], &any, err);
	return r == 0 && !any ? map_bad_say(s->bad, "in no file (metadata or free space)", err) : r;
}

int map_names_btrfs(const struct map_view *v, struct map_bad *bad, struct p2v_err *err)
{
	struct btrfs_fs fs = {.view = v};
	struct btrfs_super super = {0};
	p2v_autofree struct search *s = calloc(1, sizeof(*s));
	const char *why = NULL;
	int r = s ? map_btrfs_open(&fs, &super, false, &why, err)
		  : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0) {
		s->fs = &fs;
		s->bad = bad;
		r = map_btrfs_walk(&fs, &super.root, on_root, s, err);
	}
	if (r == 0)
		r = trees_search(s, err);
	for (size_t i = 0; s && i < s->n_trees; i++)
		free(s->trees[i].name);
	free(s ? s->trees : NULL);
	free(fs.chunks);
	return r;
}
