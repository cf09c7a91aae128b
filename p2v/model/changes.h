/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_CHANGES_H
#define P2V_MODEL_CHANGES_H

/*
 * changes.json: what was changed in the guest, file by file. Recorded by the guest door itself as
 * it writes, so that nothing can be changed unrecorded. Text changes have a unified diff in
 * changes/.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

struct change {
	char *path;
	char *action;  /* create, modify, delete, append, mask, link */
	char *kind;    /* text, binary, symlink, directory, hive */
	uint32_t step; /* index in plan.steps */
	char *reason;
	char *before_digest; /* SHA-256, hex; absent where there was nothing */
	char *after_digest;
	uint64_t before_bytes;
	uint64_t after_bytes;
	char *diff;   /* file below the job directory */
	char *detail; /* for binaries: what was added */
};

struct changes {
	uint32_t version; /* 1 */
	char *name;
	uint64_t duration_ms;
	uint64_t launch_ms; /* of it: starting the appliance */
	struct change *changes;
	size_t n_changes;
};

extern const struct p2v_json_type model_changes_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_changes_finish(struct changes *changes);
/* Checks what the types cannot say; decode and load call it. */
int model_changes_validate(const struct changes *changes, struct p2v_err *err);
int model_changes_decode(const void *text, size_t n, struct changes *ret, struct p2v_err *err);
int model_changes_load(const char *path, struct changes *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_changes_save(
	const struct changes *changes, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_changes __attribute__((cleanup(model_changes_finish)))

#endif
