/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_QIMG_H
#define P2V_EMIT_QIMG_H

/*
 * qemu-img as a subprocess. The format of each image is named by the caller, never probed. All
 * errors carry the path.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"
#include "p2v/core/progress.h"

struct emit_qimg_info {
	char *format;
	uint64_t virtual_size;
	char *backing;	   /* full path of the backing file, NULL where there is none */
	bool has_snapshot; /* the snapshot asked for is inside */
};

/* snapshot: the name to look for, or NULL. Fails (P2V_EREFUSED) where a running machine has the
 * image open for writing. */
int emit_qimg_info(const char *path, const char *format, const char *snapshot,
	struct emit_qimg_info *ret, struct p2v_err *err);
void emit_qimg_info_finish(struct emit_qimg_info *info);

/* The decoder behind it: qemu-img's --output=json is foreign text. */
int emit_qimg_info_decode(const void *text, size_t n, const char *snapshot,
	struct emit_qimg_info *ret, struct p2v_err *err);

/* Internal snapshots of a qcow2: action "-c" makes, "-a" goes back to, "-d" deletes. */
int emit_qimg_snapshot(const char *path, const char *action, const char *name, struct p2v_err *err);

/* Writes what the overlay holds into its backing file; the overlay stays as it is. */
int emit_qimg_commit(const char *overlay, struct p2v_err *err);

/* A new qcow2 overlay on a backing file (absolute path). */
int emit_qimg_overlay(
	const char *path, const char *backing, const char *backing_format, struct p2v_err *err);

/* Mends the reference counts that an interrupted run left in a qcow2, then insists on a clean one.
 */
int emit_qimg_check(const char *path, struct p2v_err *err);

/* A full copy, flattened. options: of the destination format, or NULL. */
int emit_qimg_convert(const char *from, const char *from_format, const char *to,
	const char *to_format, const char *options, struct p2v_progress *progress,
	uint64_t size_bytes, struct p2v_err *err);

/* Over all of what is there already, raw: zeros are written, too, and all is flushed. to: a path or
 * a URI. */
int emit_qimg_overwrite(const char *from, const char *from_format, const char *to,
	struct p2v_progress *progress, uint64_t size_bytes, struct p2v_err *err);

#define p2v_auto_qimg_info __attribute__((cleanup(emit_qimg_info_finish)))

#endif
