/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_WAKE_H
#define P2V_LINK_WAKE_H

/*
 * Waiting on a descriptor so that another thread can end the wait: an eventfd stands beside it in
 * the poll. For the kinds of link alone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/err.h"

/* An eventfd, or a negative kind. */
int link_wake_new(struct p2v_err *err);
/* Ends the wait on wake_fd that runs now, or else the next one. */
void link_wake_kick(int wake_fd);
/*
 * Waits until fd has one of events (POLLIN, POLLOUT), wake_fd was kicked (which is used up), or
 * timeout_ms have passed (-1: for ever). False for the timeout.
 */
bool link_wake_wait(int fd, short events, int wake_fd, int timeout_ms);

/* An end of time for waits: a moment of p2v_now_ms, or never. */
#define LINK_NEVER UINT64_MAX
uint64_t link_deadline(int timeout_ms); /* -1: LINK_NEVER */
/* Milliseconds left, at least 0, at most cap_ms. */
int link_deadline_left(uint64_t deadline, int cap_ms);

#endif
