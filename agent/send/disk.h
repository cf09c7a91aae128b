/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_DISK_H
#define AGENT_SEND_DISK_H

/*
 * One disk, from OPEN to VERIFIED. What comes back wrong (RESEND, MISMATCH) is sent again in
 * another pass, in which the rest is only asked for: the root is folded anew from what the receiver
 * has, so that it is right even where the source has changed meanwhile.
 */

#include "agent/send/conn.h"
#include "agent/send/send.h"

#define SEND_PASSES_MAX 8 /* then memory, cable or disk is at fault */

int send_disk_run(struct conn *conn, const struct send_spec *spec, uint16_t disk,
	struct send_streams *streams, struct send_disk_result *result, struct p2v_err *err);

#endif
