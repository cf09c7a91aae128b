/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_FOLLOW_H
#define AGENT_SEND_FOLLOW_H

/* What goes over a connection beside the disks: the receiver's STATUS, and our LOG. */

#include "agent/send/conn.h"
#include "agent/send/send.h"

/*
 * After the receipt: shows what the receiver says, until it has said all. Nothing where STATUS was
 * not agreed on. The copy is complete, so a link that is lost is no failure here; only an interrupt
 * is P2V_ECANCELED.
 */
int send_follow(struct conn *c, struct p2v_progress *progress, struct send_result *result,
	struct p2v_err *err);

/* Tells the receiver which files could not be read (PROTOCOL.md, "Unreadable"). Best effort. */
void send_unreadable_lines(struct conn *c, const char *disk, char *const *lines, size_t n);
/* Sends what stands in `path` from *sent on, of that the last lines. Best effort. */
void send_log(struct conn *c, const char *path, uint64_t *sent);
/* The kernel's last lines, where path is not NULL and we may read them: what it says of disks and
 * cards is the reason for many a failure. */
void send_kernel_log(struct conn *c, const char *path);

#endif
