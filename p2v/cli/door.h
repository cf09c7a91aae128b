/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_DOOR_H
#define P2V_CLI_DOOR_H

/* Opening the guest door on an image, with the accelerator that works on this host. */

#include <stdbool.h>

#include "p2v/core/err.h"
#include "p2v/guest/guest.h"
#include "p2v/model/image.h"

/*
 * Opens the image's disks, or, where overlays is not NULL, the qcow2 overlay for each of them
 * (overlays[i] for disk i), writable. The image's own files are only ever opened read-only.
 * keys: SELECTOR:file:PATH, as p2v/guest/key.h reads them.
 */
int cli_door_open(const struct image *image, char *const *overlays, const char *const *keys,
	size_t n_keys, struct guest **ret, struct p2v_err *err);

/* The option that says them. */
#define CLI_KEY_ARG "SELECTOR:HOW:WHAT"
#define CLI_KEY_HELP                                                                               \
	"Open an encrypted volume with the passphrase that a file holds (SELECTOR:file:PATH) or "  \
	"that a program prints, which is given SELECTOR (SELECTOR:command:PROGRAM, of "            \
	"/etc/p2v/keys.d, or with a slash in it any one). SELECTOR is a device as p2v inspect "    \
	"lists it, a UUID, or all. May be given several times. The key is kept nowhere."

#endif
