/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/jobdir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/snapshot.h"

/* The nouns in the order in which they are made, each with the directories that belong to it. The
 * overlays in work/ hold what changes.json reports, so they go with it and with nothing later: the
 * output can be made again from them. */
static const struct noun {
	const char *file;
	const char *dirs[2];
	bool kept; /* never dropped: what came from the source cannot be derived again */
} nouns[] = {
	{STORE_MACHINE, {NULL}, true},
	{STORE_RECEIPT, {NULL}, true},
	{STORE_IMAGE, {STORE_IMAGE_DIR}, true},
	{STORE_FACTS, {NULL}, false},
	{STORE_PLAN, {NULL}, false},
	{STORE_CHANGES, {STORE_CHANGES_DIR, STORE_WORK_DIR}, false},
	{STORE_OUTPUT, {STORE_OUTPUT_DIR}, false},
	{STORE_PROOF, {STORE_PROOF_DIR}, false},
};

int store_jobdir_open(const char *dir, int *ret_lock_fd, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_LOCK);
	p2v_autoclose int fd = -1;
	int r;

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", dir);
	r = p2v_dir_make(dir, 0700, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return p2v_err_set(err, P2V_EREFUSED,
				"%s: another p2v program is at work in this job directory", dir);
		return p2v_err_errno(err, errno, "%s: lock", path);
	}
	*ret_lock_fd = p2v_steal_fd(&fd);
	return 0;
}

bool store_jobdir_busy(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_LOCK);
	p2v_autoclose int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static int drop_noun(const char *dir, const struct noun *noun, struct p2v_err *err)
{
	p2v_autofree char *file = p2v_path_join(dir, noun->file);

	if (!file)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", dir);
	if (unlink(file) < 0 && errno != ENOENT)
		return p2v_err_errno(err, errno, "%s: remove", file);
	for (size_t i = 0; i < P2V_N(noun->dirs) && noun->dirs[i]; i++) {
		p2v_autofree char *path = p2v_path_join(dir, noun->dirs[i]);
		struct stat st;

		if (!path)
			return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", dir);
		p2v_dir_remove(path);
		if (lstat(path, &st) == 0)
			return p2v_err_set(err, P2V_EIO, "%s: cannot be removed", path);
	}
	return 0;
}

static size_t noun_index(const char *noun)
{
	size_t i = 0;

	while (i < P2V_N(nouns) && strcmp(nouns[i].file, noun) != 0)
		i++;
	return i;
}

int store_jobdir_drop_from(const char *dir, const char *noun, struct p2v_err *err)
{
	size_t first = noun_index(noun);

	if (first == P2V_N(nouns))
		return p2v_err_set(err, P2V_EINVAL, "%s: '%.40s' is no part of a job", dir, noun);
	if (nouns[first].kept)
		return p2v_err_set(
			err, P2V_EREFUSED, "%s: %s came from the source and is kept", dir, noun);
	if (first <= noun_index(STORE_CHANGES)) {
		int r = store_snapshot_keep(dir, err);

		if (r < 0)
			return r;
	}
	/* The last noun goes first and its mark before its files: a crash in between leaves a
	 * job that is merely less far on. */
	for (size_t i = P2V_N(nouns); i-- > first;) {
		int r = drop_noun(dir, &nouns[i], err);

		if (r < 0)
			return r;
	}
	return p2v_dir_sync(dir, err);
}

int store_jobdir_place(const char *dir, const char *name, const struct p2v_buf *text, bool durable,
	struct p2v_err *err)
{
	p2v_autoclose int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	p2v_autofree char *temp = p2v_strf(".%s.new", name);
	p2v_autoclose int fd = -1;

	if (dir_fd < 0)
		return p2v_err_errno(err, errno, "%s", dir);
	if (!temp)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", dir);
	unlinkat(dir_fd, temp, 0);
	fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0 ||
		write(fd, text->data, text->len) != (ssize_t)text->len ||
		(durable && fsync(fd) < 0) || renameat(dir_fd, temp, dir_fd, name) < 0 ||
		(durable && fsync(dir_fd) < 0))
		return p2v_err_errno(err, errno, "%s/%s", dir, name);
	return 0;
}
