/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_SYNC_H
#define P2V_RECV_SYNC_H

/*
 * Makes what was noted of a disk durable, in a thread of its own, while chunks go on being written
 * and noted: a medium takes its time, and the link should not stand still for it.
 */

#include "p2v/recv/disk.h"

struct syncer;

/* The disk stays open until free, which waits for the sync that is under way. */
int recv_syncer_new(struct recv_disk *disk, struct syncer **ret, struct p2v_err *err);
void recv_syncer_free(struct syncer *s);

/* All of these in the thread that notes. */

/* Whether one was begun and its end was not taken yet. */
bool recv_syncer_busy(const struct syncer *s);
/* Begins one; only where none is under way. */
void recv_syncer_begin(struct syncer *s);
/* The end of the one that was begun: 1: what had been noted before it is durable; 0: it is not done
 * within wait_ms; or why it failed. */
int recv_syncer_end(struct syncer *s, unsigned wait_ms, struct p2v_err *err);

#endif
