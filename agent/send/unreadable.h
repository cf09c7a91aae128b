/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_UNREADABLE_H
#define AGENT_SEND_UNREADABLE_H

/*
 * Which files lie where disks could not be read (PROTOCOL.md, "Unreadable"). To find that out may
 * take as long as reading every directory of a disk that fails: so it is asked for once, when all
 * disks are verified, in a thread of its own, and the connection is kept alive meanwhile.
 */

#include "agent/send/conn.h"
#include "agent/send/send.h"

/* Finds them out, where that was not done yet, and tells the receiver; that is best effort. An
 * error is that of the connection, or an interrupt. */
int send_unreadable(struct conn *c, const struct send_spec *spec, struct send_result *result,
	struct p2v_err *err);

#endif
