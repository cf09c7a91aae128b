/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/ntfs-record.h"
#include "agent/map/ntfs.h"

#include <ntfs-3g/attrib.h>
#include <stdlib.h>
#include <string.h>

#include "agent/map/names.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"
#include "p2v/core/utf16.h"

/*
 * A record that continues another has that one's number at 32 (the low 48 bits; 0: none). A name is
 * an attribute of type 0x30, resident: 16 u32 bytes, 20 u16 where they are: 0 the folder's number
 * (low 48 bits), 64 u8 characters, 65 u8 kind (2: for DOS, beside a longer one), 66 UTF-16LE.
 */
#define NAME_TYPE 0x30u
#define NAME_DOS  2u
#define NUMBER	  UINT64_C(0xffffffffffff)
#define ROOT	  5u
#define BASE_AT	  32u
#define DEPTH_MAX 256u

struct search {
	ntfs_volume *vol;
	struct map_bad *bad;
	struct map_hits hits;
	bool hit;
};

static int on_run(void *ctx, uint64_t first, uint64_t count, struct p2v_err *err)
{
	struct search *s = ctx;
	uint64_t each = s->vol->cluster_size;

	(void)err;
	s->hit = s->hit || map_bad_touches(s->bad, first * each, count * each);
	return 0;
}

static int on_attribute(
	void *ctx, uint32_t type, const uint8_t *attribute, size_t n, struct p2v_err *err)
{
	const struct search *s = ctx;

	(void)type;
	return map_ntfs_runs(attribute, n, (uint64_t)s->vol->nr_clusters, on_run, ctx, err);
}

static uint64_t number_at(const uint8_t *p, size_t n)
{
	struct p2v_rd rd = p2v_rd_init(p, n);

	return p2v_rd_le64(&rd) & NUMBER;
}

static int on_record(
	void *ctx, uint64_t number, const uint8_t *record, size_t n, struct p2v_err *err)
{
	struct search *s = ctx;
	uint64_t base = number_at(record + BASE_AT, n - BASE_AT);
	int r;

	s->hit = false;
	r = map_ntfs_attributes(record, n, on_attribute, s, err);
	if (s->hit)
		map_hits_add(&s->hits, base ? base : number);
	return r < 0 ? r : p2v_stop_check(err);
}

/* One name of a file, the better one where it has two, and the folder that it is in. */
struct name {
	struct p2v_buf text;
	uint64_t folder;
};

static int on_name(
	void *ctx, uint32_t type, const uint8_t *attribute, size_t n, struct p2v_err *err)
{
	struct name *name = ctx;
	struct p2v_rd rd = p2v_rd_init(attribute + 16, n - 16);
	uint32_t bytes = p2v_rd_le32(&rd);
	uint16_t at = p2v_rd_le16(&rd);
	unsigned characters, kind;
	const uint8_t *utf16;

	(void)err;
	if (type != NAME_TYPE || attribute[8] || at > n || bytes > n - at || bytes < 66)
		return 0;
	rd = p2v_rd_init(attribute + at, bytes);
	p2v_rd_bytes(&rd, 64);
	characters = p2v_rd_u8(&rd);
	kind = p2v_rd_u8(&rd);
	utf16 = p2v_rd_bytes(&rd, (size_t)characters * 2);
	if (!utf16 || (kind == NAME_DOS && name->text.len))
		return 0;
	p2v_buf_reset(&name->text);
	p2v_utf16_to_utf8(utf16, (size_t)characters * 2, false, &name->text);
	name->folder = number_at(attribute + at, bytes);
	return 0;
}

/* Reads the name of record `number`; false where it has none. */
static bool name_read(struct search *s, uint64_t number, struct name *name)
{
	size_t size = s->vol->mft_record_size;
	p2v_autofree uint8_t *record = malloc(size);

	p2v_buf_reset(&name->text);
	if (!record || number > (uint64_t)INT64_MAX / size ||
		ntfs_attr_mst_pread(s->vol->mft_na, (s64)(number * size), 1, (u32)size, record) !=
			1)
		return false;
	return map_ntfs_attributes(record, size, on_name, name, NULL) == 0 && name->text.len;
}

static void path_prepend(struct p2v_buf *path, const char *name)
{
	struct p2v_buf longer = {0};

	p2v_buf_add_str(&longer, "/");
	p2v_buf_add_str(&longer, name);
	p2v_buf_add(&longer, path->data, path->len);
	p2v_buf_finish(path);
	*path = longer;
}

/* "/folder/.../name", as far up as there are names. */
static bool path_read(struct search *s, uint64_t number, struct p2v_buf *path)
{
	struct name name = {0};

	for (unsigned depth = 0; number != ROOT && depth < DEPTH_MAX; depth++) {
		bool known = name_read(s, number, &name);

		if (known || path->len)
			path_prepend(path, known ? (const char *)name.text.data : "?");
		if (!known)
			break;
		number = name.folder;
	}
	p2v_buf_finish(&name.text);
	return path->len && !path->failed;
}

static int names_say(struct search *s, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->hits.n && r == 0; i++) {
		p2v_autobuf struct p2v_buf path = {0};

		s->hits.named[i] = path_read(s, s->hits.ids[i], &path);
		if (s->hits.named[i])
			r = map_bad_say(s->bad, (const char *)path.data, err);
	}
	return r == 0 ? map_hits_end(&s->hits, ROOT, s->bad, err) : r;
}

int map_names_ntfs(const struct map_view *v, struct map_bad *bad, struct p2v_err *err)
{
	struct map_ntfs_device dev = {.view = v};
	map_auto_ntfs ntfs_volume *vol = NULL;
	p2v_autofree struct search *s = calloc(1, sizeof(*s));
	int r = s ? map_ntfs_open(&dev, &vol, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0)
		return r;
	s->vol = vol;
	s->bad = bad;
	r = map_ntfs_records_each(vol, on_record, s, err);
	return r == 0 ? names_say(s, err) : r;
}
