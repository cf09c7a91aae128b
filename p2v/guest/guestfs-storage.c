/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the appliance's blkid, parted and LVM see on the disks. */
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/guest/fs-door.h"

static void strv_freep(char ***v)
{
	for (size_t i = 0; *v && (*v)[i]; i++)
		free((*v)[i]);
	free(*v);
}
#define autostrv __attribute__((cleanup(strv_freep)))

static struct guest_volume *add(struct guest_storage *s, enum guest_volume_type type,
	const char *device, struct p2v_err *err)
{
	struct guest_volume *v =
		p2v_json_grow((void **)&s->volumes, &s->n_volumes, sizeof(*s->volumes));

	if (!v || !(v->device = strdup(device))) {
		p2v_err_set(err, P2V_ENOMEM, "no memory");
		return NULL;
	}
	v->type = type;
	v->disk = UINT32_MAX;
	return v;
}

/* blkid's export format puts a backslash before what a shell would take for its own. */
static char *unescaped(const char *value)
{
	char *out = strdup(value), *to = out;

	for (const char *p = value; out && *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		*to++ = *p;
	}
	if (out)
		*to = '\0';
	return out;
}

/* One call for all that blkid knows. Nothing known there is no error. */
static void probe(guestfs_h *h, struct guest_volume *v)
{
	const struct {
		const char *key;
		char **member;
	} rows[] = {
		{"TYPE", &v->kind},
		{"UUID", &v->uuid},
		{"LABEL", &v->label},
		{"PART_ENTRY_UUID", &v->partuuid},
		{"PART_ENTRY_TYPE", &v->part_type},
		{"PTTYPE", &v->part_table},
	};
	autostrv char **pairs = guestfs_blkid(h, v->device);
	int64_t size = guestfs_blockdev_getsize64(h, v->device);

	for (size_t i = 0; pairs && pairs[i] && pairs[i + 1]; i += 2)
		for (size_t k = 0; k < P2V_N(rows); k++)
			if (strcmp(pairs[i], rows[k].key) == 0 && !*rows[k].member)
				*rows[k].member = unescaped(pairs[i + 1]);
	if (size > 0)
		v->size_bytes = (uint64_t)size;
	/* A partition table inside a partition says nothing about the disk. */
	if (v->type != GUEST_VOLUME_DISK) {
		free(v->part_table);
		v->part_table = NULL;
	}
}

static int add_parts(guestfs_h *h, struct guest_storage *s, const char *disk, uint32_t index,
	struct p2v_err *err)
{
	struct guestfs_partition_list *parts = guestfs_part_list(h, disk);
	int rc = 0;

	for (uint32_t i = 0; parts && i < parts->len && rc == 0; i++) {
		struct guest_volume *v;
		char name[64];

		snprintf(name, sizeof(name), "%.40s%d", disk, (int)parts->val[i].part_num);
		v = add(s, GUEST_VOLUME_PART, name, err);
		if (!v) {
			rc = P2V_ENOMEM;
			break;
		}
		v->disk = index;
		v->part = (uint32_t)parts->val[i].part_num;
		probe(h, v);
		v->offset_bytes = parts->val[i].part_start;
		v->size_bytes = parts->val[i].part_size;
	}
	guestfs_free_partition_list(parts);
	return rc;
}

static int add_disks(guestfs_h *h, struct guest_storage *s, struct p2v_err *err)
{
	autostrv char **disks = guestfs_list_devices(h);
	int rc = 0;

	if (!disks)
		return fs_err(h, err, "list the disks");
	for (uint32_t i = 0; disks[i] && rc == 0; i++) {
		struct guest_volume *v = add(s, GUEST_VOLUME_DISK, disks[i], err);

		if (!v)
			return P2V_ENOMEM;
		v->disk = i;
		probe(h, v);
		if (v->part_table)
			rc = add_parts(h, s, disks[i], i, err);
	}
	return rc;
}

static int add_all(guestfs_h *h, struct guest_storage *s, enum guest_volume_type type,
	char *const *devices, struct p2v_err *err)
{
	for (size_t i = 0; devices && devices[i]; i++) {
		struct guest_volume *v = add(s, type, devices[i], err);

		if (!v)
			return P2V_ENOMEM;
		probe(h, v);
	}
	return 0;
}

int fs_storage(struct guest *g, struct guest_storage *s, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	/* An appliance without md or LVM has none of them. */
	autostrv char **md = guestfs_list_md_devices(h);
	autostrv char **lv = guestfs_lvs(h);
	int rc = add_disks(h, s, err);

	if (rc == 0)
		rc = add_all(h, s, GUEST_VOLUME_MD, md, err);
	return rc < 0 ? rc : add_all(h, s, GUEST_VOLUME_LV, lv, err);
}
