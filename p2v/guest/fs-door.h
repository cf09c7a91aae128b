/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_FS_DOOR_H
#define P2V_GUEST_FS_DOOR_H

/* Inside the room: the libguestfs door, shared by its files. */

#include <guestfs.h>
#include <stdlib.h>

#include "p2v/guest/backend.h"

/* An encrypted volume that is open: "/dev/sda3" -> "/dev/mapper/luks-...". */
struct fs_crypt {
	char *device, *mapped;
};

struct fs_door {
	struct guest g;
	guestfs_h *h;
	struct fs_crypt *crypts;
	size_t n_crypts;
};

static inline guestfs_h *fs_handle(struct guest *g)
{
	return ((struct fs_door *)g)->h;
}

/* The handle's last error as "<what>: <reason>". */
int fs_err(guestfs_h *h, struct p2v_err *err, const char *what);

/* guestfs_launch with an end: P2V_ETIMEDOUT, or P2V_ECANCELED on a stop request. */
int fs_launch(guestfs_h *h, int timeout_ms, struct p2v_err *err);

int fs_storage(struct guest *g, struct guest_storage *s, struct p2v_err *err);

/* Starts md arrays that lack members: the appliance's udev leaves them half assembled. */
int fs_start_arrays(guestfs_h *h, struct p2v_err *err);

/* Opens what the options have keys for. P2V_EINVAL: a key does not open what it is for;
 * P2V_ENOTFOUND: there is nothing that it is for. */
int fs_unlock(struct fs_door *d, const struct guest_options *o, struct p2v_err *err);
void fs_crypts_free(struct fs_door *d);

/* A list of strings as libguestfs returns it. */
static inline void fs_strv_freep(char ***v)
{
	for (size_t i = 0; *v && (*v)[i]; i++)
		free((*v)[i]);
	free(*v);
}
#define fs_autostrv __attribute__((cleanup(fs_strv_freep)))

#endif
