/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the appliance's blkid, parted and LVM see on the disks. */
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/span.h"
#include "p2v/guest/fs-door.h"

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

static uint64_t number(const char *text)
{
	uint64_t v = 0;

	return p2v_span_u64(p2v_span_str(text), UINT64_MAX / 512, &v) ? v : 0;
}

/* ext2, ext3 and ext4 note in their superblock where they are mounted. Source: ext4's layout in the
 * kernel's documentation (s_last_mounted). */
#define EXT_LAST_MOUNTED      (1024 + 0x88)
#define EXT_LAST_MOUNTED_SIZE 64

static void read_mounted_at(guestfs_h *h, struct guest_volume *v)
{
	p2v_autofree char *text = NULL;
	size_t n = 0;

	if (!v->kind || strncmp(v->kind, "ext", 3) != 0)
		return;
	text = guestfs_pread_device(h, v->device, EXT_LAST_MOUNTED_SIZE, EXT_LAST_MOUNTED, &n);
	if (text && n && text[0] == '/')
		v->mounted_at = strndup(text, n);
}

/* One call for all that blkid knows, partition tables included: each further program in the
 * appliance costs a good part of a second without KVM. Nothing known there is no error. */
static void probe(guestfs_h *h, struct guest_volume *v)
{
	p2v_autofree char *part = NULL, *start = NULL, *sectors = NULL;
	const struct {
		const char *key;
		char **member;
	} rows[] = {
		{"TYPE", &v->kind},
		{"UUID", &v->uuid},
		{"LABEL", &v->label},
		{"PART_ENTRY_UUID", &v->partuuid},
		{"PART_ENTRY_NAME", &v->partlabel},
		{"PART_ENTRY_TYPE", &v->part_type},
		{"PART_ENTRY_NUMBER", &part},
		{"PART_ENTRY_OFFSET", &start},
		{"PART_ENTRY_SIZE", &sectors},
		{"PTTYPE", &v->part_table},
	};
	fs_autostrv char **pairs = guestfs_blkid(h, v->device);

	for (size_t i = 0; pairs && pairs[i] && pairs[i + 1]; i += 2)
		for (size_t k = 0; k < P2V_N(rows); k++)
			if (strcmp(pairs[i], rows[k].key) == 0 && !*rows[k].member)
				*rows[k].member = unescaped(pairs[i + 1]);
	read_mounted_at(h, v);
	v->part = (uint32_t)number(part);
	v->offset_bytes = 512 * number(start);
	v->size_bytes = 512 * number(sectors);
	if (!sectors) {
		int64_t size = guestfs_blockdev_getsize64(h, v->device);

		v->size_bytes = size > 0 ? (uint64_t)size : 0;
	}
	/* A partition table inside a partition says nothing about the disk. */
	if (v->type != GUEST_VOLUME_DISK) {
		free(v->part_table);
		v->part_table = NULL;
	}
}

/* "/dev/sda12" is a partition of "/dev/sda", and not of "/dev/sd" or "/dev/sda1"; of "/dev/md0"
 * it is "/dev/md0p12". */
static bool is_part_of(const char *part, const char *disk)
{
	size_t n = strlen(disk);
	bool digit = n && strchr("0123456789", disk[n - 1]);

	if (strncmp(part, disk, n) != 0 || (digit && part[n] != 'p'))
		return false;
	n += digit;
	return part[n] && strspn(part + n, "0123456789") == strlen(part + n);
}

static int add_parts(guestfs_h *h, struct guest_storage *s, char *const *parts, const char *disk,
	uint32_t index, struct p2v_err *err)
{
	for (size_t i = 0; parts[i]; i++) {
		struct guest_volume *v;

		if (!is_part_of(parts[i], disk))
			continue;
		v = add(s, GUEST_VOLUME_PART, parts[i], err);
		if (!v)
			return P2V_ENOMEM;
		v->disk = index;
		probe(h, v);
	}
	return 0;
}

static int add_disks(guestfs_h *h, struct guest_storage *s, struct p2v_err *err)
{
	fs_autostrv char **disks = guestfs_list_devices(h);
	fs_autostrv char **parts = guestfs_list_partitions(h);
	int rc = 0;

	if (!disks || !parts)
		return fs_err(h, err, "list the disks");
	for (uint32_t i = 0; disks[i] && rc == 0; i++) {
		struct guest_volume *v = add(s, GUEST_VOLUME_DISK, disks[i], err);

		if (!v)
			return P2V_ENOMEM;
		v->disk = i;
		probe(h, v);
		rc = add_parts(h, s, parts, disks[i], i, err);
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

static int set(char **to, const char *text, struct p2v_err *err)
{
	*to = strdup(text);
	return *to ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

/* What the array is called where it is at home, from its superblock. */
static int name_array(guestfs_h *h, struct guest_volume *v, struct p2v_err *err)
{
	fs_autostrv char **pairs = guestfs_md_detail(h, v->device);
	int rc = 0;

	for (size_t i = 0; rc == 0 && pairs && pairs[i] && pairs[i + 1]; i += 2) {
		if (strcmp(pairs[i], "name") == 0 && !v->array_name)
			rc = set(&v->array_name, pairs[i + 1], err);
		if (strcmp(pairs[i], "uuid") == 0 && !v->array_uuid)
			rc = set(&v->array_uuid, pairs[i + 1], err);
	}
	return rc;
}

/* libguestfs has no call for it but this one, which runs a program of the appliance's own; the
 * words are fixed, none comes from a guest. Arrays that cannot be started stay unlisted. */
int fs_start_arrays(guestfs_h *h, struct p2v_err *err)
{
	char mdadm[] = "mdadm", incremental_run_scan[] = "-IRs";
	char *const words[] = {mdadm, incremental_run_scan, NULL};
	fs_autostrv char **before = guestfs_list_md_devices(h), **after = NULL;
	size_t n_before = 0, n_after = 0;

	free(guestfs_debug(h, "sh", words));
	after = guestfs_list_md_devices(h);
	if (!before || !after)
		return fs_err(h, err, "list the md arrays");
	while (before[n_before])
		n_before++;
	while (after[n_after])
		n_after++;
	if (n_after > n_before && guestfs_lvm_scan(h, 1) < 0)
		return fs_err(h, err, "look for LVM in the md arrays");
	return 0;
}

static int add_arrays(guestfs_h *h, struct guest_storage *s, struct p2v_err *err)
{
	fs_autostrv char **md = NULL, **parts = NULL;
	size_t first = s->n_volumes;
	int rc = fs_start_arrays(h, err);

	if (rc < 0)
		return rc;
	md = guestfs_list_md_devices(h);
	rc = add_all(h, s, GUEST_VOLUME_MD, md, err);
	for (size_t i = first; rc == 0 && i < s->n_volumes; i++)
		rc = name_array(h, &s->volumes[i], err);
	parts = guestfs_list_partitions(h);
	for (size_t i = 0; rc == 0 && parts && md && md[i]; i++)
		rc = add_parts(h, s, parts, md[i], UINT32_MAX, err);
	return rc;
}

/* The letters and digits of a UUID. */
static void add_plain(struct p2v_buf *to, const char *uuid)
{
	for (const char *p = uuid; *p; p++)
		if (*p != '-')
			p2v_buf_add(to, p, 1);
}

/* What the device mapper calls it in /dev/disk/by-id/dm-uuid-LVM-...; unknown where LVM does not
 * say. */
static int identify_volume(guestfs_h *h, struct guest_volume *v, struct p2v_err *err)
{
	const char *group = v->device + strlen("/dev/"), *slash = strchr(group, '/');
	p2v_autofree char *name = slash ? strndup(group, (size_t)(slash - group)) : NULL;
	p2v_autofree char *group_uuid = name ? guestfs_vguuid(h, name) : NULL;
	p2v_autofree char *own_uuid = group_uuid ? guestfs_lvuuid(h, v->device) : NULL;
	p2v_autobuf struct p2v_buf text = {0};
	int rc;

	if (!own_uuid)
		return 0;
	p2v_buf_add_str(&text, "LVM-");
	add_plain(&text, group_uuid);
	add_plain(&text, own_uuid);
	rc = p2v_buf_check(&text, err);
	return rc < 0 ? rc : set(&v->dm_uuid, (const char *)text.data, err);
}

static int add_volumes(guestfs_h *h, struct guest_storage *s, struct p2v_err *err)
{
	fs_autostrv char **lv = guestfs_lvs(h);
	size_t first = s->n_volumes;
	int rc = add_all(h, s, GUEST_VOLUME_LV, lv, err);

	for (size_t i = first; rc == 0 && i < s->n_volumes; i++)
		rc = identify_volume(h, &s->volumes[i], err);
	return rc;
}

static int add_crypts(struct fs_door *d, struct guest_storage *s, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->n_crypts; i++) {
		struct guest_volume *v = add(s, GUEST_VOLUME_CRYPT, d->crypts[i].mapped, err);

		if (!v)
			return P2V_ENOMEM;
		probe(d->h, v);
		rc = set(&v->parent, d->crypts[i].device, err);
	}
	return rc;
}

/* Exit code of ntfs-3g.probe where $LogFile does not say that all is written. */
#define NTFS_UNCLEAN 15

/* Nothing of ours may be written there: ntfs-3g empties the log. */
static void probe_logs(guestfs_h *h, struct guest_storage *s)
{
	for (size_t i = 0; i < s->n_volumes; i++)
		if (s->volumes[i].kind && strcmp(s->volumes[i].kind, "ntfs") == 0)
			s->volumes[i].unclean =
				guestfs_ntfs_3g_probe(h, 1, s->volumes[i].device) == NTFS_UNCLEAN;
}

static bool has_kind(const struct guest_storage *s, const char *kind)
{
	for (size_t i = 0; i < s->n_volumes; i++)
		if (s->volumes[i].kind && strcmp(s->volumes[i].kind, kind) == 0)
			return true;
	return false;
}

int fs_storage(struct guest *g, struct guest_storage *s, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	int rc = add_disks(h, s, err);

	/* An appliance without md or LVM has none of them. */
	if (rc == 0 && has_kind(s, "linux_raid_member"))
		rc = add_arrays(h, s, err);
	if (rc == 0)
		rc = add_crypts((struct fs_door *)g, s, err);
	if (rc == 0)
		probe_logs(h, s);
	return rc == 0 && has_kind(s, "LVM2_member") ? add_volumes(h, s, err) : rc;
}
