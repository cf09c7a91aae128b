/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_PROVE_H
#define P2V_RECV_PROVE_H

/*
 * Reads back, while a disk is still received, what of it is durable, from front to back, so that
 * little is left to read when all has come. What reads back right is proved (recv/journal.h); what
 * does not is left to recv_disk_verify, which says so.
 *
 * Only where a read comes from the medium (recv_images.direct): else it would show the page cache.
 */

#include "p2v/recv/disk.h"

struct prover;

/* Begins, in a thread of its own. NULL: there is none for this disk, which is no failure. The disk
 * stays open until recv_prover_free, which waits for the read that is under way. */
struct prover *recv_prover_new(struct recv_disk *disk);
void recv_prover_free(struct prover *prover); /* NULL is fine */

#endif
