/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_ARCHIVE_ISO_H
#define P2V_ARCHIVE_ISO_H

/*
 * The files of an ISO 9660 image (ECMA-119), with the long names of Rock Ridge or Joliet where it
 * has them; and a file out of a cabinet of Windows. Both are foreign: names, counts and sizes are
 * bounded.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

#define ARCHIVE_ISO_MAX_MEMBERS ((size_t)200000)
#define ARCHIVE_ISO_MAX_PATH	((size_t)1024)

struct archive_iso_member {
	const char *path; /* without leading "/"; no component is "..": valid during the call */
	uint64_t size_bytes;
	const char *same_as; /* shares the bytes of this earlier member, and has none of its own;
				else NULL */
};

/* What to do with each regular file, in the order in which they lie on the medium. */
struct archive_iso_wanted {
	void *opaque;
	/* True: its bytes are wanted; at most max_body_bytes, a larger file is P2V_EFORMAT. A
	 * member that is the same as another is not asked for. */
	bool (*want)(void *opaque, const struct archive_iso_member *m);
	/* Each file once, with its bytes where they were wanted, else NULL. Non-zero ends the
	 * reading with it. */
	int (*take)(void *opaque, const struct archive_iso_member *m, const struct p2v_buf *bytes,
		struct p2v_err *err);
	size_t max_body_bytes;
};

/* fd: a regular file or a block device; its offset is moved. P2V_EFORMAT: no ISO 9660 file system.
 * The error sentence does not name the image. */
int archive_iso_read(int fd, const struct archive_iso_wanted *wanted, struct p2v_err *err);

/* Appends one file of a cabinet (.cab), by its name in any letter case; ret NULL: whether it is
 * there. P2V_ENOTFOUND, P2V_EFORMAT. */
int archive_cab_member(
	int fd, const char *name, size_t max_bytes, struct p2v_buf *ret, struct p2v_err *err);

/* The volume label, without the blanks at its end; malloc'd, printable ASCII. */
int archive_iso_label(int fd, char **ret, struct p2v_err *err);

#endif
