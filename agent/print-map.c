/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/text.h"

static int out_of_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

struct region_doc {
	uint32_t depth;
	uint64_t offset_bytes, length_bytes, used_bytes, zero_bytes, free_bytes;
	char *what, *why_used, *why_free;
};
static const struct p2v_json_field region_fields[] = {
	P2V_JSON_U32(struct region_doc, depth, 0),
	P2V_JSON_U64(struct region_doc, offset_bytes, 0),
	P2V_JSON_U64(struct region_doc, length_bytes, 0),
	P2V_JSON_U64(struct region_doc, used_bytes, 0),
	P2V_JSON_U64(struct region_doc, zero_bytes, 0),
	P2V_JSON_U64(struct region_doc, free_bytes, 0),
	P2V_JSON_STR(struct region_doc, what, 0),
	P2V_JSON_STR(struct region_doc, why_used, 0),
	P2V_JSON_STR(struct region_doc, why_free, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type region_type = {
	"region", sizeof(struct region_doc), region_fields};

struct disk_doc {
	char *path, *table;
	uint64_t size_bytes, used_bytes, zero_bytes, free_bytes;
	struct region_doc *regions;
	size_t n_regions;
};
static const struct p2v_json_field disk_fields[] = {
	P2V_JSON_STR(struct disk_doc, path, 0),
	P2V_JSON_STR(struct disk_doc, table, 0),
	P2V_JSON_U64(struct disk_doc, size_bytes, 0),
	P2V_JSON_U64(struct disk_doc, used_bytes, 0),
	P2V_JSON_U64(struct disk_doc, zero_bytes, 0),
	P2V_JSON_U64(struct disk_doc, free_bytes, 0),
	P2V_JSON_OBJS(struct disk_doc, regions, 0, &region_type),
	P2V_JSON_END,
};
static const struct p2v_json_type disk_type = {"disk", sizeof(struct disk_doc), disk_fields};

struct map_doc {
	uint32_t version;
	struct disk_doc *disks;
	size_t n_disks;
};
static const struct p2v_json_field map_fields[] = {
	P2V_JSON_U32(struct map_doc, version, 0),
	P2V_JSON_OBJS(struct map_doc, disks, 0, &disk_type),
	P2V_JSON_END,
};
static const struct p2v_json_type map_type = {"map", sizeof(struct map_doc), map_fields};

static int region_doc_add(const struct map_region *from, struct disk_doc *doc, struct p2v_err *err)
{
	struct region_doc *to =
		p2v_json_grow((void **)&doc->regions, &doc->n_regions, sizeof(*doc->regions));

	if (!to)
		return out_of_memory(err);
	*to = (struct region_doc){from->depth, from->offset_bytes, from->length_bytes,
		from->used_bytes, from->zero_bytes, from->free_bytes, strdup(from->what),
		strdup(from->why_used), from->why_free ? strdup(from->why_free) : NULL};
	return to->what && to->why_used && (to->why_free || !from->why_free) ? 0
									     : out_of_memory(err);
}

static int map_doc_fill(const struct machine *m, const struct agent_disks *disks,
	struct map_doc *doc, struct p2v_err *err)
{
	for (size_t i = 0; i < disks->n_items; i++) {
		const struct agent_disk *d = &disks->items[i];
		struct disk_doc *to =
			p2v_json_grow((void **)&doc->disks, &doc->n_disks, sizeof(*doc->disks));

		if (!to || !(to->path = strdup(d->path)) ||
			!(to->table = strdup(m->disks[i].table ? m->disks[i].table : "none")))
			return out_of_memory(err);
		to->size_bytes = d->io->size_bytes;
		to->used_bytes = block_extents_sum(&d->map.extents, EXTENT_USED);
		to->zero_bytes = block_extents_sum(&d->map.extents, EXTENT_ZERO);
		to->free_bytes = block_extents_sum(&d->map.extents, EXTENT_FREE);
		for (size_t k = 0; k < d->map.n_regions; k++) {
			int r = region_doc_add(&d->map.regions[k], to, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

#define COLUMNS	     80u
#define SHARE_COLUMN 26u

static void text_show(struct p2v_buf *text, FILE *out)
{
	fwrite(text->data, 1, text->len, out);
	text->len = 0;
}

/* "12 MiB used: why", where there is any. */
static void share_show(uint64_t bytes, const char *word, const char *why, FILE *out)
{
	p2v_autobuf struct p2v_buf text = {0};
	char size[P2V_NUM_TEXT], first[64];

	snprintf(first, sizeof(first), "  %23s %s%s", p2v_num_bytes_text(bytes, size), word,
		why ? ": " : "");
	p2v_text_add_wrapped(&text, first, SHARE_COLUMN, COLUMNS, why ? why : "");
	if (bytes)
		text_show(&text, out);
}

static void region_show(const struct region_doc *r, FILE *out)
{
	p2v_autobuf struct p2v_buf text = {0};
	char size[P2V_NUM_TEXT], first[64];

	snprintf(first, sizeof(first), "  %14" PRIu64 "  %10s %s", r->offset_bytes,
		p2v_num_bytes_text(r->length_bytes, size), r->depth ? "  " : "");
	p2v_text_add_wrapped(&text, first, SHARE_COLUMN + 6, COLUMNS, r->what);
	text_show(&text, out);
	share_show(r->used_bytes, "used", r->why_used, out);
	share_show(r->zero_bytes, "zero", "holes in the file", out);
	share_show(r->free_bytes, "free", r->why_free, out);
}

static void disk_doc_show(const struct disk_doc *d, FILE *out)
{
	char size[P2V_NUM_TEXT], used[P2V_NUM_TEXT], zero[P2V_NUM_TEXT], freed[P2V_NUM_TEXT];

	fprintf(out, "%s: %s, partition table: %s\n", d->path,
		p2v_num_bytes_text(d->size_bytes, size), d->table);
	fprintf(out, "  %s used, %s zero, %s free\n", p2v_num_bytes_text(d->used_bytes, used),
		p2v_num_bytes_text(d->zero_bytes, zero), p2v_num_bytes_text(d->free_bytes, freed));
	for (size_t i = 0; i < d->n_regions; i++)
		region_show(&d->regions[i], out);
}

int agent_print_map(const struct machine *m, const struct agent_disks *disks, bool json, FILE *out,
	struct p2v_err *err)
{
	struct map_doc doc = {.version = 1};
	int r = map_doc_fill(m, disks, &doc, err);

	if (r == 0 && json)
		r = agent_json_print(&map_type, &doc, true, out, err);
	for (size_t i = 0; r == 0 && !json && i < doc.n_disks; i++)
		disk_doc_show(&doc.disks[i], out);
	p2v_json_free(&map_type, &doc);
	return r;
}
