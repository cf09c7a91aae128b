/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * map-copy SOURCE COPY [TYPE]: what a migration does to a disk, without the wire: COPY is SOURCE
 * with all that the map calls free overwritten, with bytes that no file system would like to find
 * where it looks for its own. TYPE: SOURCE is one file system, whatever it looks like. Prints "used
 * zero free" in bytes, then a line for each region: depth, used, zero, free, what, why used, why
 * free, with tabs between. A refusal exits with 3. After --with: the machine's other disks.
 *
 * map-copy --files SOURCE OFFSET: the files that have this byte of the disk.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/map/files.h"
#include "agent/map/map.h"
#include "agent/source/table.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

#define PIECE_BYTES (1u << 20)
#define OTHERS_MAX  4u
#define POISON	    0xa5

/* The parts refer to the table. */
static int parts_read(const char *path, struct source_table *table, struct map_part **ret,
	size_t *ret_n, struct p2v_err *err)
{
	struct map_part *parts;
	size_t n = 0;
	int r = source_table_read(path, table, err);

	if (r < 0)
		return r;
	parts = calloc(table->n_parts + 1, sizeof(*parts));
	for (size_t i = 0; parts && i < table->n_parts; i++)
		if (!table->parts[i].extended)
			parts[n++] = (struct map_part){.number = table->parts[i].number,
				.offset_bytes = table->parts[i].offset_bytes,
				.length_bytes = table->parts[i].length_bytes,
				.type = table->parts[i].type};
	*ret = parts;
	*ret_n = n;
	return parts ? 0 : P2V_ENOMEM;
}

/* The machine's other disks, opened, and what is on them. */
struct others {
	struct block_io *ios[OTHERS_MAX];
	struct map_peers peers;
};

static int others_open(char **paths, struct others *o, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; i < OTHERS_MAX && paths[i] && r == 0; i++) {
		source_autotable struct source_table table = {0};
		p2v_autofree struct map_part *parts = NULL;
		size_t n = 0;

		r = block_io_file_open(paths[i], false, &o->ios[i], err);
		if (r == 0)
			r = parts_read(paths[i], &table, &parts, &n, err);
		if (r == 0)
			r = map_peers_add(&o->peers, o->ios[i], parts, n, err);
	}
	return r;
}

static void others_close(struct others *o)
{
	for (size_t i = 0; i < OTHERS_MAX; i++)
		block_io_free(o->ios[i]);
	map_peers_finish(&o->peers);
}

static int table_map(const char *path, const char *type, struct block_io *io,
	const struct map_peers *peers, struct map *ret, struct p2v_err *err)
{
	const struct map_part whole = {.length_bytes = io->size_bytes, .type = type};
	source_autotable struct source_table table = {0};
	p2v_autofree struct map_part *parts = NULL;
	size_t n = 0;
	int r;

	if (type)
		return map_disk(io, &whole, 1, NULL, ret, err);
	r = parts_read(path, &table, &parts, &n, err);
	return r < 0 ? r : map_disk(io, parts, n, peers, ret, err);
}

static int files(const char *path, const char *offset, struct p2v_err *err)
{
	p2v_auto(block_io_free) struct block_io *io = NULL;
	source_autotable struct source_table table = {0};
	p2v_autofree struct map_part *parts = NULL;
	struct map_span span = {.length = 1};
	size_t n = 0, n_lines = 0;
	char **lines = NULL;
	int r = p2v_num_parse(offset, "OFFSET", 0, INT64_MAX, &span.offset, err);

	if (r == 0)
		r = block_io_file_open(path, false, &io, err);
	if (r == 0)
		r = parts_read(path, &table, &parts, &n, err);
	if (r == 0)
		r = map_files_at(io, parts, n, &span, 1, &lines, &n_lines, err);
	for (size_t i = 0; i < n_lines; i++) {
		puts(lines[i]);
		free(lines[i]);
	}
	free(lines);
	return r;
}

static int extent_copy(
	struct block_io *from, struct block_io *to, struct extent e, struct p2v_err *err)
{
	static uint8_t piece[PIECE_BYTES];

	for (uint64_t done = 0; done < e.length_bytes && e.kind != EXTENT_ZERO;) {
		size_t n = (size_t)p2v_min_u64(PIECE_BYTES, e.length_bytes - done);
		int r = 0;

		if (e.kind == EXTENT_FREE)
			memset(piece, POISON, n);
		else
			r = block_read(from, e.offset_bytes + done, piece, n, err);
		if (r == 0)
			r = block_write(to, e.offset_bytes + done, piece, n, err);
		if (r < 0)
			return r;
		done += n;
	}
	return 0;
}

static void map_print(const struct map *map)
{
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		block_extents_sum(&map->extents, EXTENT_USED),
		block_extents_sum(&map->extents, EXTENT_ZERO),
		block_extents_sum(&map->extents, EXTENT_FREE));
	for (size_t i = 0; i < map->n_regions; i++) {
		const struct map_region *r = &map->regions[i];

		printf("%u\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\t%s\n", r->depth,
			r->used_bytes, r->zero_bytes, r->free_bytes, r->what, r->why_used,
			r->why_free ? r->why_free : "");
	}
}

static int run(const char *source, const char *copy, const char *type,
	const struct map_peers *peers, struct p2v_err *err)
{
	p2v_auto(block_io_free) struct block_io *from = NULL, *to = NULL;
	map_auto struct map map = {0};
	int r = block_io_file_open(source, false, &from, err);

	if (r == 0)
		r = table_map(source, type, from, peers, &map, err);
	if (r == 0)
		r = block_io_file_open(copy, true, &to, err);
	for (size_t i = 0; r == 0 && i < map.extents.n_items; i++)
		r = extent_copy(from, to, map.extents.items[i], err);
	if (r == 0)
		r = block_flush(to, err);
	if (r == 0)
		map_print(&map);
	return r;
}

static int run_with(char **argv, struct p2v_err *err)
{
	struct others others = {0};
	bool with = argv[3] && strcmp(argv[3], "--with") == 0;
	int r = with ? others_open(argv + 4, &others, err) : 0;

	if (r == 0)
		r = run(argv[1], argv[2], with ? NULL : argv[3], &others.peers, err);
	others_close(&others);
	return r;
}

int main(int argc, char **argv)
{
	struct p2v_err err = {0};
	bool named = argc == 4 && strcmp(argv[1], "--files") == 0;

	if (argc < 3 || (named ? files(argv[2], argv[3], &err) : run_with(argv, &err)) < 0) {
		fprintf(stderr, "%s\n",
			err.text[0] ? err.text
				    : "usage: map-copy SOURCE COPY [TYPE | --with DISK...]");
		return err.kind ? p2v_err_exit_code(err.kind) : 2;
	}
	return 0;
}
