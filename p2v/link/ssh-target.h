/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_TARGET_H
#define P2V_LINK_SSH_TARGET_H

/*
 * Where to connect, as people write it:
 *
 *	[USER@]HOST[:PORT]      HOST: a name, an IPv4 address, or an IPv6 address in brackets
 *	p2v@10.0.0.5   server:2222   p2v@[fe80::1%eth0]:22
 *
 * A bare IPv6 address (two colons or more) is taken as a host without a port. A part that is empty,
 * begins with '-', or holds blanks, control bytes or bytes beyond ASCII is P2V_EINVAL.
 */

#include <stdint.h>

#include "p2v/core/err.h"

#define LINK_SSH_PORT 22

struct link_ssh_target {
	char *user; /* NULL where not given */
	char *host; /* without brackets */
	uint16_t port;
};

int link_ssh_target_parse(const char *text, struct link_ssh_target *ret, struct p2v_err *err);
void link_ssh_target_finish(struct link_ssh_target *t);
/* "p2v@host:22", "p2v@[::1]:22": what parse would read back; malloc'd, NULL: no memory. */
char *link_ssh_target_text(const struct link_ssh_target *t);

#endif
