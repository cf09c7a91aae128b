/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_DISK_H
#define P2V_EMIT_DISK_H

/*
 * One disk from its converted overlay to the file that is handed over.
 *
 * In place (the pristine image is ours, a qcow2, and qcow2 is asked for), no second copy is made:
 *
 *	image/disk0.qcow2  pristine --.  1 snapshot "p2v-pristine" inside; where it is already
 *there, ^                     |    back to it work/disk0.qcow2   changes ---'  2 commit: changes
 *are written into the image; the snapshot keeps what they replace; the overlay keeps them, too 3
 *check: no leak, no error, no backing file output/NAME-disk0.qcow2          4 a hard link to the
 *image, by rename
 *
 * Killed at any point, all of it is done again with the same result: the overlay still reads as the
 * converted disk, as its own clusters hide what a half-done commit wrote below. image.json stays
 * true: the pristine disk is the snapshot where there is one and the active state where there is
 * none. The two names are one file; what the machine writes is in both, and never in the snapshot.
 *
 * Else, and where the directory cannot hold a hard link, the overlay is copied, flattened, and the
 * pristine disk is not written at all. The same goes for a disk that is sent elsewhere: that place
 * is written in full, zeros too, flushed, and nothing takes it back.
 */

#include "p2v/core/progress.h"
#include "p2v/model/image.h"
#include "p2v/model/output.h"

#define EMIT_SNAPSHOT "p2v-pristine"

/* An output format. */
struct emit_format {
	const char *name;    /* as --format says it; also the suffix */
	const char *driver;  /* QEMU's name */
	const char *options; /* of qemu-img convert, or NULL */
	bool in_place;	     /* holds snapshots: see above */
};

const struct emit_format *emit_format_find(const char *name);

struct emit_disk_job {
	const char *dir; /* absolute */
	const char *name;
	const struct emit_format *format;
	const struct image_disk *image;
	const char *overlay; /* absolute path */
	const char *to;	     /* a place elsewhere (place.h) that gets a raw copy instead, or NULL */
	struct p2v_progress *progress;
};

/* Publishes the file and fills path, format, size_bytes, file_bytes and pristine_snapshot. */
int emit_disk_run(const struct emit_disk_job *job, struct output_disk *disk, struct p2v_err *err);

/* Back to the pristine state. Nothing to do for a disk that is not ours or has no snapshot.
 * only_check: P2V_EREFUSED where a machine runs on it, else nothing is done. */
int emit_disk_undo(
	const char *dir, const struct image_disk *image, bool only_check, struct p2v_err *err);

#endif
