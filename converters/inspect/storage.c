/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/storage.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "converters/inspect/device-name.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define GPT_ESP	      "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define GPT_BIOS_BOOT "21686148-6449-6e6f-744e-656564454649"
#define DOS_ESP	      "0xef"
#define GPT_XBOOTLDR  "bc13c2ff-59e6-4262-a352-b275fd6f7172"
#define DOS_XBOOTLDR  "0xea"
#define BY_ID	      "/dev/disk/by-id/"
#define BY_DM_UUID    "/dev/disk/by-id/dm-uuid-"

/* Partitions whose content only Windows puts together: by type. */
static const struct {
	const char *type, *words;
} windows_volumes[] = {
	{"0x42", "dynamic disks (LDM)"},
	{"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "dynamic disks (LDM)"},
	{"af9b60a0-1431-4f62-bc68-3311714a69ad", "dynamic disks (LDM)"},
	{"e75caf8f-f680-4cee-afa3-b001e56efc2d", "Storage Spaces"},
};

/* Behind "dm-uuid-CRYPT-LUKS2-", 32 digits and a dash. */
#define CRYPT_UUID_END ((size_t)(20 + 32 + 1))

static int set(char **to, const char *text, struct p2v_err *err)
{
	*to = strdup(text ? text : "");
	return *to ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static int add_disk(const struct guest_volume *v, const struct image *image, struct facts *facts,
	struct p2v_err *err)
{
	size_t i = facts->n_disks;
	char id[32];
	struct facts_disk *d = p2v_json_grow((void **)&facts->disks, &facts->n_disks, sizeof(*d));

	if (!d)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	snprintf(id, sizeof(id), "disk%zu", i);
	d->size_bytes = v->size_bytes;
	if (set(&d->id, image && i < image->n_disks ? image->disks[i].id : id, err) < 0 ||
		set(&d->device, v->device, err) < 0 ||
		set(&d->table, v->part_table ? v->part_table : "none", err) < 0 ||
		set(&d->boot_code, "unknown", err) < 0)
		return P2V_ENOMEM;
	return 0;
}

static bool is_type(const struct guest_volume *v, const char *type)
{
	return v->part_type && strcasecmp(v->part_type, type) == 0;
}

static const char *windows_volume(const struct guest_volume *v)
{
	for (size_t i = 0; i < P2V_N(windows_volumes); i++)
		if (is_type(v, windows_volumes[i].type))
			return windows_volumes[i].words;
	return NULL;
}

static int add_alias(struct facts_fs *f, const char *dir, struct p2v_span name, struct p2v_err *err)
{
	p2v_autofree char *alias = p2v_strf("%s%.*s", dir, (int)name.n, name.p);

	if (!alias)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; i < f->n_aliases; i++)
		if (strcmp(f->aliases[i], alias) == 0)
			return 0;
	if (f->n_aliases >= INSPECT_MAX_ALIASES || name.n == 0 || name.n > 128)
		return 0;
	return p2v_json_add_str(&f->aliases, &f->n_aliases, alias, err);
}

int inspect_storage_call_array(struct facts_fs *f, struct p2v_span name, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_starts(name, "/dev/md/") ? p2v_span_skip(name, 8) : name;
	uint64_t number;
	int r;

	if (p2v_span_starts(rest, "/dev/"))
		return add_alias(f, "", name, err);
	if (p2v_span_has(rest, '/'))
		return 0;
	r = add_alias(f, "/dev/md/", rest, err);
	/* mdadm makes a plain node for a name that is a number. */
	return r == 0 && p2v_span_u64(rest, 100000, &number) ? add_alias(f, "/dev/md", rest, err)
							     : r;
}

/* The superblock's "web01:1": at home on web01, it is called by what follows the host. */
static int call_array_at_home(struct facts_fs *f, const char *name, struct p2v_err *err)
{
	struct p2v_span whole = p2v_span_str(name), own;

	p2v_span_until(whole, ':', &own);
	return inspect_storage_call_array(f, own.n ? own : whole, err);
}

static int add_fs(const struct guest_volume *v, struct facts *facts, struct p2v_err *err)
{
	struct facts_disk *d = v->disk < facts->n_disks ? &facts->disks[v->disk] : NULL;
	struct facts_fs *f =
		p2v_json_grow((void **)&facts->filesystems, &facts->n_filesystems, sizeof(*f));

	if (!f)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	f->part = v->part;
	f->offset_bytes = v->offset_bytes;
	f->size_bytes = v->size_bytes;
	f->unclean = v->unclean;
	f->esp = is_type(v, GPT_ESP) || is_type(v, DOS_ESP);
	f->xbootldr = is_type(v, GPT_XBOOTLDR) || is_type(v, DOS_XBOOTLDR);
	if (d && is_type(v, GPT_BIOS_BOOT))
		d->bios_boot = true;
	if (windows_volume(v) && set(&f->windows_volume, windows_volume(v), err) < 0)
		return P2V_ENOMEM;
	if ((v->parent && set(&f->parent, v->parent, err) < 0) ||
		(v->array_uuid && set(&f->array_uuid, v->array_uuid, err) < 0))
		return P2V_ENOMEM;
	if (set(&f->device, v->device, err) < 0 || set(&f->disk, d ? d->id : "", err) < 0 ||
		set(&f->kind, v->kind, err) < 0 || set(&f->uuid, v->uuid, err) < 0 ||
		set(&f->label, v->label, err) < 0 || set(&f->partuuid, v->partuuid, err) < 0 ||
		set(&f->partlabel, v->partlabel, err) < 0)
		return P2V_ENOMEM;
	if (v->dm_uuid && add_alias(f, BY_DM_UUID, p2v_span_str(v->dm_uuid), err) < 0)
		return P2V_ENOMEM;
	if (v->mounted_at && set(&f->mounted_at, v->mounted_at, err) < 0)
		return P2V_ENOMEM;
	return v->array_name ? call_array_at_home(f, v->array_name, err) : 0;
}

int inspect_storage(const struct guest_storage *storage, const struct image *image,
	struct facts *facts, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < storage->n_volumes; i++) {
		const struct guest_volume *v = &storage->volumes[i];

		if (v->type == GUEST_VOLUME_DISK)
			r = add_disk(v, image, facts, err);
		if (r == 0 && (v->type != GUEST_VOLUME_DISK || v->kind))
			r = add_fs(v, facts, err);
	}
	return r;
}

int inspect_storage_identify(
	struct facts *facts, const struct machine *machine, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; i < facts->n_disks; i++)
		for (size_t k = 0; k < machine->n_disks; k++) {
			struct facts_disk *d = &facts->disks[i];
			const struct machine_disk *m = &machine->disks[k];

			if (strcmp(d->id, m->id) != 0 || d->serial || d->wwn)
				continue;
			r = m->serial && *m->serial ? set(&d->serial, m->serial, err) : 0;
			if (r == 0 && m->wwn && *m->wwn)
				r = set(&d->wwn, m->wwn, err);
			if (r < 0)
				return r;
		}
	return 0;
}

bool inspect_is_hardware_name(struct p2v_span spec)
{
	struct device_name d;

	return device_name_read(spec, &d);
}

static const struct facts_fs *find_part(const struct facts *facts, size_t disk, uint64_t part)
{
	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const struct facts_fs *f = &facts->filesystems[i];

		if (f->part == part && f->disk && strcmp(f->disk, facts->disks[disk].id) == 0)
			return f;
	}
	return NULL;
}

static bool is_called(const struct facts_disk *disk, struct p2v_span name)
{
	for (size_t i = 0; i < disk->n_names; i++)
		if (p2v_span_eq(name, disk->names[i]))
			return true;
	return false;
}

/* "/dev/disk/by-id/ata" of the links that udev makes, "/dev/mapper/" of mapped disks: a disk has
 * one of each such kind. */
static bool same_kind(const struct device_name *a, const struct device_name *b)
{
	struct p2v_span left = p2v_span_skip(a->disk, strlen("/dev/disk/by-")),
			right = p2v_span_skip(b->disk, strlen("/dev/disk/by-"));

	if (a->class != b->class)
		return false;
	if (a->class == DEVICE_MAPPED)
		return p2v_span_starts(a->disk, "/dev/mapper/") ==
		       p2v_span_starts(b->disk, "/dev/mapper/");
	return p2v_span_same(p2v_span_until(left, '-', NULL), p2v_span_until(right, '-', NULL));
}

/* The disk is known to have another name of that sort: it is not the one that is meant. A kernel
 * may call a disk hda or sda, but not sda and sdb. */
static bool is_another(const struct facts_disk *disk, const struct device_name *d)
{
	for (size_t i = 0; i < disk->n_names; i++) {
		struct device_name have;

		if (!device_name_read(p2v_span_str(disk->names[i]), &have) ||
			device_name_counts(&have) != device_name_counts(d))
			continue;
		if (!device_name_counts(d) ? same_kind(&have, d)
					   : have.class != d->class || have.number != d->number)
			return true;
	}
	return false;
}

/* The only disk left that has such a partition. */
static const struct facts_fs *find_remaining(const struct facts *facts, const struct device_name *d)
{
	const struct facts_fs *found = NULL;

	for (size_t i = 0; (d->part || facts->n_disks == 1) && i < facts->n_disks; i++) {
		const struct facts_fs *f = find_part(facts, i, d->part);

		if (!f || is_another(&facts->disks[i], d))
			continue;
		if (found)
			return NULL;
		found = f;
	}
	return found;
}

/* ata-MODEL_SERIAL, wwn-0x600508..., scsi-3600508..., /dev/mapper/3600508...: what is shorter might
 * be there by chance. */
static bool is_identified(const struct facts_disk *disk, const struct device_name *d)
{
	const char *wwn = disk->wwn ? disk->wwn : "", *serial = disk->serial ? disk->serial : "";

	if (strncmp(wwn, "0x", 2) == 0)
		wwn += 2;
	return (strlen(wwn) >= 16 && memmem(d->disk.p, d->disk.n, wwn, strlen(wwn))) ||
	       (strlen(serial) >= 6 && memmem(d->disk.p, d->disk.n, serial, strlen(serial)));
}

/* The only disk that a link or a mapped disk's name tells by what it is. Volumes of one controller
 * may all have its serial number. */
static const struct facts_disk *find_identified(
	const struct facts *facts, const struct device_name *d)
{
	const struct facts_disk *found = NULL;

	for (size_t i = 0; !device_name_counts(d) && i < facts->n_disks; i++) {
		if (!is_identified(&facts->disks[i], d))
			continue;
		if (found)
			return NULL;
		found = &facts->disks[i];
	}
	return found;
}

static const struct facts_fs *find_hardware(const struct facts *facts, const struct device_name *d)
{
	const struct facts_disk *disk = find_identified(facts, d);

	for (size_t i = 0; i < facts->n_disks; i++)
		if (is_called(&facts->disks[i], d->disk) || &facts->disks[i] == disk)
			return find_part(facts, i, d->part);
	if (!device_name_counts(d))
		return find_remaining(facts, d);
	if (d->number < facts->n_disks && !is_another(&facts->disks[d->number], d))
		return find_part(facts, (size_t)d->number, d->part);
	return d->number < facts->n_disks ? find_remaining(facts, d) : NULL;
}

const struct facts_disk *inspect_find_disk(const struct facts *facts, struct p2v_span spec)
{
	const struct facts_disk *disk;
	struct device_name d;

	if (!device_name_read(spec, &d) || d.part)
		return NULL;
	for (size_t i = 0; i < facts->n_disks; i++)
		if (is_called(&facts->disks[i], d.disk))
			return &facts->disks[i];
	disk = find_identified(facts, &d);
	if (disk || !device_name_counts(&d) || d.number >= facts->n_disks)
		return disk;
	disk = &facts->disks[d.number];
	return is_another(disk, &d) ? NULL : disk;
}

int inspect_storage_call_disk(
	struct facts *facts, const struct facts_fs *f, struct p2v_span spec, struct p2v_err *err)
{
	p2v_autofree char *name = NULL;
	struct device_name d;

	if (!f || !f->disk ||
		(!device_name_read(spec, &d) &&
			!(f->part && device_name_alias(spec, f->part, &d))) ||
		d.part != f->part || d.disk.n > 250)
		return 0;
	name = p2v_span_dup(d.disk);
	if (!name)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; i < facts->n_disks; i++) {
		struct facts_disk *disk = &facts->disks[i];

		if (strcmp(disk->id, f->disk) == 0 && !is_called(disk, d.disk) &&
			disk->n_names < INSPECT_MAX_ALIASES)
			return p2v_json_add_str(&disk->names, &disk->n_names, name, err);
	}
	return 0;
}

/* What fstab calls a file system, and what blkid does. */
static const char *const kinds[][2] = {{"ext2", "ext2"}, {"ext2", "ext3"}, {"ext2", "ext4"},
	{"ext3", "ext2"}, {"ext3", "ext3"}, {"ext3", "ext4"}, {"ext4", "ext2"}, {"ext4", "ext3"},
	{"ext4", "ext4"}, {"xfs", "xfs"}, {"btrfs", "btrfs"}, {"reiserfs", "reiserfs"},
	{"jfs", "jfs"}, {"vfat", "vfat"}, {"msdos", "vfat"}, {"ntfs", "ntfs"}, {"ntfs-3g", "ntfs"},
	{"ntfs3", "ntfs"}, {"swap", "swap"}, {"swap", "swsuspend"}, {"iso9660", "iso9660"},
	{"udf", "udf"}};

/* Where it may be of any kind ("auto"), or of one that blkid may not know, nothing is to be seen.
 */
static bool says_kind(const struct facts_mount *m)
{
	for (size_t i = 0; i < P2V_N(kinds); i++)
		if (strcmp(m->kind, kinds[i][0]) == 0)
			return true;
	return false;
}

static bool fits(const struct facts_fs *f, const struct facts_mount *m)
{
	for (size_t i = 0; f->kind && i < P2V_N(kinds); i++)
		if (strcmp(m->kind, kinds[i][0]) == 0 && strcmp(f->kind, kinds[i][1]) == 0)
			return true;
	return false;
}

/* It is the root, or another line of fstab means it by a name that stays. */
static bool is_taken(const struct facts *facts, const struct facts_os *os,
	const struct facts_mount *m, const struct facts_fs *f)
{
	if (strcmp(f->device, os->root) == 0)
		return true;
	for (size_t i = 0; i < os->n_mounts; i++) {
		struct p2v_span spec = p2v_span_str(os->mounts[i].spec);

		if (&os->mounts[i] != m && !inspect_is_old_name(facts, spec) &&
			inspect_find_fs(facts, spec) == f)
			return true;
	}
	return false;
}

/* The name is not another disk's, and the disk may be called so. */
static const struct facts_fs *may_be(const struct facts *facts, const struct facts_os *os,
	size_t disk, const struct device_name *d, const struct facts_mount *m)
{
	const struct facts_fs *f = find_part(facts, disk, d->part);

	return f && fits(f, m) && !is_another(&facts->disks[disk], d) && !is_taken(facts, os, m, f)
		       ? f
		       : NULL;
}

static size_t count_candidates(const struct facts *facts, const struct facts_os *os,
	const struct device_name *d, const struct facts_mount *m, bool by_place,
	const struct facts_fs **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < facts->n_disks; i++) {
		const struct facts_fs *f = may_be(facts, os, i, d, m);

		if (!f || (by_place && (!f->mounted_at || strcmp(f->mounted_at, m->mountpoint))))
			continue;
		*ret = f;
		n++;
	}
	return n;
}

/* A name whose disk nothing shows yet, in a line that says what has to be there. */
static bool is_open(const struct facts *facts, const struct facts_mount *m, struct device_name *ret)
{
	if (!says_kind(m) || !device_name_read(p2v_span_str(m->spec), ret))
		return false;
	for (size_t i = 0; i < facts->n_disks; i++)
		if (is_called(&facts->disks[i], ret->disk))
			return false;
	return !find_identified(facts, ret);
}

int inspect_storage_learn(struct facts *facts, const struct facts_os *os,
	const struct facts_mount *m, enum inspect_evidence evidence, struct p2v_err *err)
{
	const struct facts_fs *f = NULL;
	struct device_name d;

	if (!is_open(facts, m, &d))
		return 0;
	if (evidence != INSPECT_BY_ORDER) {
		if (count_candidates(facts, os, &d, m, evidence == INSPECT_BY_PLACE, &f) != 1)
			f = NULL;
	} else if (device_name_counts(&d) && d.number < facts->n_disks) {
		f = may_be(facts, os, (size_t)d.number, &d, m);
	}
	return inspect_storage_call_disk(facts, f, p2v_span_str(m->spec), err);
}

bool inspect_storage_is_guess(
	const struct facts *facts, const struct facts_os *os, const struct facts_mount *m)
{
	const struct facts_fs *f = NULL;
	struct device_name d;

	return is_open(facts, m, &d) && device_name_counts(&d) &&
	       count_candidates(facts, os, &d, m, false, &f) > 1;
}

/* What a name can say about a file system, and the prefixes that say it. */
static const struct {
	const char *prefix;
	size_t offset;
} names[] = {
	{"UUID=", offsetof(struct facts_fs, uuid)},
	{"/dev/disk/by-uuid/", offsetof(struct facts_fs, uuid)},
	{"LABEL=", offsetof(struct facts_fs, label)},
	{"/dev/disk/by-label/", offsetof(struct facts_fs, label)},
	{"PARTUUID=", offsetof(struct facts_fs, partuuid)},
	{"/dev/disk/by-partuuid/", offsetof(struct facts_fs, partuuid)},
	{"PARTLABEL=", offsetof(struct facts_fs, partlabel)},
	{"/dev/disk/by-partlabel/", offsetof(struct facts_fs, partlabel)},
};

static const struct facts_fs *find_named(
	const struct facts *facts, size_t offset, struct p2v_span value)
{
	for (size_t i = 0; value.n && i < facts->n_filesystems; i++) {
		const char *const *have =
			(const void *)((const char *)&facts->filesystems[i] + offset);

		if (*have && strlen(*have) == value.n && strncasecmp(*have, value.p, value.n) == 0)
			return &facts->filesystems[i];
	}
	return NULL;
}

static bool has_alias(const struct facts_fs *f, struct p2v_span spec)
{
	for (size_t i = 0; i < f->n_aliases; i++)
		if (p2v_span_eq(spec, f->aliases[i]))
			return true;
	return false;
}

/* /dev/vg/lv, /dev/md0, and /dev/mapper/vg-lv, where a '-' inside a name is doubled. */
static const struct facts_fs *find_device(const struct facts *facts, struct p2v_span spec)
{
	char mapped[512];

	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const char *device = facts->filesystems[i].device, *slash;
		size_t n = 0;

		if (facts->filesystems[i].disk && *facts->filesystems[i].disk)
			continue;
		if (p2v_span_eq(spec, device) || has_alias(&facts->filesystems[i], spec))
			return &facts->filesystems[i];
		slash = strncmp(device, "/dev/", 5) == 0 ? strchr(device + 5, '/') : NULL;
		if (!slash || strlen(device) > 200)
			continue;
		n = (size_t)snprintf(mapped, sizeof(mapped), "/dev/mapper/");
		for (const char *p = device + 5; *p; p++) {
			if (*p == '-')
				mapped[n++] = '-';
			mapped[n++] = p == slash ? '-' : *p;
		}
		mapped[n] = '\0';
		if (p2v_span_eq(spec, mapped))
			return &facts->filesystems[i];
	}
	return NULL;
}

/* By a disk's name that has been learned from the guest, and nobody else knows. */
static const struct facts_fs *find_aliased(const struct facts *facts, struct p2v_span spec)
{
	struct device_name d;

	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const struct facts_fs *f = &facts->filesystems[i];

		for (size_t k = 0; f->part && k < facts->n_disks; k++)
			if (strcmp(facts->disks[k].id, f->disk) == 0 &&
				device_name_alias(spec, f->part, &d) &&
				is_called(&facts->disks[k], d.disk))
				return f;
	}
	return NULL;
}

bool inspect_is_old_name(const struct facts *facts, struct p2v_span spec)
{
	return inspect_is_hardware_name(spec) || find_aliased(facts, spec);
}

/* dm-name-vg-lv, dm-uuid-CRYPT-LUKS2-<32 digits>-name: /dev/mapper/name. md-name-host:x: /dev/md/x.
 * The rest by what is known of the volumes. */
static const struct facts_fs *find_link(const struct facts *facts, struct p2v_span spec)
{
	struct p2v_span id = p2v_span_skip(spec, strlen(BY_ID)), name = id, own;
	const char *dir = "/dev/mapper/";
	p2v_autofree char *path = NULL;

	if (p2v_span_starts(id, "dm-name-"))
		name = p2v_span_skip(id, strlen("dm-name-"));
	else if (p2v_span_starts(id, "dm-uuid-CRYPT-LUKS") && id.n > CRYPT_UUID_END)
		name = p2v_span_skip(id, CRYPT_UUID_END);
	else if (p2v_span_starts(id, "md-name-")) {
		dir = "/dev/md/";
		name = p2v_span_skip(id, strlen("md-name-"));
		p2v_span_until(name, ':', &own);
		name = own.n ? own : name;
	} else if (p2v_span_starts(id, "md-uuid-")) {
		return find_named(facts, offsetof(struct facts_fs, array_uuid),
			p2v_span_skip(id, strlen("md-uuid-")));
	}
	if (name.n > 250 || name.n == id.n)
		return find_device(facts, spec);
	path = p2v_strf("%s%.*s", dir, (int)name.n, name.p);
	return path ? find_device(facts, p2v_span_str(path)) : NULL;
}

static unsigned hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, tolower(c)) : NULL;

	return at ? (unsigned)(at - digits) : 16;
}

/* What a link's name may not hold udev writes as "\x20". */
static struct p2v_span decode_link(struct p2v_span name, char text[256])
{
	size_t n = 0;

	for (size_t i = 0; i < name.n && n < 256; i++) {
		unsigned high = 16, low = 16;

		if (i + 3 < name.n && name.p[i] == '\\' && name.p[i + 1] == 'x') {
			high = hex_digit(name.p[i + 2]);
			low = hex_digit(name.p[i + 3]);
		}
		text[n++] = name.p[i];
		if (high < 16 && low < 16) {
			text[n - 1] = (char)(high * 16 + low);
			i += 3;
		}
	}
	return p2v_span_of(text, n);
}

const struct facts_fs *inspect_find_fs(const struct facts *facts, struct p2v_span spec)
{
	const struct facts_fs *f;
	struct device_name d;
	char text[256];

	spec = p2v_span_unquote(spec);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct p2v_span value = p2v_span_skip(spec, strlen(names[i].prefix));

		if (!p2v_span_starts(spec, names[i].prefix))
			continue;
		return find_named(facts, names[i].offset,
			p2v_span_starts(spec, "/dev/") ? decode_link(value, text)
						       : p2v_span_unquote(value));
	}
	if (device_name_read(spec, &d))
		return find_hardware(facts, &d);
	if (p2v_span_starts(spec, BY_ID))
		return find_link(facts, spec);
	f = find_device(facts, spec);
	return f ? f : find_aliased(facts, spec);
}

/* A disk that was left behind may have the number of one that is here. The root is here, whatever
 * its line says. */
const struct facts_fs *inspect_find_mount(const struct facts *facts, const struct facts_mount *m)
{
	const struct facts_fs *f = inspect_find_fs(facts, p2v_span_str(m->spec));
	struct device_name d;

	if (f && strcmp(m->mountpoint, "/") != 0 && says_kind(m) &&
		device_name_read(p2v_span_str(m->spec), &d) && !fits(f, m))
		return NULL;
	return f;
}
