/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_WRITE_H
#define P2V_GUEST_WRITE_H

/*
 * Writes into a guest. Each one is recorded as a change by construction: there is no other way in.
 *
 * Writing a file follows links inside the guest to the real file, checks the room on that file
 * system first (P2V_ENOSPC says how much is needed and how much there is), writes a temporary file
 * in the same directory and renames it over the old one. Mode, owner and all extended attributes
 * (SELinux label, capabilities) of the old file are kept; a new file is root's, with the mode
 * given, and takes the SELinux label of a sibling file, else of its directory. Missing parent
 * directories of a new file are made (0755) and recorded. Content that equals the old is no write
 * and no change: what is done twice is done once. A hard link to the old file keeps the old
 * content. Only where a file becomes longer, there is no room for a second one beside it and there
 * is for the rest, that is added in its place: a /boot is often nearly full.
 *
 * On a door that is not writable each call is P2V_EREFUSED.
 */

#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/guest/guest.h"

/* Beyond this many bytes, or where it holds a NUL or is not UTF-8, a file is "binary". */
#define GUEST_TEXT_MAX_BYTES ((size_t)1 << 20)

/* why: one sentence fragment in plain words for the report, "names the root by UUID". */
int guest_write_file(struct guest *g, const char *path, const void *bytes, size_t n, uint32_t mode,
	const char *why, struct p2v_err *err);
/* Adds to the end of a file; makes it where there is none. */
int guest_append_file(struct guest *g, const char *path, const void *bytes, size_t n, uint32_t mode,
	const char *why, struct p2v_err *err);
/* From a host descriptor: all of it, from offset 0 (a regular file, of any size). */
int guest_upload(struct guest *g, int fd, const char *path, uint32_t mode, const char *why,
	struct p2v_err *err);
/* A symbolic link at exactly `path`, whatever file or link was there; a directory there is refused.
 */
int guest_symlink(struct guest *g, const char *target, const char *path, const char *why,
	struct p2v_err *err);
/* A directory and its missing parents; there already: nothing. */
int guest_mkdir(
	struct guest *g, const char *path, uint32_t mode, const char *why, struct p2v_err *err);
/* A file or link (the link itself), or an empty directory; not there: nothing. */
int guest_remove(struct guest *g, const char *path, const char *why, struct p2v_err *err);
/* Gives a file another name on its file system; recorded as a create and a delete. */
int guest_rename(
	struct guest *g, const char *from, const char *to, const char *why, struct p2v_err *err);

/* The room on the file system that holds path (a directory or file that exists). */
int guest_free_bytes(struct guest *g, const char *path, uint64_t *ret_bytes, struct p2v_err *err);

enum guest_action { GUEST_CREATE, GUEST_MODIFY, GUEST_DELETE };
enum guest_kind {
	GUEST_KIND_TEXT,
	GUEST_KIND_BINARY,
	GUEST_KIND_SYMLINK,
	GUEST_KIND_DIRECTORY,
	GUEST_KIND_HIVE, /* a Windows registry hive, edited key by key */
};

/*
 * One changed path, however often it was written: `before` is what the door found, `after` what it
 * left. A path that came back to what it was is no change any more and leaves the list.
 */
struct guest_change {
	char *path; /* the real path in the guest, links followed */
	enum guest_action action;
	enum guest_kind kind; /* of what is there now; of what was there, for a delete */
	char *why;	      /* several reasons are joined by "; " */
	uint64_t before_bytes, after_bytes;
	char before_sha256[65], after_sha256[65]; /* lower-case hex; "" where there is no file */
	uint64_t kept_bytes; /* binary: so many bytes at the start of `after` are all of `before`
			      * (something was appended); else 0 */
	struct p2v_buf before, after; /* text: the bytes; symlink: the target; else empty */
	struct p2v_buf edits;	      /* hive: one line an edit */
};

struct guest_changes {
	const struct guest_change *items; /* in the order of the first write */
	size_t n_items;
};

/* Owned by the door, good until the next write. */
struct guest_changes guest_changes(const struct guest *g);

/* A unified diff (diff -u) with labels "a/PATH" and "b/PATH" appended to ret; text and symlink;
 * a hive's list of edits; P2V_EUNSUPPORTED for others. */
int guest_change_diff(const struct guest_change *c, struct p2v_buf *ret, struct p2v_err *err);

/* "create", "text": the words of the report. */
const char *guest_action_word(enum guest_action action);
const char *guest_kind_word(enum guest_kind kind);

#endif
