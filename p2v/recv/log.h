/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_LOG_H
#define P2V_RECV_LOG_H

/* JOB/agent.log: what agents had to say about themselves (LOG), printable and bounded. */

#include "p2v/wire/msg.h"

/* -1 where it cannot be: no connection ends for that. The caller's to close. */
int recv_log_open(const char *dir);
void recv_log_add(int fd, const struct wire_log *log);

#endif
