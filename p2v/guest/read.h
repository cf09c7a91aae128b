/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_READ_H
#define P2V_GUEST_READ_H

/*
 * Bounded reads out of a guest. Paths are absolute. A call into the appliance costs milliseconds:
 * ask for a directory with all sizes at once rather than for each name.
 *
 * P2V_ENOTFOUND: the path is not there. P2V_EFORMAT: it is there, but not what was asked for
 * ("/etc/fstab: is a character device, not a file"), too large, or a loop of links.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/guest/guest.h"

enum guest_type {
	GUEST_FILE,
	GUEST_DIR,
	GUEST_LINK,
	GUEST_CHAR,
	GUEST_BLOCK,
	GUEST_FIFO,
	GUEST_SOCKET,
	GUEST_OTHER,
};

struct guest_stat {
	enum guest_type type;
	uint32_t mode; /* permission bits only, 07777 */
	uint32_t uid, gid;
	uint64_t size_bytes;
	int64_t mtime; /* seconds */
};

/* "a character device", for sentences. */
const char *guest_type_text(enum guest_type type);

/* The thing that the path leads to, all links followed. */
int guest_stat(struct guest *g, const char *path, struct guest_stat *ret, struct p2v_err *err);
/* The same, but the last component is not followed. */
int guest_lstat(struct guest *g, const char *path, struct guest_stat *ret, struct p2v_err *err);

/* Whether the path leads to anything / a regular file / a directory; any error counts as no. */
bool guest_exists(struct guest *g, const char *path);
bool guest_is_file(struct guest *g, const char *path);
bool guest_is_dir(struct guest *g, const char *path);

/* Appends the whole of a regular file of at most max_bytes. */
int guest_read_file(struct guest *g, const char *path, uint64_t max_bytes, struct p2v_buf *ret,
	struct p2v_err *err);
/* The first bytes of a regular file of any size: at most n. */
int guest_read_start(
	struct guest *g, const char *path, size_t n, struct p2v_buf *ret, struct p2v_err *err);
/* A regular file of at most max_bytes into fd: a host file open for writing, which is emptied
 * first. */
int guest_download(
	struct guest *g, const char *path, uint64_t max_bytes, int fd, struct p2v_err *err);

/* The text of a symbolic link; malloc'd. */
int guest_read_link(struct guest *g, const char *path, char **ret, struct p2v_err *err);
/* The path with every link followed; the last component need not exist. malloc'd. */
int guest_real_path(struct guest *g, const char *path, char **ret, struct p2v_err *err);
/* The path as the guest's directories spell it, where letter case does not matter (Windows); parts
 * that are not there stay as they are asked for. Links are not followed by name. malloc'd. */
int guest_path_nocase(struct guest *g, const char *path, char **ret, struct p2v_err *err);

struct guest_dirent {
	char *name;
	struct guest_stat st; /* of the name itself, links not followed */
};

struct guest_dir {
	struct guest_dirent *entries; /* sorted by name's bytes; no "." and ".." */
	size_t n_entries;
};

/*
 * The names in a directory that match `pattern` (fnmatch, a leading dot is nothing special; NULL:
 * all), with their types and sizes. More than max_entries matching names are P2V_EFORMAT.
 */
int guest_list_dir(struct guest *g, const char *path, const char *pattern, size_t max_entries,
	struct guest_dir *ret, struct p2v_err *err);
void guest_dir_finish(struct guest_dir *d);

#endif
