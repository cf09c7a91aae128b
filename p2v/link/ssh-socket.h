/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_SOCKET_H
#define P2V_LINK_SSH_SOCKET_H

/*
 * The TCP connection below SSH. For ssh-*.c alone.
 *
 * A dead far end is noticed by the kernel: what is sent and not acknowledged within 30 s ends the
 * connection (TCP_USER_TIMEOUT). The link sends something at least every 10 s.
 */

#include <stdint.h>

#include "p2v/core/err.h"
#include "p2v/link/ssh-target.h"

#define SSH_SILENCE_MS	 30000
#define SSH_KEEPALIVE_MS 10000

/* Tries each address of the host until deadline (wake.h). P2V_ELINK where none answers. */
int ssh_socket_connect(
	const struct link_ssh_target *target, uint64_t deadline, int *ret_fd, struct p2v_err *err);

#endif
