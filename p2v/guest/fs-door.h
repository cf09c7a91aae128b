/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_FS_DOOR_H
#define P2V_GUEST_FS_DOOR_H

/* Inside the room: the libguestfs door, shared by its three files. */

#include <guestfs.h>

#include "p2v/guest/backend.h"

struct fs_door {
	struct guest g;
	guestfs_h *h;
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

#endif
