/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_RECV_H
#define P2V_RECV_RECV_H

/*
 * One connection's receiver: side R of p2v/wire/PROTOCOL.md from the preface to FINISHED. It makes
 * or continues one job below a base directory and leaves machine.json, the images, the receipt and
 * image.json there.
 */

#include "p2v/core/err.h"
#include "p2v/link/link.h"
#include "p2v/recv/disk.h"

struct recv_spec {
	const char *base;   /* an existing directory */
	const char *format; /* of the images: recv_format_known */
	const char *name;   /* of the job; NULL: the machine's own */
	const char *keys;   /* authorized_keys, several with ':': who has another key may only ask;
			     * NULL: all may send
			     */
	const struct recv_images *images; /* NULL: recv_images_qemu */
};

/*
 * Serves the agent at the other end of the link (which stays the caller's). Whatever fails is told
 * to the agent as well, where the link still stands; what was DURABLE stays and can be continued.
 */
int recv_run(const struct recv_spec *spec, struct link *link, struct p2v_err *err);

#endif
