/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Encrypted volumes (LUKS 1 and 2, BitLocker) are opened inside the appliance: keys travel over
 * libguestfs's own channel, in no command line and in no file of this host. What is inside a volume
 * may be encrypted again, and LVM may lie above or below, so that opening goes on as long as
 * something new appears.
 */
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/guest/fs-door.h"

#define MAX_OPEN 64

static bool is_open(const struct fs_door *d, const char *device)
{
	for (size_t i = 0; i < d->n_crypts; i++)
		if (strcmp(d->crypts[i].device, device) == 0)
			return true;
	return false;
}

static bool selects(const struct guest_key *key, const char *device, const char *uuid)
{
	return strcmp(key->selector, "all") == 0 || strcmp(key->selector, device) == 0 ||
	       (uuid && strcasecmp(key->selector, uuid) == 0);
}

/* The name that many systems give it, so that their own tables mostly agree with it. The UUID is a
 * guest's: what is none becomes a number. */
static char *map_name(const struct fs_door *d, const char *uuid)
{
	if (uuid && strlen(uuid) == 36 && strspn(uuid, "0123456789abcdef-") == 36)
		return p2v_strf("luks-%s", uuid);
	return p2v_strf("p2v-luks-%zu", d->n_crypts);
}

static int remember(struct fs_door *d, const char *device, const char *name, struct p2v_err *err)
{
	struct fs_crypt *c = p2v_json_grow((void **)&d->crypts, &d->n_crypts, sizeof(*d->crypts));

	if (c) {
		c->device = strdup(device);
		c->mapped = p2v_strf("/dev/mapper/%s", name);
	}
	return c && c->device && c->mapped ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static int open_one(struct fs_door *d, const char *device, const char *uuid,
	const struct guest_options *o, bool *used, struct p2v_err *err)
{
	p2v_autofree char *name = map_name(d, uuid);

	if (!name)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; i < o->n_keys; i++) {
		const struct guest_key *key = &o->keys[i];

		if (!selects(key, device, uuid))
			continue;
		if (guestfs_cryptsetup_open(d->h, device, key->text, name, -1) == 0) {
			used[i] = true;
			return remember(d, device, name, err);
		}
		/* libguestfs's own sentence may hold what cryptsetup said, never the key. */
		if (strcmp(key->selector, "all") != 0)
			return p2v_err_set(err, P2V_EINVAL,
				"%s: the key given for %s does not open it", device, key->selector);
	}
	return 0;
}

/* guestfs_list_filesystems leaves encrypted volumes out. */
static int open_among(struct fs_door *d, char *const *devices, const struct guest_options *o,
	bool *used, struct p2v_err *err)
{
	int rc = devices ? 0 : fs_err(d->h, err, "list the volumes");

	for (size_t i = 0; rc == 0 && devices[i]; i++) {
		p2v_autofree char *kind = is_open(d, devices[i]) || d->n_crypts == MAX_OPEN
						  ? NULL
						  : guestfs_vfs_type(d->h, devices[i]);
		p2v_autofree char *uuid = NULL;

		if (kind && strcmp(kind, "crypto_LUKS") == 0)
			uuid = guestfs_luks_uuid(d->h, devices[i]);
		else if (!kind || strcmp(kind, "BitLocker") != 0)
			continue;
		rc = open_one(d, devices[i], uuid, o, used, err);
	}
	return rc;
}

/* Over all that is there now. */
static int open_round(
	struct fs_door *d, const struct guest_options *o, bool *used, struct p2v_err *err)
{
	static char **(*const lists[])(guestfs_h * h) = {guestfs_list_devices,
		guestfs_list_partitions, guestfs_list_md_devices, guestfs_lvs};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < P2V_N(lists); i++) {
		fs_autostrv char **devices = lists[i](d->h);

		rc = open_among(d, devices, o, used, err);
	}
	return rc;
}

int fs_unlock(struct fs_door *d, const struct guest_options *o, struct p2v_err *err)
{
	p2v_autofree bool *used = calloc(o->n_keys + 1, sizeof(*used));
	size_t before;
	int rc = used ? fs_start_arrays(d->h, err) : p2v_err_set(err, P2V_ENOMEM, "no memory");

	if (rc < 0)
		return rc;
	do {
		before = d->n_crypts;
		rc = open_round(d, o, used, err);
		if (rc == 0 && d->n_crypts > before && guestfs_lvm_scan(d->h, 1) < 0)
			rc = fs_err(d->h, err, "look for LVM in what was opened");
	} while (rc == 0 && d->n_crypts > before);
	for (size_t i = 0; rc == 0 && i < o->n_keys; i++)
		if (!used[i] && strcmp(o->keys[i].selector, "all") != 0)
			rc = p2v_err_set(err, P2V_ENOTFOUND,
				"a key is given for %s, but there is no such encrypted volume",
				o->keys[i].selector);
	return rc;
}

void fs_crypts_free(struct fs_door *d)
{
	for (size_t i = 0; i < d->n_crypts; i++) {
		free(d->crypts[i].device);
		free(d->crypts[i].mapped);
	}
	free(d->crypts);
}
