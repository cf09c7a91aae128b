/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "drivers-inject/catalog/source.h"
#include "p2v/core/publish.h"

#define MAX_DEPTH 12

/* Opens below the tree only: a link that leads out of it is no file of the medium. */
static int open_below(const struct catalog_source *s, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, s->fd, path, &how, sizeof(how));
}

static int read_fd(int fd, uint64_t max_bytes, struct p2v_buf *ret, struct p2v_err *err)
{
	const size_t start = ret->len;

	for (;;) {
		uint8_t *to = p2v_buf_reserve(ret, 65536);
		ssize_t n = to ? read(fd, to, 65536) : 0;

		if (!to)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		if (n < 0)
			return p2v_err_errno(err, errno, "read");
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
		ret->data[ret->len] = '\0';
		if (ret->len - start > max_bytes)
			return p2v_err_set(err, P2V_EFORMAT, "it grew");
	}
}

static int add_file(struct catalog_source *s, const char *path, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	p2v_autoclose int fd = open_below(s, path, 0);
	struct stat st;
	bool want;
	int rc = 0;

	/* A socket, a link that leads nowhere, a file of somebody else: not offered. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	want = source_wants(path, (uint64_t)st.st_size);
	if (want)
		rc = read_fd(fd, (uint64_t)st.st_size, &bytes, err);
	if (rc < 0)
		return p2v_err_wrap(err, rc, "%s", path);
	return source_add(s, path, (uint64_t)st.st_size, NULL, want ? &bytes : NULL, err);
}

static int list_below(struct catalog_source *s, const char *dir, int depth, struct p2v_err *err);

static int add_entry(struct catalog_source *s, const char *dir, const struct dirent *e, int depth,
	struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s%s%s", dir, *dir ? "/" : "", e->d_name);
	struct stat st;

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return list_below(s, path, depth + 1, err);
	return add_file(s, path, err);
}

/* Links to directories are not followed: an installed tree has none, and they may go in circles. */
static int list_below(struct catalog_source *s, const char *dir, int depth, struct p2v_err *err)
{
	p2v_autoclose int fd = open_below(s, *dir ? dir : ".", O_DIRECTORY);
	const struct dirent *e;
	DIR *d;
	int rc = 0;

	if (depth > MAX_DEPTH)
		return p2v_err_set(err, P2V_EFORMAT, "%s: too deep", dir);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d)
		return p2v_err_errno(err, errno, "%s", *dir ? dir : ".");
	p2v_steal_fd(&fd);
	while (rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = add_entry(s, dir, e, depth, err);
	closedir(d);
	return rc;
}

int source_dir_list(struct catalog_source *s, struct p2v_err *err)
{
	return list_below(s, "", 0, err);
}

int source_dir_read(const struct catalog_source *s, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = open_below(s, path, 0);

	if (fd < 0)
		return p2v_err_errno(err, errno, "open");
	return read_fd(fd, max_bytes, ret, err);
}
