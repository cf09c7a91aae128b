/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_LOG_H
#define P2V_RECV_LOG_H

/* JOB/agent.log: what agents had to say about themselves (LOG), printable and bounded. */

#include "p2v/wire/msg.h"

/* -1 where it cannot be: no connection ends for that. The caller's to close. */
int recv_log_open(const char *dir);
void recv_log_add(int fd, const struct wire_log *log);

/* What the agent says lies where it could not read: "disk0: partition 1: /etc/fstab". Bounded. */
struct recv_unreadable {
	char **lines;
	size_t n;
};
/* Takes what `log` says of that (PROTOCOL.md, "Unreadable"), printable. Best effort. */
void recv_unreadable_add(struct recv_unreadable *to, const struct wire_log *log);
void recv_unreadable_finish(struct recv_unreadable *u);

#endif
