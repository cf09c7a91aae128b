/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/map/names.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"

bool map_bad_touches(const struct map_bad *bad, uint64_t offset, uint64_t length)
{
	for (size_t i = 0; i < bad->n_spans; i++)
		if (bad->spans[i].offset < offset + length &&
			offset < bad->spans[i].offset + bad->spans[i].length)
			return true;
	return false;
}

int map_bad_say(const struct map_bad *bad, const char *text, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf line = {0};
	int r;

	p2v_text_add_printable(&line, bad->where ? bad->where : "");
	p2v_text_add_printable(&line, text);
	p2v_buf_add(&line, "", 1);
	r = p2v_buf_check(&line, err);
	return r < 0 ? r : p2v_json_add_str(bad->lines, bad->n_lines, (char *)line.data, err);
}

int map_bad_move(const struct map_bad *bad, uint64_t offset, uint64_t length, uint64_t to,
	struct map_bad *ret, struct p2v_err *err)
{
	for (size_t i = 0; i < bad->n_spans; i++) {
		uint64_t first = p2v_max_u64(bad->spans[i].offset, offset);
		uint64_t end =
			p2v_min_u64(bad->spans[i].offset + bad->spans[i].length, offset + length);
		struct map_span *s;

		if (first >= end)
			continue;
		s = p2v_json_grow((void **)&ret->spans, &ret->n_spans, sizeof(*ret->spans));
		if (!s)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		*s = (struct map_span){first - offset + to, end - first};
	}
	ret->lines = bad->lines;
	ret->n_lines = bad->n_lines;
	return 0;
}

void map_bad_finish(struct map_bad *bad)
{
	free(bad->spans);
	free(bad->where);
	*bad = (struct map_bad){0};
}

void map_hits_add(struct map_hits *hits, uint64_t id)
{
	for (size_t i = 0; i < hits->n; i++)
		if (hits->ids[i] == id)
			return;
	hits->more = hits->n == MAP_FILES_MAX;
	if (!hits->more)
		hits->ids[hits->n++] = id;
}

size_t map_hits_nameless(const struct map_hits *hits, uint64_t id)
{
	size_t i = 0;

	while (i < hits->n && (hits->ids[i] != id || hits->named[i]))
		i++;
	return i;
}

int map_hits_end(
	const struct map_hits *hits, uint64_t root, struct map_bad *bad, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; i < hits->n && r == 0; i++) {
		p2v_autofree char *text = NULL;

		if (hits->named[i])
			continue;
		text = hits->ids[i] == root ? p2v_strf("/")
					    : p2v_strf("a file whose name is not found, inode "
						       "%" PRIu64,
						      hits->ids[i]);
		r = text ? map_bad_say(bad, text, err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (r == 0 && hits->n == 0)
		r = map_bad_say(bad, "in no file (metadata or free space)", err);
	if (r == 0 && hits->more)
		r = map_bad_say(bad, "and further files", err);
	return r;
}

/* The disk, with zeros where it cannot be read: nobody waits for those sectors once more. */
struct patched_io {
	struct block_io io;
	struct block_io *disk;
	const struct map_span *spans;
	size_t n_spans;
};

/* How much from offset on is good, or with ret_bad is not. */
static uint64_t patched_run(const struct patched_io *p, uint64_t offset, uint64_t n, bool *ret_bad)
{
	*ret_bad = false;
	for (size_t i = 0; i < p->n_spans; i++) {
		const struct map_span *s = &p->spans[i];

		if (offset >= s->offset && offset - s->offset < s->length) {
			*ret_bad = true;
			return p2v_min_u64(n, s->offset + s->length - offset);
		}
		if (s->offset > offset)
			n = p2v_min_u64(n, s->offset - offset);
	}
	return n;
}

static int patched_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	const struct patched_io *p = (const struct patched_io *)io;
	uint8_t *to = buf;
	int r = p2v_stop_check(err);

	while (n && r == 0) {
		bool bad;
		size_t part = (size_t)patched_run(p, offset, n, &bad);

		if (bad)
			memset(to, 0, part);
		else
			r = block_read(p->disk, offset, to, part, err);
		offset += part;
		to += part;
		n -= part;
	}
	return r;
}

static void patched_close(struct block_io *io)
{
	free(io);
}

static const struct block_io_ops patched_ops = {.pread = patched_pread, .close = patched_close};

static int patched_open(struct block_io *disk, const struct map_span *spans, size_t n_spans,
	struct block_io **ret, struct p2v_err *err)
{
	struct patched_io *p = calloc(1, sizeof(*p));
	int r = p ? block_io_setup(&p->io, &patched_ops, disk->name, disk->size_bytes,
			    disk->logical_sector_bytes, false, err)
		  : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0) {
		free(p);
		return r;
	}
	p->disk = disk;
	p->spans = spans;
	p->n_spans = n_spans;
	*ret = &p->io;
	return 0;
}

/* One part of the disk: only its spans. */
static int part_name(struct block_io *io, const struct map_part *part, const struct map_bad *all,
	struct p2v_err *err)
{
	const struct map_view v = {
		io, part->offset_bytes, part->length_bytes, part->number, 0, NULL};
	map_auto_bad struct map_bad bad = {0};
	int r = map_bad_move(all, part->offset_bytes, part->length_bytes, 0, &bad, err);

	if (r < 0 || bad.n_spans == 0)
		return r;
	bad.where = part->number ? p2v_strf("partition %" PRIu32 ": ", part->number) : strdup("");
	if (!bad.where)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	/* Who cannot read all of it may not have known what it is. */
	return map_bad_name(&v, part->type, &bad, err);
}

static uint64_t spans_bytes(const struct map_bad *bad)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bad->n_spans; i++)
		sum += bad->spans[i].length;
	return sum;
}

/* Whether some of them lie in no part. */
static int gaps_name(const struct map_part *parts, size_t n_parts, const struct map_bad *all,
	struct p2v_err *err)
{
	map_auto_bad struct map_bad in = {0};
	int r = 0;

	for (size_t i = 0; i < n_parts && r == 0; i++)
		r = map_bad_move(all, parts[i].offset_bytes, parts[i].length_bytes, 0, &in, err);
	return r == 0 && spans_bytes(&in) < spans_bytes(all)
		       ? map_bad_say(all, "outside of partitions", err)
		       : r;
}

int map_files_at(struct block_io *io, const struct map_part *parts, size_t n_parts,
	const struct map_span *spans, size_t n_spans, char ***lines, size_t *n_lines,
	struct p2v_err *err)
{
	p2v_auto(block_io_free) struct block_io *patched = NULL;
	map_auto_bad struct map_bad all = {.lines = lines, .n_lines = n_lines};
	int r = patched_open(io, spans, n_spans, &patched, err);

	for (size_t i = 0; i < n_spans && r == 0; i++) {
		const struct map_bad one = {.spans = (struct map_span *)(uintptr_t)&spans[i],
			.n_spans = 1,
			.lines = lines,
			.n_lines = n_lines};

		r = map_bad_move(&one, 0, io->size_bytes, 0, &all, err);
	}
	for (size_t i = 0; i < n_parts && r == 0; i++)
		r = part_name(patched, &parts[i], &all, err);
	return r == 0 ? gaps_name(parts, n_parts, &all, err) : r;
}
