/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_PAUSE_H
#define AGENT_PAUSE_H

/*
 * Pause and continue: SIGUSR1 and SIGUSR2; on a terminal also the keys p (one, then the other) and
 * q (the end, as Ctrl-C). One at a time in a process.
 */

#include <stdbool.h>

/* keys: take them from the standard input, where that is a terminal. */
void agent_pause_begin(bool keys);
/* The terminal is as it was. */
void agent_pause_end(void);
/* Whether it is paused now; for send_spec. */
bool agent_paused(void *unused);

#endif
