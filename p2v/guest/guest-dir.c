/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A host directory that poses as a guest's root. path.c has followed the links, so every component
 * but the last must be a real directory: each is opened by its own name from its parent's
 * descriptor and a link is refused (O_NOFOLLOW), so that no path can leave the root even while
 * somebody moves links under us.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/guest/backend.h"

struct dir_door {
	struct guest g;
	int root_fd;
};

/* The directory that holds the last component, and that component ("." for the root itself). */
static int open_parent(struct guest *g, const char *path, int *ret_fd, char name[NAME_MAX + 1],
	struct p2v_err *err)
{
	p2v_autoclose int fd = dup(((struct dir_door *)g)->root_fd);
	const char *p = path + strspn(path, "/");

	if (fd < 0)
		return p2v_err_errno(err, errno, "dup");
	memcpy(name, ".", 2);
	while (*p) {
		size_t n = strcspn(p, "/");
		int next;

		if (n > NAME_MAX)
			return p2v_err_set(err, P2V_ENOTFOUND, "a name in the path is too long");
		memcpy(name, p, n);
		name[n] = '\0';
		p += n;
		p += strspn(p, "/");
		if (!*p)
			break;
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return p2v_err_errno(err, errno, "open");
		close(fd);
		fd = next;
	}
	*ret_fd = p2v_steal_fd(&fd);
	return 0;
}

/* Opens the path itself; a FIFO does not block, a link is refused. */
static int open_path(struct guest *g, const char *path, int flags, int *ret_fd, struct p2v_err *err)
{
	p2v_autoclose int parent = -1;
	char name[NAME_MAX + 1];
	int fd, rc = open_parent(g, path, &parent, name, err);

	if (rc < 0)
		return rc;
	fd = openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0)
		return p2v_err_errno(err, errno, "open");
	*ret_fd = fd;
	return 0;
}

static enum guest_type type_of_mode(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return GUEST_FILE;
	case S_IFDIR:
		return GUEST_DIR;
	case S_IFLNK:
		return GUEST_LINK;
	case S_IFCHR:
		return GUEST_CHAR;
	case S_IFBLK:
		return GUEST_BLOCK;
	case S_IFIFO:
		return GUEST_FIFO;
	case S_IFSOCK:
		return GUEST_SOCKET;
	default:
		return GUEST_OTHER;
	}
}

static int stat_at(int fd, const char *name, struct guest_stat *ret, struct p2v_err *err)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return p2v_err_errno(err, errno, "stat");
	*ret = (struct guest_stat){
		.type = type_of_mode(st.st_mode),
		.mode = st.st_mode & 07777,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.size_bytes = (uint64_t)st.st_size,
		.mtime = st.st_mtime,
	};
	return 0;
}

static int dir_stat(
	struct guest *g, const char *path, bool follow, struct guest_stat *ret, struct p2v_err *err)
{
	p2v_autoclose int parent = -1;
	char name[NAME_MAX + 1];
	int rc = open_parent(g, path, &parent, name, err);

	(void)follow;
	return rc < 0 ? rc : stat_at(parent, name, ret, err);
}

static int dir_read_link(struct guest *g, const char *path, char **ret, struct p2v_err *err)
{
	p2v_autoclose int parent = -1;
	char name[NAME_MAX + 1], target[PATH_MAX];
	int rc = open_parent(g, path, &parent, name, err);
	ssize_t n;

	if (rc < 0)
		return rc;
	n = readlinkat(parent, name, target, sizeof(target));
	if (n < 0)
		return p2v_err_errno(err, errno, "read the link");
	if (n == sizeof(target))
		return p2v_err_set(err, P2V_EFORMAT, "the link is too long");
	*ret = strndup(target, (size_t)n);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static int dir_read(
	struct guest *g, const char *path, size_t n, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int rc = open_path(g, path, O_RDONLY, &fd, err);
	uint8_t *to;

	if (rc < 0)
		return rc;
	to = p2v_buf_reserve(ret, n);
	if (!to)
		return p2v_buf_check(ret, err);
	for (size_t done = 0; done < n;) {
		ssize_t k = read(fd, to + done, n - done);

		if (k < 0)
			return p2v_err_errno(err, errno, "read");
		if (k == 0)
			break;
		done += (size_t)k;
		ret->len += (size_t)k;
	}
	/* Keeps the NUL that stands behind the last byte. */
	p2v_buf_add(ret, "", 0);
	return 0;
}

static int dir_download(struct guest *g, const char *path, int fd, struct p2v_err *err)
{
	p2v_autoclose int from = -1;
	int rc = open_path(g, path, O_RDONLY, &from, err);
	ssize_t n;

	if (rc < 0)
		return rc;
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return p2v_err_errno(err, errno, "empty the host file");
	do
		n = sendfile(fd, from, NULL, (size_t)1 << 24);
	while (n > 0);
	return n < 0 ? p2v_err_errno(err, errno, "copy") : 0;
}

static int add_entry(int fd, const char *name, struct guest_dir *ret, struct p2v_err *err)
{
	struct guest_stat st;
	struct guest_dirent *e;
	int rc = stat_at(fd, name, &st, err);

	if (rc < 0)
		return rc;
	e = p2v_json_grow((void **)&ret->entries, &ret->n_entries, sizeof(*e));
	if (!e || !(e->name = strdup(name)))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	e->st = st;
	return 0;
}

static int dir_list(struct guest *g, const char *path, const char *pattern, size_t max_entries,
	struct guest_dir *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int rc = open_path(g, path, O_RDONLY | O_DIRECTORY, &fd, err);
	struct dirent *e;
	DIR *d;

	if (rc < 0)
		return rc;
	d = fdopendir(dup(fd));
	if (!d)
		return p2v_err_errno(err, errno, "list");
	while (rc == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (pattern && fnmatch(pattern, e->d_name, 0) != 0)
			continue;
		if (ret->n_entries == max_entries)
			rc = p2v_err_set(
				err, P2V_EFORMAT, "holds more than %zu names", max_entries);
		else
			rc = add_entry(fd, e->d_name, ret, err);
	}
	closedir(d);
	return rc;
}

static int dir_free_bytes(
	struct guest *g, const char *path, uint64_t *ret_bytes, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	struct statvfs vfs;
	int rc = open_path(g, path, O_PATH, &fd, err);

	if (rc < 0)
		return rc;
	if (fstatvfs(fd, &vfs) < 0)
		return p2v_err_errno(err, errno, "free space");
	*ret_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return 0;
}

static int write_all(int fd, const void *bytes, size_t n, struct p2v_err *err)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0)
			return p2v_err_errno(err, errno, "write");
		p += k;
		n -= (size_t)k;
	}
	return fsync(fd) < 0 ? p2v_err_errno(err, errno, "write to stable storage") : 0;
}

static int dir_put(
	struct guest *g, const char *path, const void *bytes, size_t n, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int rc = open_path(g, path, O_WRONLY | O_CREAT | O_EXCL, &fd, err);

	return rc < 0 ? rc : write_all(fd, bytes, n, err);
}

static int dir_append(
	struct guest *g, const char *path, const void *bytes, size_t n, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int rc = open_path(g, path, O_WRONLY | O_APPEND, &fd, err);

	return rc < 0 ? rc : write_all(fd, bytes, n, err);
}

static int dir_set_mode(struct guest *g, const char *path, uint32_t mode, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int rc = open_path(g, path, O_RDONLY, &fd, err);

	if (rc < 0)
		return rc;
	return fchmod(fd, mode) < 0 ? p2v_err_errno(err, errno, "set the mode") : 0;
}

static int copy_xattr(int from, int to, const char *name, struct p2v_err *err)
{
	char value[65536];
	ssize_t n = fgetxattr(from, name, value, sizeof(value));

	if (n < 0)
		return p2v_err_errno(err, errno, "read attribute %s", name);
	if (fsetxattr(to, name, value, (size_t)n, 0) < 0)
		return p2v_err_errno(err, errno, "set attribute %s", name);
	return 0;
}

static int copy_xattrs(int from, int to, struct p2v_err *err)
{
	char names[65536];
	ssize_t n = flistxattr(from, names, sizeof(names));
	int rc = 0;

	if (n < 0)
		return errno == ENOTSUP ? 0 : p2v_err_errno(err, errno, "list the attributes");
	for (ssize_t i = 0; rc == 0 && i < n; i += (ssize_t)strlen(names + i) + 1)
		rc = copy_xattr(from, to, names + i, err);
	return rc;
}

static int open_two(struct guest *g, const char *from, const char *to, int *ret_from, int *ret_to,
	struct p2v_err *err)
{
	int rc = open_path(g, from, O_RDONLY, ret_from, err);

	return rc < 0 ? rc : open_path(g, to, O_RDONLY, ret_to, err);
}

/* As the other door does; an NTFS that is mounted here keeps its access lists. */
static const char *const labels[] = {"security.selinux", "system.ntfs_acl"};

static int copy_labels(int from, int to, struct p2v_err *err)
{
	bool found = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < P2V_N(labels); i++) {
		if (fgetxattr(from, labels[i], NULL, 0) < 0)
			continue;
		found = true;
		rc = copy_xattr(from, to, labels[i], err);
	}
	return rc < 0 || found ? rc : p2v_err_set(err, P2V_ENOTFOUND, "no label");
}

static int dir_copy_attributes(
	struct guest *g, const char *from, const char *to, struct p2v_err *err)
{
	p2v_autoclose int a = -1, b = -1;
	struct stat st, now;
	int rc = open_two(g, from, to, &a, &b, err);

	if (rc < 0)
		return rc;
	if (fstat(a, &st) < 0 || fstat(b, &now) < 0)
		return p2v_err_errno(err, errno, "stat");
	if ((st.st_uid != now.st_uid || st.st_gid != now.st_gid) &&
		fchown(b, st.st_uid, st.st_gid) < 0)
		return p2v_err_errno(err, errno, "set the owner");
	/* After the owner: changing that clears set-user-ID. */
	if (fchmod(b, st.st_mode & 07777) < 0)
		return p2v_err_errno(err, errno, "set the mode");
	rc = copy_xattrs(a, b, err);
	if (rc == 0)
		rc = copy_labels(a, b, err);
	if (rc != P2V_ENOTFOUND)
		return rc;
	p2v_err_clear(err);
	return 0;
}

static int dir_copy_label(struct guest *g, const char *from, const char *to, struct p2v_err *err)
{
	p2v_autoclose int a = -1, b = -1;
	int rc = open_two(g, from, to, &a, &b, err);

	if (rc < 0)
		return rc;
	return copy_labels(a, b, err);
}

static int dir_take_locks(
	struct guest *g, const char *path, uint32_t *ret_locks, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int flags = 0, rc = open_path(g, path, O_RDONLY, &fd, err);
	uint32_t locks;

	if (rc < 0)
		return rc;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		flags = 0;
	locks = (flags & FS_IMMUTABLE_FL ? GUEST_LOCK_IMMUTABLE : 0) |
		(flags & FS_APPEND_FL ? GUEST_LOCK_APPEND : 0);
	flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	if (locks && ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		return p2v_err_errno(err, errno, "take off chattr's locks");
	*ret_locks = locks;
	return 0;
}

static int dir_set_locks(struct guest *g, const char *path, uint32_t locks, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	int flags = 0, rc = open_path(g, path, O_RDONLY, &fd, err);

	if (rc < 0)
		return rc;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return p2v_err_errno(err, errno, "read chattr's flags");
	flags |= (locks & GUEST_LOCK_IMMUTABLE ? FS_IMMUTABLE_FL : 0) |
		 (locks & GUEST_LOCK_APPEND ? FS_APPEND_FL : 0);
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? p2v_err_errno(err, errno, "lock as before")
						      : 0;
}

static int dir_rename(struct guest *g, const char *from, const char *to, struct p2v_err *err)
{
	p2v_autoclose int a = -1, b = -1;
	char from_name[NAME_MAX + 1], to_name[NAME_MAX + 1];
	int rc = open_parent(g, from, &a, from_name, err);

	if (rc == 0)
		rc = open_parent(g, to, &b, to_name, err);
	if (rc < 0)
		return rc;
	return renameat(a, from_name, b, to_name) < 0 ? p2v_err_errno(err, errno, "rename") : 0;
}

static int unlink_path(struct guest *g, const char *path, int flags, struct p2v_err *err)
{
	p2v_autoclose int parent = -1;
	char name[NAME_MAX + 1];
	int rc = open_parent(g, path, &parent, name, err);

	if (rc < 0)
		return rc;
	return unlinkat(parent, name, flags) < 0 ? p2v_err_errno(err, errno, "remove") : 0;
}

static int dir_unlink(struct guest *g, const char *path, struct p2v_err *err)
{
	return unlink_path(g, path, 0, err);
}

static int dir_rmdir(struct guest *g, const char *path, struct p2v_err *err)
{
	return unlink_path(g, path, AT_REMOVEDIR, err);
}

static int dir_mkdir(struct guest *g, const char *path, uint32_t mode, struct p2v_err *err)
{
	p2v_autoclose int parent = -1;
	char name[NAME_MAX + 1];
	int rc = open_parent(g, path, &parent, name, err);

	if (rc < 0)
		return rc;
	if (mkdirat(parent, name, mode) < 0)
		return p2v_err_errno(err, errno, "make the directory");
	return dir_set_mode(g, path, mode, err);
}

static int dir_symlink(struct guest *g, const char *target, const char *path, struct p2v_err *err)
{
	p2v_autoclose int parent = -1;
	char name[NAME_MAX + 1];
	int rc = open_parent(g, path, &parent, name, err);

	if (rc < 0)
		return rc;
	return symlinkat(target, parent, name) < 0 ? p2v_err_errno(err, errno, "make the link") : 0;
}

static int dir_storage(struct guest *g, struct guest_storage *s, struct p2v_err *err)
{
	(void)g;
	(void)s;
	(void)err;
	return 0;
}

static int dir_mount(struct guest *g, const char *device, const char *mountpoint,
	const char *options, struct p2v_err *err)
{
	(void)g;
	(void)device;
	(void)options;
	if (strcmp(mountpoint, "/") != 0)
		return 0;
	return p2v_err_set(err, P2V_EUNSUPPORTED, "a directory is not made of file systems");
}

static int dir_nothing(struct guest *g, struct p2v_err *err)
{
	(void)g;
	(void)err;
	return 0;
}

static void dir_free(struct guest *g)
{
	close(((struct dir_door *)g)->root_fd);
	free(g);
}

static const struct guest_ops dir_ops = {
	.follows = false,
	.close = dir_nothing,
	.free = dir_free,
	.storage = dir_storage,
	.mount = dir_mount,
	.umount_all = dir_nothing,
	.stat = dir_stat,
	.read_link = dir_read_link,
	.read = dir_read,
	.download = dir_download,
	.list = dir_list,
	.free_bytes = dir_free_bytes,
	.put = dir_put,
	.append = dir_append,
	.set_mode = dir_set_mode,
	.copy_attributes = dir_copy_attributes,
	.copy_label = dir_copy_label,
	.rename = dir_rename,
	.unlink = dir_unlink,
	.take_locks = dir_take_locks,
	.set_locks = dir_set_locks,
	.rmdir = dir_rmdir,
	.mkdir = dir_mkdir,
	.symlink = dir_symlink,
};

int guest_open_dir(const char *dir, bool writable, struct guest **ret, struct p2v_err *err)
{
	struct dir_door *d = calloc(1, sizeof(*d));

	if (!d)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	d->g.ops = &dir_ops;
	d->g.writable = writable;
	d->root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->root_fd < 0) {
		int rc = p2v_err_errno(err, errno, "%s", dir);

		free(d);
		return rc;
	}
	*ret = &d->g;
	return 0;
}
