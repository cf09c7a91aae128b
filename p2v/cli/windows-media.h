/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_WINDOWS_MEDIA_H
#define P2V_CLI_WINDOWS_MEDIA_H

/*
 * The medium with virtio drivers for Windows that --virtio-win names, and what it offers to one
 * guest.
 */

#include "drivers-inject/catalog/windows.h"
#include "p2v/core/err.h"
#include "p2v/model/facts.h"
#include "p2v/model/target.h"

#define CLI_MEDIA_ARG "ISO|DIR|URL"
#define CLI_MEDIA_HELP                                                                             \
	"Drivers for a Windows: virtio-win's ISO, a directory with the same in it, or an address " \
	"(http, https) of the ISO, whose digest must be told with --virtio-win-digest; it is "     \
	"kept in ~/.cache/p2v (root: /var/cache/p2v) for the next time. Default: "                 \
	"/usr/share/virtio-win, where the distribution's package puts it. Without any, a Windows " \
	"gets emulated devices."
#define CLI_MEDIA_DIGEST_ARG  "sha256:HEX"
#define CLI_MEDIA_DIGEST_HELP "What the file that --virtio-win fetches has to be."

/* where, digest: may be NULL. *ret is NULL where none was named and the default place has none:
 * only then is the default looked for, and what is wrong with it is no error. */
int cli_media_open(
	const char *where, const char *digest, struct catalog_media **ret, struct p2v_err *err);

/* Adds to target what m (or NULL) offers to the system of facts that target->root chooses; nothing
 * where that is no Windows. */
int cli_media_offer(const struct catalog_media *m, const struct facts *facts, struct target *target,
	struct p2v_err *err);

#endif
