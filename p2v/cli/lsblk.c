/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/lsblk.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

#define MAX_DEVICES 1024
#define MAX_VALUE   512

/* Columns that util-linux has had since 2.23. */
const char *const cli_lsblk_argv[] = {"lsblk", "-P", "-b", "-o",
	"NAME,KNAME,PKNAME,TYPE,SIZE,FSTYPE,UUID,LABEL,PARTUUID,TRAN,MOUNTPOINT", NULL};

/* One line; absent values are "". */
struct row {
	char name[MAX_VALUE], kname[MAX_VALUE], pkname[MAX_VALUE], type[MAX_VALUE], size[MAX_VALUE],
		fstype[MAX_VALUE], uuid[MAX_VALUE], label[MAX_VALUE], partuuid[MAX_VALUE],
		tran[MAX_VALUE], mountpoint[MAX_VALUE];
};

static const struct {
	const char *key;
	size_t offset;
} keys[] = {
	{"NAME", offsetof(struct row, name)},
	{"KNAME", offsetof(struct row, kname)},
	{"PKNAME", offsetof(struct row, pkname)},
	{"TYPE", offsetof(struct row, type)},
	{"SIZE", offsetof(struct row, size)},
	{"FSTYPE", offsetof(struct row, fstype)},
	{"UUID", offsetof(struct row, uuid)},
	{"LABEL", offsetof(struct row, label)},
	{"PARTUUID", offsetof(struct row, partuuid)},
	{"TRAN", offsetof(struct row, tran)},
	{"MOUNTPOINT", offsetof(struct row, mountpoint)},
};

static int hex_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \x20 and the like; a value that is too long is cut. */
static void unescape(struct p2v_span value, char out[MAX_VALUE])
{
	size_t n = 0;

	for (size_t i = 0; i < value.n && n + 1 < MAX_VALUE; i++) {
		bool escaped = i + 3 < value.n && value.p[i] == '\\' && value.p[i + 1] == 'x' &&
			       hex_of(value.p[i + 2]) >= 0 && hex_of(value.p[i + 3]) >= 0;

		out[n++] = escaped ? (char)(hex_of(value.p[i + 2]) << 4 | hex_of(value.p[i + 3]))
				   : value.p[i];
		i += escaped ? 3 : 0;
	}
	out[n] = '\0';
}

/* KEY="value" from the front of the line. */
static bool pair_next(struct p2v_span *line, struct p2v_span *ret_key, struct p2v_span *ret_value)
{
	struct p2v_span rest = p2v_span_trim(*line);

	*ret_key = p2v_span_until(rest, '=', &rest);
	if (!ret_key->n || !p2v_span_starts(rest, "\""))
		return false;
	*ret_value = p2v_span_until(p2v_span_skip(rest, 1), '"', line);
	return true;
}

static bool row_read(struct p2v_span line, struct row *ret)
{
	struct p2v_span key, value;

	memset(ret, 0, sizeof(*ret));
	while (pair_next(&line, &key, &value))
		for (size_t i = 0; i < P2V_N(keys); i++)
			if (p2v_span_eq(key, keys[i].key))
				unescape(value, (char *)ret + keys[i].offset);
	return *ret->name && *ret->type;
}

/* A device of the machine and what the door calls it. */
struct known {
	char *kname, *device;
	uint32_t disk;
};

struct reading {
	struct guest_storage *storage;
	struct known *known;
	size_t n_known;
	uint32_t n_disks;
	char *root;
	struct p2v_err *err;
};

static const struct known *find(const struct reading *rd, const char *kname)
{
	for (size_t i = 0; *kname && i < rd->n_known; i++)
		if (strcmp(rd->known[i].kname, kname) == 0)
			return &rd->known[i];
	return NULL;
}

static bool is_machine_disk(const struct row *row)
{
	static const char *const others[] = {"zram", "loop", "ram", "fd", "nbd"};

	for (size_t i = 0; i < P2V_N(others); i++)
		if (strncmp(row->name, others[i], strlen(others[i])) == 0)
			return false;
	return strcmp(row->size, "0") != 0 && strcmp(row->tran, "usb") != 0;
}

/* vg-lv, where a '-' inside a name is doubled. */
static char *volume_name(const char *name)
{
	char *device = p2v_strf("/dev/%s", name), *to = device ? device + 5 : NULL;
	bool split = false;

	for (const char *p = name; device && *p; p++) {
		bool doubled = p[0] == '-' && p[1] == '-';

		*to++ = *p == '-' && !doubled && !split ? '/' : *p;
		split |= *p == '-' && !doubled;
		p += doubled;
	}
	if (device)
		*to = '\0';
	return device;
}

/* The digits at its end: sda12, nvme0n1p3. */
static uint32_t part_number(const char *kname)
{
	size_t n = strlen(kname), from = n;
	uint64_t number;

	while (from && isdigit((unsigned char)kname[from - 1]))
		from--;
	return p2v_span_u64(p2v_span_of(kname + from, n - from), 10000, &number) ? (uint32_t)number
										 : 0;
}

/* What the door calls it, and what it is there; NULL: it is not for the door, or no memory. */
static char *door_name(const struct reading *rd, const struct row *row, struct guest_volume *v)
{
	const struct known *parent = find(rd, row->pkname);

	v->disk = UINT32_MAX;
	if (strcmp(row->type, "disk") == 0) {
		v->type = GUEST_VOLUME_DISK;
		v->disk = rd->n_disks;
		return is_machine_disk(row) && rd->n_disks < 26
			       ? p2v_strf("/dev/sd%c", (int)('a' + rd->n_disks))
			       : NULL;
	}
	if (strcmp(row->type, "part") == 0) {
		v->type = GUEST_VOLUME_PART;
		v->part = part_number(row->kname);
		v->disk = parent ? parent->disk : UINT32_MAX;
		return parent && v->disk != UINT32_MAX ? p2v_strf("%s%u", parent->device, v->part)
						       : NULL;
	}
	if (strcmp(row->type, "lvm") == 0) {
		v->type = GUEST_VOLUME_LV;
		return volume_name(row->name);
	}
	if (strcmp(row->type, "crypt") == 0) {
		v->type = GUEST_VOLUME_CRYPT;
		v->parent = parent ? strdup(parent->device) : NULL;
		return p2v_strf("/dev/mapper/%s", row->name);
	}
	v->type = GUEST_VOLUME_MD;
	return strncmp(row->type, "raid", 4) == 0 || strcmp(row->type, "linear") == 0
		       ? p2v_strf("/dev/%s", row->name)
		       : NULL;
}

static char *or_null(const char *text)
{
	return *text ? strdup(text) : NULL;
}

static int add(struct reading *rd, const struct row *row)
{
	struct guest_volume v = {0};
	char *device = door_name(rd, row, &v);
	struct guest_volume *to = device ? p2v_json_grow((void **)&rd->storage->volumes,
						   &rd->storage->n_volumes, sizeof(*to))
					 : NULL;
	struct known *k = to ? p2v_json_grow((void **)&rd->known, &rd->n_known, sizeof(*k)) : NULL;
	uint64_t size = 0;

	if (!k) {
		free(device);
		free(v.parent);
		return to ? p2v_err_set(rd->err, P2V_ENOMEM, "out of memory") : 0;
	}
	*to = v;
	to->device = device;
	to->kind = or_null(row->fstype);
	to->uuid = or_null(row->uuid);
	to->label = or_null(row->label);
	to->partuuid = or_null(row->partuuid);
	to->mounted_at = *row->mountpoint == '/' ? strdup(row->mountpoint) : NULL;
	to->size_bytes = p2v_span_u64(p2v_span_str(row->size), INT64_MAX, &size) ? size : 0;
	*k = (struct known){strdup(row->kname), strdup(device), v.disk};
	rd->n_disks += v.type == GUEST_VOLUME_DISK;
	if (strcmp(row->mountpoint, "/") == 0 && !rd->root)
		rd->root = strdup(device);
	return k->kname && k->device ? 0 : p2v_err_set(rd->err, P2V_ENOMEM, "out of memory");
}

static int read_all(struct reading *rd, struct p2v_span text)
{
	struct p2v_span line;
	struct row row;
	int r = 0;

	while (r == 0 && p2v_line_next(&text, &line)) {
		if (!p2v_span_trim(line).n)
			continue;
		if (!row_read(line, &row))
			return p2v_err_set(
				rd->err, P2V_EFORMAT, "this is not what lsblk -P prints");
		/* A volume on several disks stands below each of them. */
		if (find(rd, row.kname))
			continue;
		if (rd->n_known == MAX_DEVICES)
			return p2v_err_set(
				rd->err, P2V_EFORMAT, "more than %d devices", MAX_DEVICES);
		r = add(rd, &row);
	}
	return r;
}

int cli_lsblk_parse(
	struct p2v_span text, struct guest_storage *ret, char **ret_root, struct p2v_err *err)
{
	struct guest_storage storage = {0};
	struct reading rd = {.storage = &storage, .err = err};
	int r = read_all(&rd, text);

	if (r == 0 && !rd.root && !(rd.root = strdup("")))
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < rd.n_known; i++) {
		free(rd.known[i].kname);
		free(rd.known[i].device);
	}
	free(rd.known);
	if (r < 0) {
		free(rd.root);
		guest_storage_finish(&storage);
		return r;
	}
	*ret = storage;
	*ret_root = rd.root;
	return 0;
}
