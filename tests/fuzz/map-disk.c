/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A disk with one file system, for its mapper. The input: u8 which mapper (below), u32 size in KiB,
 * then pieces {u32 offset in sectors of 512, u16 length, bytes}; all else is zero. Checksums are
 * put right before the mapper reads, so that mutations reach what they protect.
 *
 * Promised: the list stays one, nothing beyond the part is called free, and nothing at all is where
 * the mapper did not say why. Then, as if its last piece could not be read, its files are named, in
 * a bounded number of printable lines.
 */

#include <stdlib.h>
#include <string.h>

#include "agent/map/crc.h"
#include "agent/map/files.h"
#include "agent/map/mappers.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "tests/fuzz/fuzz.h"

#define SIZE_MAX_KIB (512u << 10)
#define PIECES_MAX   4096u
#define SECTOR	     512u
/* The part begins a little into the disk, so that an offset that forgets it is seen. */
#define PART_AT 65536u

static const char *const types[] = {
	"xfs", "btrfs", "vfat", "exfat", "LVM2_member", "ext4", "swap", "linux_raid_member"};

struct piece {
	uint64_t offset;
	const uint8_t *bytes;
	size_t n;
};

struct disk {
	struct block_io io;
	struct piece pieces[PIECES_MAX];
	size_t n_pieces;
};

static int disk_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	const struct disk *d = (const struct disk *)io;

	(void)err;
	memset(buf, 0, n);
	for (size_t i = 0; i < d->n_pieces; i++) {
		const struct piece *p = &d->pieces[i];
		uint64_t from = p2v_max_u64(offset, p->offset);
		uint64_t end = p2v_min_u64(offset + n, p->offset + p->n);

		if (from < end)
			memcpy((uint8_t *)buf + (from - offset), p->bytes + (from - p->offset),
				end - from);
	}
	return 0;
}

static void disk_close(struct block_io *io)
{
	free(io);
}

static const struct block_io_ops disk_ops = {.pread = disk_pread, .close = disk_close};

static void le32_put(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* XFS: over the whole piece with the field zero. btrfs: over all behind the first 32 bytes. */
static void piece_seal(uint8_t type, uint8_t *p, size_t n)
{
	static const struct {
		const char *magic;
		size_t at;
	} xfs[] = {{"XFSB", 224}, {"XAGF", 216}, {"AB3B", 52}};

	for (size_t i = 0; type == 0 && n >= SECTOR && i < P2V_N(xfs); i++) {
		if (memcmp(p, xfs[i].magic, 4) != 0)
			continue;
		memset(p + xfs[i].at, 0, 4);
		le32_put(p + xfs[i].at, map_crc32c(p, n));
	}
	if (type == 1 && n >= SECTOR)
		le32_put(p, map_crc32c(p + 32, n - 32));
}

/* md: the sum of words, the field itself left out. */
static void piece_seal_md(uint8_t *p, size_t n)
{
	uint64_t total = 0;
	struct p2v_rd rd = p2v_rd_init(p + 220, n - 220);
	size_t bytes = 256 + 2 * (size_t)(p2v_rd_le32(&rd) % 1024);

	memset(p + 216, 0, 4);
	rd = p2v_rd_init(p, p2v_min_u64(bytes, n));
	while (rd.left >= 4)
		total += p2v_rd_le32(&rd);
	if (rd.left)
		total += p2v_rd_le16(&rd);
	le32_put(p + 216, (uint32_t)total + (uint32_t)(total >> 32));
}

static struct disk *disk_of(uint8_t *data, size_t n, uint8_t type)
{
	struct p2v_rd rd = p2v_rd_init(data + 1, n - 1);
	struct disk *d = calloc(1, sizeof(*d));
	uint64_t kib = p2v_min_u64(p2v_rd_le32(&rd), SIZE_MAX_KIB) + PART_AT / 1024;

	if (!d || block_io_setup(&d->io, &disk_ops, "disk", kib * 1024, SECTOR, false, NULL) < 0)
		abort();
	while (rd.left && d->n_pieces < PIECES_MAX) {
		uint64_t offset = (uint64_t)p2v_rd_le32(&rd) * SECTOR + PART_AT;
		size_t length = p2v_rd_le16(&rd);
		size_t at = n - rd.left;

		length = p2v_min_u64(length, rd.left);
		piece_seal(type, data + at, length);
		if (type == 7 && length >= SECTOR)
			piece_seal_md(data + at, length);
		d->pieces[d->n_pieces++] =
			(struct piece){offset, p2v_rd_bytes(&rd, length), length};
	}
	return d;
}

static void check(const struct extent_list *list, const struct map_view *v, bool may_free)
{
	uint64_t at = 0;

	for (size_t i = 0; i < list->n_items; i++) {
		const struct extent *e = &list->items[i];

		if (e->offset_bytes != at || e->length_bytes == 0)
			abort();
		at += e->length_bytes;
		if (e->kind == EXTENT_FREE && (!may_free || e->offset_bytes < v->offset_bytes))
			abort();
	}
	if (at != list->size_bytes)
		abort();
}

static void names(struct disk *d, const struct map_view *v, const char *type)
{
	const struct map_part part = {1, v->offset_bytes, v->length_bytes, type, false};
	const struct piece *last = &d->pieces[d->n_pieces ? d->n_pieces - 1 : 0];
	const struct map_span span = {last->offset, last->n};
	char **lines = NULL;
	size_t n = 0;

	if (map_files_at(&d->io, &part, 1, &span, 1, &lines, &n, NULL) < 0 ||
		n > 4 * (MAP_FILES_MAX + 1))
		abort();
	for (size_t i = 0; i < n; i++) {
		for (const char *c = lines[i]; *c; c++)
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				abort();
		free(lines[i]);
	}
	free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_auto(block_io_free) struct block_io *io = NULL;
	p2v_autofree uint8_t *copy = malloc(n + 1);
	struct extent_list list = {0};
	struct map_out out = {.extents = &list};
	struct map_view v = {.offset_bytes = PART_AT, .number = 1};
	const char *type;
	int r;

	if (n < 5)
		return 0;
	memcpy(copy, data, n);
	io = &disk_of(copy, n, data[0] % P2V_N(types))->io;
	v.io = io;
	v.length_bytes = io->size_bytes - PART_AT;
	if (block_extents_init(&list, io->size_bytes, NULL) < 0)
		abort();
	r = map_view_map(&v, types[data[0] % P2V_N(types)], false, &out, &type, NULL);
	check(&list, &v, r < 0 || out.why_free);
	free(out.inner);
	block_extents_finish(&list);
	/* Not those that a library of others reads: it is theirs to be sound. */
	if (data[0] % P2V_N(types) != 5)
		names((struct disk *)io, &v, types[data[0] % P2V_N(types)]);
	return 0;
}
