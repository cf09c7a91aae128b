/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_SNAPSHOT_H
#define P2V_STORE_SNAPSHOT_H

/*
 * What a job's disks were and are: pristine as received, and after each conversion. The pristine
 * disk is there always, and so is that of the last conversion; of earlier ones, which were taken
 * back, it is kept what they changed:
 *
 *	JOB/history/1/changes.json    of the first conversion that was taken back
 *	JOB/history/1/changes/        its diffs
 *
 * Every conversion starts from the pristine disk, so its changes say all that there is to say.
 */

#include "p2v/model/changes.h"

#define STORE_HISTORY_DIR "history"
/* Older ones are forgotten. */
#define STORE_HISTORY_MAX 99

struct snapshot {
	char *name;  /* pristine, conversion-1, conversion-2, ... */
	char *state; /* received; taken back; converted, emitted or proven */
	uint64_t at_s;
	uint32_t changes; /* of the guest's files */
	char *where;	  /* its disk; or NULL: only its changes are kept */
};

struct snapshots {
	uint32_t version; /* 1 */
	struct snapshot *snapshots;
	size_t n_snapshots;
};
extern const struct p2v_json_type store_snapshots_type;

int store_snapshots_load(const char *dir, struct snapshots *ret, struct p2v_err *err);
void store_snapshots_finish(struct snapshots *snapshots);
#define p2v_auto_snapshots __attribute__((cleanup(store_snapshots_finish)))

/* What a snapshot differs in from the pristine disk, nothing for that itself; each diff below the
 * job directory. P2V_ENOTFOUND. */
int store_snapshot_changes(
	const char *dir, const char *name, struct changes *ret, struct p2v_err *err);

/* The conversion that is there becomes history; nothing where there is none. The job is locked. */
int store_snapshot_keep(const char *dir, struct p2v_err *err);

#endif
