/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_RESCUE_H
#define AGENT_SEND_RESCUE_H

/*
 * Reading a disk that fails: a range that cannot be read is tried again in halves, down to the
 * logical sector; a sector that cannot be read either is zeros, and noted.
 */

#include "agent/send/send.h"

/* offset: on a sector. P2V_EIO where there are more than SEND_BAD_MAX bad ranges; other errors
 * than P2V_EIO as the disk says them. */
int send_rescue_read(struct block_io *io, uint64_t offset, uint8_t *buf, size_t n,
	struct send_bad *bad, struct p2v_err *err);

#endif
