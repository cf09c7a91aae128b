/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/contents.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ui/state.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/text.h"

#define MAP_MS 180000
/* What one disk of a server's age gives, as far as anybody knows before it was read. */
#define DISK_RATE UINT64_C(100000000)
#define WORTH	  ((uint64_t)1 << 20) /* regions below that are not shown */

static const struct p2v_json_field region_fields[] = {
	P2V_JSON_U32(struct ui_region, depth, 0),
	P2V_JSON_U64(struct ui_region, length_bytes, 0),
	P2V_JSON_U64(struct ui_region, used_bytes, 0),
	P2V_JSON_STR(struct ui_region, what, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct ui_region, why_used, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type region_type = {"region", sizeof(struct ui_region), region_fields};

static const struct p2v_json_field disk_fields[] = {
	P2V_JSON_STR(struct ui_disk_contents, path, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct ui_disk_contents, used_bytes, 0),
	P2V_JSON_OBJS(struct ui_disk_contents, regions, 0, &region_type),
	P2V_JSON_END,
};
static const struct p2v_json_type disk_type = {
	"disk", sizeof(struct ui_disk_contents), disk_fields};

static const struct p2v_json_field fields[] = {
	P2V_JSON_OBJS(struct ui_contents, disks, 0, &disk_type),
	P2V_JSON_END,
};
static const struct p2v_json_type type = {"map", sizeof(struct ui_contents), fields};

/* ---- looking ---- */

static int map_run(const char *const *argv, const char *dir, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct ui_contents c = {0};
	int r = p2v_proc_run(argv, NULL, 0, MAP_MS, &out, err);

	if (r == 0)
		r = p2v_json_decode(&type, out.data, out.len, &c, err);
	if (r == 0)
		r = p2v_publish_bytes(dir, UI_MAP, out.data, out.len, 0600, err);
	ui_contents_finish(&c);
	return r;
}

int ui_contents_make(
	const struct ui_settings *s, const struct machine *m, const char *dir, struct p2v_err *err)
{
	p2v_autofree const char **argv = calloc(s->n_disks + m->n_disks + 4, sizeof(*argv));
	size_t n = 0;

	if (!argv)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	argv[n++] = "p2v-agent";
	argv[n++] = "--map";
	argv[n++] = "--json";
	for (size_t i = 0; i < s->n_disks; i++)
		argv[n++] = s->disks[i];
	for (size_t i = 0; !s->n_disks && i < m->n_disks; i++)
		if (!m->disks[i].removable)
			argv[n++] = m->disks[i].path;
	return n == 3 ? 0 : map_run(argv, dir, err);
}

int ui_contents_load(const char *dir, struct ui_contents *ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, UI_MAP);

	return path ? p2v_json_load(&type, path, ret, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

void ui_contents_finish(struct ui_contents *c)
{
	p2v_json_free(&type, c);
}

const struct ui_disk_contents *ui_contents_disk(const struct ui_contents *c, const char *path)
{
	for (size_t i = 0; i < c->n_disks; i++)
		if (strcmp(c->disks[i].path, path) == 0)
			return &c->disks[i];
	return NULL;
}

uint64_t ui_contents_used(const struct ui_contents *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->n_disks; i++)
		sum += c->disks[i].used_bytes;
	return sum;
}

size_t ui_contents_at(const struct ui_contents *c, const char *label, uint64_t *ret_before)
{
	uint64_t before = 0;

	for (size_t i = 0; label && i < c->n_disks; i++) {
		const char *path = c->disks[i].path;
		size_t n = strlen(path), of = strlen(label);

		if (of > n && label[of - n - 1] == ':' && strcmp(label + of - n, path) == 0) {
			*ret_before = before;
			return i + 1;
		}
		before += c->disks[i].used_bytes;
	}
	return 0;
}

uint64_t ui_contents_ms(const struct ui_contents *c, const struct machine *m)
{
	uint64_t rate = 0;

	for (size_t i = 0; i < m->n_nics; i++)
		if (m->nics[i].speed_mbit > rate)
			rate = m->nics[i].speed_mbit;
	rate *= 110000; /* of a bit's eighth, what is left for data */
	rate = !rate || rate > DISK_RATE ? DISK_RATE : rate;
	return (uint64_t)((double)ui_contents_used(c) * 1000 / (double)rate);
}

/* ---- as text ---- */

static void disk_text(
	const struct machine_disk *d, const struct ui_disk_contents *c, struct p2v_buf *out)
{
	char size[P2V_NUM_TEXT], used[P2V_NUM_TEXT];

	p2v_text_add_printable(out, d->path);
	p2v_buf_addf(out, "  %s, %s used\n", p2v_num_bytes_text(d->size_bytes, size),
		p2v_num_bytes_text(c->used_bytes, used));
	for (size_t i = 0; i < c->n_regions; i++) {
		const struct ui_region *r = &c->regions[i];

		if (r->length_bytes < WORTH || strcmp(r->what, "outside of partitions") == 0)
			continue;
		p2v_buf_addf(out, "  %*s", (int)(2 * (r->depth < 8 ? r->depth : 8)), "");
		p2v_text_add_printable(out, r->what);
		p2v_buf_addf(out, "  %s, %s used\n", p2v_num_bytes_text(r->length_bytes, size),
			p2v_num_bytes_text(r->used_bytes, used));
	}
}

static void note(struct p2v_buf *out, const char *object, const char *text)
{
	p2v_buf_add_str(out, "  ");
	p2v_text_add_printable(out, object);
	p2v_buf_add_str(out, ": ");
	p2v_text_add_printable(out, text);
	p2v_buf_add_str(out, "\n");
}

/* Kinds of contents that want something of people. */
static const struct {
	const char *in_what, *text;
} region_notes[] = {
	{"crypto_LUKS", "encrypted: the server needs its key to convert it"},
	{"BitLocker", "encrypted: the server needs its recovery key to convert it"},
	{"swsuspend", "a suspended system: start it and shut it down before"},
	{"linux_raid_member", "part of an array: its other disks have to come along"},
};

static void region_note(const char *path, const struct ui_region *r, struct p2v_buf *out)
{
	p2v_autofree char *object = p2v_strf("%s %s", path, r->what);

	for (size_t i = 0; object && i < P2V_N(region_notes); i++)
		if (strstr(r->what, region_notes[i].in_what)) {
			note(out, object, region_notes[i].text);
			return;
		}
	/* A file system that could not be believed. */
	if (object && r->why_used && strstr(r->why_used, ": all copied"))
		note(out, object, r->why_used);
}

static void disk_notes(
	const struct machine_disk *d, const struct ui_disk_contents *c, struct p2v_buf *out)
{
	if (d->bus && (strcmp(d->bus, "fc") == 0 || strcmp(d->bus, "iscsi") == 0))
		note(out, d->path, "a unit of a storage network: leave it out, or it is copied");
	if (d->removable)
		note(out, d->path, "removable: not sent unless it is chosen");
	else if (!c)
		note(out, d->path, "not looked at: it is not among those that are sent");
	for (size_t i = 0; c && i < c->n_regions; i++)
		region_note(d->path, &c->regions[i], out);
}

static void device_notes(const struct machine *m, struct p2v_buf *out)
{
	for (size_t i = 0; i < m->n_devices; i++) {
		const struct machine_device *d = &m->devices[i];
		p2v_autofree char *object = p2v_strf("%s %s", d->bus, d->place);

		if (object)
			note(out, object, d->name ? d->name : d->driver ? d->driver : "unknown");
	}
}

void ui_contents_text(const struct ui_contents *c, const struct machine *m, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf notes = {0}, devices = {0};
	uint64_t ms = ui_contents_ms(c, m);
	char time[P2V_NUM_TEXT];

	for (size_t i = 0; i < m->n_disks; i++) {
		const struct ui_disk_contents *d = ui_contents_disk(c, m->disks[i].path);

		if (d)
			disk_text(&m->disks[i], d, out);
		disk_notes(&m->disks[i], d, &notes);
	}
	if (ms)
		p2v_buf_addf(out, "The copy takes %s or so, less where the data shrinks.\n",
			p2v_num_ms_text(ms, time));
	if (notes.len)
		p2v_buf_addf(out, "\nNeeds attention:\n%s", (char *)notes.data);
	device_notes(m, &devices);
	if (devices.len)
		p2v_buf_addf(out, "\nA virtual machine will not have:\n%s", (char *)devices.data);
}
