/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* One step towards the end of the file, or past max_bytes, which the caller then sees in len. */
static ssize_t read_some(int fd, size_t max_bytes, struct p2v_buf *buf)
{
	size_t room = max_bytes + 1 - buf->len, want = room < 65536 ? room : 65536;
	uint8_t *to = p2v_buf_reserve(buf, want);
	ssize_t n;

	if (!to) {
		errno = ENOMEM;
		return -1;
	}
	do
		n = read(fd, to, want);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		buf->len += (size_t)n;
		buf->data[buf->len] = '\0';
	}
	return n;
}

/* O_NONBLOCK: a FIFO in the place of a file must not hang us. */
#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int fd_read(
	int fd, const char *path, size_t max_bytes, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf buf = {0};
	ssize_t n;

	do
		n = read_some(fd, max_bytes, &buf);
	while (n > 0 && buf.len <= max_bytes);
	if (n < 0)
		return p2v_err_errno(err, errno, "%s: read", path);
	if (buf.len > max_bytes)
		return p2v_err_set(err, P2V_EFORMAT, "%s: larger than %zu bytes", path, max_bytes);
	p2v_buf_add(ret, buf.data, buf.len);
	return p2v_buf_check(ret, err);
}

int p2v_file_read(const char *path, size_t max_bytes, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = open(path, READ_FLAGS);

	return fd < 0 ? p2v_err_errno(err, errno, "%s", path)
		      : fd_read(fd, path, max_bytes, ret, err);
}

int p2v_file_read_below(const char *dir, const char *name, size_t max_bytes, struct p2v_buf *ret,
	struct p2v_err *err)
{
	struct open_how how = {
		.flags = READ_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	p2v_autoclose int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	p2v_autoclose int fd = -1;
	struct stat st;

	if (dir_fd < 0)
		return p2v_err_errno(err, errno, "%s", dir);
	fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
	if (fd < 0 && errno != ELOOP && errno != EXDEV)
		return p2v_err_errno(err, errno, "%s/%s", dir, name);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return p2v_err_set(err, P2V_ENOTFOUND, "%s/%s: is no file of its own", dir, name);
	return fd_read(fd, name, max_bytes, ret, err);
}

bool p2v_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* errno stays what mkdir said. */
static bool is_dir(const char *path)
{
	int why = errno;
	struct stat st;
	bool dir = stat(path, &st) == 0 && S_ISDIR(st.st_mode);

	errno = why;
	return dir;
}

int p2v_dir_make(const char *path, unsigned mode, struct p2v_err *err)
{
	p2v_autofree char *part = strdup(path);

	if (!part)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (char *slash = part; slash;) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(part, mode) < 0 && !is_dir(part))
			return p2v_err_errno(
				err, errno == EEXIST ? ENOTDIR : errno, "%s: make directory", part);
		if (slash)
			*slash = '/';
	}
	return 0;
}

int p2v_dir_temp(const char *what, char **ret_path, struct p2v_err *err)
{
	const char *base = getenv("TMPDIR");
	p2v_autofree char *path =
		p2v_strf("%s/p2v-%s-XXXXXX", base && *base ? base : "/var/tmp", what);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (!mkdtemp(path))
		return p2v_err_errno(err, errno, "%s: make directory", path);
	*ret_path = p2v_steal(path);
	return 0;
}

static void dir_empty(int fd, unsigned major, unsigned minor);

static void entry_remove(int dir, const char *name, unsigned major, unsigned minor)
{
	struct statx st;
	int fd;

	if (unlinkat(dir, name, 0) == 0)
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	/* A bind mount has our device number but is a mount's root all the same. */
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) == 0 &&
		st.stx_dev_major == major && st.stx_dev_minor == minor &&
		!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		dir_empty(fd, major, minor);
	else
		close(fd);
	unlinkat(dir, name, AT_REMOVEDIR);
}

/* Owns fd. */
static void dir_empty(int fd, unsigned major, unsigned minor)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;

	if (!d) {
		close(fd);
		return;
	}
	while ((entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			entry_remove(fd, entry->d_name, major, minor);
	closedir(d);
}

void p2v_dir_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statx st;

	if (fd < 0)
		return;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) == 0)
		dir_empty(fd, st.stx_dev_major, st.stx_dev_minor);
	else
		close(fd);
	rmdir(path);
}

int p2v_dir_sync(const char *path, struct p2v_err *err)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	/* EINVAL: a file system that cannot sync a directory has nothing to sync. */
	if (fsync(fd) < 0 && errno != EINVAL)
		return p2v_err_errno(err, errno, "%s: fsync", path);
	return 0;
}
