/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_PUBLISH_H
#define P2V_CORE_PUBLISH_H

/*
 * Publishing by rename. A file appears under its final name complete and durable, or not at all:
 *
 *	open  DIR/.NAME.XXXXXX    write    fsync    rename -> DIR/NAME    fsync DIR
 *
 * A crash leaves at most a dot file, which nobody reads and the next publish of the same name
 * removes: so one at a time publishes a name. The presence of the final name is the mark of
 * success. A tool may write to `temp` too, but in place: commit syncs the file that begin made.
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

struct p2v_publish {
	char *dir, *name, *temp; /* temp: the path to write to, until commit or abort */
	int fd;
};

/* Starts a file of the given mode (less the umask) in dir (which must exist). */
int p2v_publish_begin(struct p2v_publish *pub, const char *dir, const char *name, unsigned mode,
	struct p2v_err *err);
/* Makes it durable and visible; replaces an older one. pub is finished either way. */
int p2v_publish_commit(struct p2v_publish *pub, struct p2v_err *err);
/* Drops it. Harmless on a finished or zero-initialised pub. */
void p2v_publish_abort(struct p2v_publish *pub);

#define p2v_autopublish __attribute__((cleanup(p2v_publish_abort)))

/* All of the above for bytes in memory. */
int p2v_publish_bytes(const char *dir, const char *name, const void *bytes, size_t n, unsigned mode,
	struct p2v_err *err);

/* Small-file helpers of the same kind. read appends to ret; a larger file is P2V_EFORMAT. */
int p2v_file_read(const char *path, size_t max_bytes, struct p2v_buf *ret, struct p2v_err *err);
/* The same of a file below dir, where others write: no symbolic link leads to it or away, and it is
 * no FIFO and no device; else P2V_ENOTFOUND. */
int p2v_file_read_below(const char *dir, const char *name, size_t max_bytes, struct p2v_buf *ret,
	struct p2v_err *err);
bool p2v_file_exists(const char *path);
/* mkdir -p, mode for what is made. */
int p2v_dir_make(const char *path, unsigned mode, struct p2v_err *err);
/* A new directory "$TMPDIR/p2v-<what>-XXXXXX" (TMPDIR or /var/tmp); and its removal with all that
 * is below, never following a symlink, never leaving the file system. */
int p2v_dir_temp(const char *what, char **ret_path, struct p2v_err *err);
void p2v_dir_remove(const char *path);
int p2v_dir_sync(const char *path, struct p2v_err *err);
/* "a/b" joined; malloc'd; NULL only for want of memory. */
char *p2v_path_join(const char *dir, const char *name);
/* printf into malloc'd memory; NULL only for want of memory. */
char *p2v_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
