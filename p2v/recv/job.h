/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_JOB_H
#define P2V_RECV_JOB_H

/*
 * The job that a connection belongs to: a directory below the receiver's base (p2v/store/jobdir.h),
 * found by the machine's name and proved by its UUID and its disks.
 */

#include <stdbool.h>

#include "p2v/core/err.h"
#include "p2v/model/machine.h"
#include "p2v/recv/log.h"

struct recv_job {
	char *name, *dir, *image_dir;
	int lock_fd;
	struct machine machine;
	bool continued; /* it was begun by another connection */
	bool finished;	/* and has its receipt: only a second pass may write to it */
};

/* Decodes the inventory and names the directory BASE/<name>, or BASE/<as> where `as` is given.
 * Nothing is touched. P2V_EFORMAT, P2V_EREFUSED. */
int recv_job_init(struct recv_job *job, const char *base, const char *as, const void *inventory,
	size_t n, struct p2v_err *err);
void recv_job_finish(struct recv_job *job); /* lets go of the lock */
/* Takes the directory for this process. P2V_EEXIST: another connection still has it. */
int recv_job_lock(struct recv_job *job, struct p2v_err *err);
/* When the receiver that has the directory last heard from its agent, in nanoseconds of any clock;
 * it touches its lock. 0: not known. */
uint64_t recv_job_alive_ns(const struct recv_job *job);
/* Begins the job (publishes machine.json) or continues it. refresh: both sides know second passes.
 * P2V_EREFUSED: it is another machine's, or it is finished and no second pass can be; the sentence
 * says what to do. */
int recv_job_admit(
	struct recv_job *job, const void *inventory, size_t n, bool refresh, struct p2v_err *err);
/* Before a second pass changes the image: what was made of the old one goes, and so do image.json
 * and the receipt. */
int recv_job_reopen(const struct recv_job *job, struct p2v_err *err);
/* P2V_ENOSPC where the directory's file system has less than that free. */
int recv_job_space(const struct recv_job *job, uint64_t need_bytes, struct p2v_err *err);
/* All disks are verified: publishes the receipt, then image.json. The receipt's bytes go to the
 * agent. format: of all images; streams: connections at once; unreadable: for the receipt. */
int recv_job_complete(const struct recv_job *job, const char *format, unsigned streams,
	const struct recv_unreadable *unreadable, struct p2v_buf *ret_receipt, struct p2v_err *err);

#endif
