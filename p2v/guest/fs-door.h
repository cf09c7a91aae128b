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
	struct fs_watch *watch; /* from the launch on */
};

static inline guestfs_h *fs_handle(struct guest *g)
{
	return ((struct fs_door *)g)->h;
}

/* The handle's last error as "<what>: <reason>"; where the watch has ended the appliance, that. */
int fs_err(guestfs_h *h, struct p2v_err *err, const char *what);

/* guestfs_launch with an end, for itself and for each call that follows: P2V_ETIMEDOUT,
 * P2V_ECANCELED on a stop request, P2V_ENOSPC where `written` (NULL: no disk is) has no room to
 * grow. The watch is stopped once the handle is closed. */
int fs_launch(
	struct fs_door *d, int launch_ms, int call_ms, const char *written, struct p2v_err *err);
void fs_watch_stop(struct fs_door *d);
/* 0, or why the appliance was ended. */
int fs_watch_check(guestfs_h *h, struct p2v_err *err);
#define FS_WATCH "p2v-watch" /* the handle's private word for it */

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
