/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_JOBDIR_H
#define P2V_STORE_JOBDIR_H

/*
 * The layout of a job directory. `p2v convert -o DIR` and the receiver make the same one, so that
 * each tool works by hand on what another left. A noun's presence is the mark that its stage is
 * done.
 *
 *	DIR/
 *	  machine.json        inventory of the physical machine
 *	  receipt             what the receiver has on stable storage, with digests
 *	  orders.json         what people want it to become (p2v/model/orders.h), where they said so
 *	  image.json          the pristine disks and their formats
 *	  image/diskN.qcow2   the disks as received
 *	  work/               overlays and other things of a running stage
 *	  facts.json          what inspection found
 *	  plan.json           what was decided
 *	  changes.json        what was changed in the guest
 *	  changes/NNNN.diff   one unified diff for each changed text file
 *	  output.json         the virtual machine that is handed over
 *	  output/             NAME-diskN.qcow2, NAME.xml, NAME.sh, NAME_VARS.fd
 *	  proof.json          what was seen when it was booted
 *	  proof/              serial.log, screen.png, wire.pcap
 *	  history/            what earlier conversions changed (p2v/store/snapshot.h)
 *	  job.log             what the workers of p2vd said
 *	  status.json         what p2vd says of it (p2v/store/status.h)
 *	  agent.log           what the agent said (LOG), of its last connections
 *	  .lock               see store_jobdir_open
 */

#include <stdbool.h>

#include "p2v/core/buf.h"

#define STORE_MACHINE	  "machine.json"
#define STORE_RECEIPT	  "receipt"
#define STORE_ORDERS	  "orders.json"
#define STORE_IMAGE	  "image.json"
#define STORE_IMAGE_DIR	  "image"
#define STORE_WORK_DIR	  "work"
#define STORE_FACTS	  "facts.json"
#define STORE_PLAN	  "plan.json"
#define STORE_CHANGES	  "changes.json"
#define STORE_CHANGES_DIR "changes"
#define STORE_OUTPUT	  "output.json"
#define STORE_OUTPUT_DIR  "output"
#define STORE_PROOF	  "proof.json"
#define STORE_PROOF_DIR	  "proof"
#define STORE_LOCK	  ".lock"
#define STORE_LOG	  "job.log"
#define STORE_AGENT_LOG	  "agent.log"

/* Makes dir (and parents, mode 0700) where it is missing, and locks it for this process until it
 * exits or store_jobdir_close is called: two tools never work on one job at the same time
 * (P2V_EREFUSED naming the directory). ret_lock_fd: the caller's to close. */
int store_jobdir_open(const char *dir, int *ret_lock_fd, struct p2v_err *err);

/* Whether some program has it locked now. */
bool store_jobdir_busy(const char *dir);

/* Writes dir's file `name` by rename, for all who may read dir; syncs it where it is to last. The
 * directory may belong to another user than we: no link in it is followed. */
int store_jobdir_place(const char *dir, const char *name, const struct p2v_buf *text, bool durable,
	struct p2v_err *err);

/* Removes a noun (by its name above) and every later one, with what belongs to them, so that a
 * stage can be run again: what is derived from the removed noun is never left behind. The image
 * itself (STORE_IMAGE and before) is never removed by this. */
int store_jobdir_drop_from(const char *dir, const char *noun, struct p2v_err *err);

#endif
