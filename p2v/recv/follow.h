/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_FOLLOW_H
#define P2V_RECV_FOLLOW_H

/*
 * After FINISHED: tells an agent that stays how its job goes on, as STATUS, from what lies in the
 * job directory (p2v/store/status.h; the plan, as LOG that
 * begins with "plan: "; the proof). The directory is not locked meanwhile.
 */

#include "p2v/recv/peer.h"

/*
 * Until the job is proven, has failed or was cancelled; until the agent goes; or where no p2vd
 * serves this directory (any more). The last STATUS says which. A failure is the link's.
 */
int recv_follow_run(struct peer *peer, const char *dir, struct p2v_err *err);

#endif
