/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_BACKEND_H
#define P2V_GUEST_BACKEND_H

/*
 * Inside the room: what a door is made of. read.c and write.c hold all rules (bounds, types, links,
 * records); a backend only does what it is told.
 *
 * Paths that reach a backend are absolute. Where `follows` is false, every component but the last
 * is a real directory (path.c has followed the links), so that the backend may refuse any link in
 * them. Sentences of a backend do not name the path: the caller does.
 */

#include "p2v/core/buf.h"
#include "p2v/guest/guest.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

struct guest_ops {
	bool follows; /* follows links inside the guest by itself */
	int (*close)(struct guest *g, struct p2v_err *err); /* writes back; then only free */
	void (*free)(struct guest *g);
	int (*storage)(struct guest *g, struct guest_storage *s, struct p2v_err *err);
	int (*mount)(struct guest *g, const char *device, const char *mountpoint,
		const char *options, struct p2v_err *err);
	int (*umount_all)(struct guest *g, struct p2v_err *err);
	/* The first 512 bytes of a volume; NULL both: there are no volumes. */
	int (*read_sector)(struct guest *g, const char *device, uint8_t *ret, struct p2v_err *err);
	int (*write_sector)(
		struct guest *g, const char *device, const uint8_t *bytes, struct p2v_err *err);

	int (*stat)(struct guest *g, const char *path, bool follow, struct guest_stat *ret,
		struct p2v_err *err);
	int (*read_link)(struct guest *g, const char *path, char **ret, struct p2v_err *err);
	/* Appends at most n bytes from the start of a regular file. */
	int (*read)(struct guest *g, const char *path, size_t n, struct p2v_buf *ret,
		struct p2v_err *err);
	int (*download)(struct guest *g, const char *path, int fd, struct p2v_err *err);
	int (*list)(struct guest *g, const char *path, const char *pattern, size_t max_entries,
		struct guest_dir *ret, struct p2v_err *err);
	int (*free_bytes)(
		struct guest *g, const char *path, uint64_t *ret_bytes, struct p2v_err *err);

	/* A new file, root's, 0600, on stable storage when the door is closed. */
	int (*put)(struct guest *g, const char *path, const void *bytes, size_t n,
		struct p2v_err *err);
	/* More at the end of a regular file, in its place. */
	int (*append)(struct guest *g, const char *path, const void *bytes, size_t n,
		struct p2v_err *err);
	int (*set_mode)(struct guest *g, const char *path, uint32_t mode, struct p2v_err *err);
	/* Mode, owner, extended attributes of one file onto another; on NTFS, which has access
	 * lists, what of these a mode can say. */
	int (*copy_attributes)(
		struct guest *g, const char *from, const char *to, struct p2v_err *err);
	/* The SELinux label only, and where the door can, the access list of an NTFS; P2V_ENOTFOUND
	 * where `from` has none. */
	int (*copy_label)(struct guest *g, const char *from, const char *to, struct p2v_err *err);
	int (*rename)(struct guest *g, const char *from, const char *to, struct p2v_err *err);
	int (*unlink)(struct guest *g, const char *path, struct p2v_err *err);
	/* chattr(1)'s "i" and "a", which keep root from replacing a file: takes off those that it
	 * has (GUEST_LOCK_*; none where the file system knows none), and sets them. */
	int (*take_locks)(
		struct guest *g, const char *path, uint32_t *ret_locks, struct p2v_err *err);
	int (*set_locks)(struct guest *g, const char *path, uint32_t locks, struct p2v_err *err);
	int (*rmdir)(struct guest *g, const char *path, struct p2v_err *err);
	int (*mkdir)(struct guest *g, const char *path, uint32_t mode, struct p2v_err *err);
	int (*symlink)(struct guest *g, const char *target, const char *path, struct p2v_err *err);
};

#define GUEST_LOCK_IMMUTABLE UINT32_C(1)
#define GUEST_LOCK_APPEND    UINT32_C(2)

/* A backend embeds this as its first member. */
struct guest {
	const struct guest_ops *ops;
	bool writable;
	struct guest_change *changes;
	size_t n_changes;
};

/* A guest path for a sentence: control bytes and bytes beyond ASCII as \xNN, cut at the end of buf.
 */
#define GUEST_SHOWN 256
const char *guest_show(const char *path, char buf[GUEST_SHOWN]);

/* Follows links inside the guest; the last component need not exist. */
int guest_path_resolve(
	struct guest *g, const char *path, bool follow_last, char **ret, struct p2v_err *err);
/* The same as far as the backend needs it. */
int guest_path_for_backend(
	struct guest *g, const char *path, bool follow_last, char **ret, struct p2v_err *err);
/* Absolute, not too long: else P2V_EINVAL or P2V_EFORMAT. */
int guest_path_check(const char *path, struct p2v_err *err);
/* Cuts a real path in two: "/etc/fstab" -> "/etc", "fstab" (points into path). */
char *guest_path_parent(const char *path, const char **ret_name);

/* One side of a change: what is at a path. Zeroed: nothing. */
struct guest_side {
	bool exists;
	enum guest_kind kind;
	const uint8_t *bytes; /* a file's content, a link's target */
	size_t n;
	struct p2v_buf own; /* holds bytes, or */
	void *map;	    /* a mapping of n bytes does */
	char sha256[65];    /* once guest_side_digest was asked; "" for a directory and nothing */
};

void guest_side_finish(struct guest_side *s);
/* What is at a real path now: a file, link or directory; others are P2V_EFORMAT. */
int guest_side_load(struct guest *g, const char *real, struct guest_side *ret, struct p2v_err *err);
/* Fills sha256. Asked on both sides before a write, so that a write that was done is not left out
 * of the record for want of a digest. */
int guest_side_digest(struct guest_side *s, struct p2v_err *err);
/* TEXT or BINARY. */
enum guest_kind guest_kind_of_bytes(const void *bytes, size_t n);

/* Adds what happened at a real path to the record; both sides have their digests. Fails only for
 * want of memory. */
int guest_change_record(struct guest *g, const char *real, const struct guest_side *before,
	const struct guest_side *after, const char *why, struct p2v_err *err);
/* The recorded change of a path is that of a hive: adds to its list of edits. */
int guest_change_note_edits(
	struct guest *g, const char *real, const char *edits, struct p2v_err *err);
void guest_changes_free(struct guest *g);

/* A host file without a name, read and write. */
int guest_temp_fd(int *ret_fd, struct p2v_err *err);

#endif
