/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks through libguestfs. The appliance's daemon does each call inside a chroot on the guest's
 * root, so its kernel follows links for us; a loop comes back as ELOOP.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/guest/fs-door.h"
#include "p2v/guest/sector.h"

#define DEFAULT_LAUNCH_MS 300000
#define DEFAULT_CALL_MS	  1200000
/* A LUKS 2 key may be made to need 1 GiB, or more where its maker's machine was large. */
#define MEMORY_FOR_KEYS_MIB 3072
/* Up to here one message holds a file's content; beyond it travels by way of a host file. */
#define MESSAGE_BYTES ((size_t)1 << 20)
#define LABEL	      "security.selinux"

int fs_err(guestfs_h *h, struct p2v_err *err, const char *what)
{
	int e = guestfs_last_errno(h);
	const char *text = guestfs_last_error(h);
	char shown[GUEST_SHOWN];
	int rc = fs_watch_check(h, err);

	if (rc < 0)
		return rc;
	if (e == ELOOP)
		return p2v_err_set(err, P2V_EFORMAT, "symbolic links lead round in a circle");
	if (e != 0)
		return p2v_err_errno(err, e, "%s", what);
	return p2v_err_set(
		err, P2V_EIO, "%s: %s", what, guest_show(text ? text : "unknown error", shown));
}

static int done(guestfs_h *h, int rc, struct p2v_err *err, const char *what)
{
	return rc < 0 ? fs_err(h, err, what) : 0;
}

static enum guest_type type_of_mode(int64_t mode)
{
	static const struct {
		mode_t mode;
		enum guest_type type;
	} rows[] = {
		{S_IFREG, GUEST_FILE},
		{S_IFDIR, GUEST_DIR},
		{S_IFLNK, GUEST_LINK},
		{S_IFCHR, GUEST_CHAR},
		{S_IFBLK, GUEST_BLOCK},
		{S_IFIFO, GUEST_FIFO},
		{S_IFSOCK, GUEST_SOCKET},
	};

	for (size_t i = 0; i < P2V_N(rows); i++)
		if ((mode & S_IFMT) == rows[i].mode)
			return rows[i].type;
	return GUEST_OTHER;
}

static struct guest_stat to_stat(const struct guestfs_statns *st)
{
	return (struct guest_stat){
		.type = type_of_mode(st->st_mode),
		.mode = (uint32_t)(st->st_mode & 07777),
		.uid = (uint32_t)st->st_uid,
		.gid = (uint32_t)st->st_gid,
		.size_bytes = st->st_size < 0 ? 0 : (uint64_t)st->st_size,
		.mtime = st->st_mtime_sec,
	};
}

static int fs_stat(
	struct guest *g, const char *path, bool follow, struct guest_stat *ret, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	struct guestfs_statns *st = follow ? guestfs_statns(h, path) : guestfs_lstatns(h, path);

	if (!st)
		return fs_err(h, err, "stat");
	*ret = to_stat(st);
	guestfs_free_statns(st);
	return 0;
}

static int fs_read_link(struct guest *g, const char *path, char **ret, struct p2v_err *err)
{
	char *target = guestfs_readlink(fs_handle(g), path);

	if (!target)
		return fs_err(fs_handle(g), err, "read the link");
	*ret = target;
	return 0;
}

static int fs_read(
	struct guest *g, const char *path, size_t n, struct p2v_buf *ret, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	p2v_autofree char *bytes = NULL;
	size_t got = 0;

	if (n == 0) {
		p2v_buf_add(ret, "", 0);
		return p2v_buf_check(ret, err);
	}
	if (n <= MESSAGE_BYTES)
		bytes = guestfs_pread(h, path, (int)n, 0, &got);
	else
		bytes = guestfs_read_file(h, path, &got);
	if (!bytes)
		return fs_err(h, err, "read");
	p2v_buf_add(ret, bytes, (size_t)p2v_min_u64(got, n));
	return p2v_buf_check(ret, err);
}

static int fs_download(struct guest *g, const char *path, int fd, struct p2v_err *err)
{
	char host[32];

	snprintf(host, sizeof(host), "/dev/fd/%d", fd);
	return done(fs_handle(g), guestfs_download(fs_handle(g), path, host), err, "download");
}

/* The names that match; the strings belong to the list. */
static int match_names(const struct guestfs_dirent_list *all, const char *pattern,
	size_t max_entries, char **names, struct p2v_err *err)
{
	size_t n = 0;

	for (uint32_t i = 0; i < all->len; i++) {
		char *name = all->val[i].name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (pattern && fnmatch(pattern, name, 0) != 0)
			continue;
		if (n == max_entries)
			return p2v_err_set(
				err, P2V_EFORMAT, "holds more than %zu names", max_entries);
		names[n++] = name;
	}
	return 0;
}

static int add_entries(char *const *names, const struct guestfs_statns_list *sts,
	struct guest_dir *ret, struct p2v_err *err)
{
	for (uint32_t i = 0; i < sts->len && names[i]; i++) {
		struct guest_dirent *e = p2v_json_grow(
			(void **)&ret->entries, &ret->n_entries, sizeof(*ret->entries));

		if (!e || !(e->name = strdup(names[i])))
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		e->st = to_stat(&sts->val[i]);
	}
	return 0;
}

static int list_matching(guestfs_h *h, const char *path, const char *pattern, size_t max_entries,
	const struct guestfs_dirent_list *all, struct guest_dir *ret, struct p2v_err *err)
{
	p2v_autofree char **names = calloc((size_t)all->len + 1, sizeof(*names));
	struct guestfs_statns_list *sts;
	int rc;

	if (!names)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = match_names(all, pattern, max_entries, names, err);
	if (rc < 0 || !names[0])
		return rc;
	sts = guestfs_lstatnslist(h, path, names);
	if (!sts)
		return fs_err(h, err, "stat the names");
	rc = add_entries(names, sts, ret, err);
	guestfs_free_statns_list(sts);
	return rc;
}

static int fs_list(struct guest *g, const char *path, const char *pattern, size_t max_entries,
	struct guest_dir *ret, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	struct guestfs_dirent_list *all = guestfs_readdir(h, path);
	int rc;

	if (!all)
		return fs_err(h, err, "list");
	rc = list_matching(h, path, pattern, max_entries, all, ret, err);
	guestfs_free_dirent_list(all);
	return rc;
}

static int fs_free_bytes(
	struct guest *g, const char *path, uint64_t *ret_bytes, struct p2v_err *err)
{
	struct guestfs_statvfs *vfs = guestfs_statvfs(fs_handle(g), path);

	if (!vfs)
		return fs_err(fs_handle(g), err, "free space");
	*ret_bytes = (uint64_t)vfs->bavail * (uint64_t)vfs->frsize;
	guestfs_free_statvfs(vfs);
	return 0;
}

static int put_large(
	guestfs_h *h, const char *path, const void *bytes, size_t n, struct p2v_err *err)
{
	p2v_autoclose int fd = -1;
	const char *p = bytes;
	char host[32];
	int rc = guest_temp_fd(&fd, err);

	if (rc < 0)
		return rc;
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0)
			return p2v_err_errno(err, errno, "write a host copy");
		p += k;
		n -= (size_t)k;
	}
	snprintf(host, sizeof(host), "/dev/fd/%d", fd);
	return done(h, guestfs_upload(h, host, path), err, "upload");
}

static int fs_put(
	struct guest *g, const char *path, const void *bytes, size_t n, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);

	if (n > MESSAGE_BYTES)
		return put_large(h, path, bytes, n, err);
	return done(h, guestfs_write(h, path, bytes, n), err, "write");
}

static int fs_append(
	struct guest *g, const char *path, const void *bytes, size_t n, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	const char *p = bytes;
	int rc = 0;

	while (rc == 0 && n > 0) {
		size_t k = n < MESSAGE_BYTES ? n : MESSAGE_BYTES;

		rc = done(h, guestfs_write_append(h, path, p, k), err, "append");
		p += k;
		n -= k;
	}
	return rc;
}

static int fs_set_mode(struct guest *g, const char *path, uint32_t mode, struct p2v_err *err)
{
	return done(
		fs_handle(g), guestfs_chmod(fs_handle(g), (int)mode, path), err, "set the mode");
}

static int fs_copy_attributes(
	struct guest *g, const char *from, const char *to, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	struct guest_stat st;
	int rc = fs_stat(g, from, false, &st, err);

	if (rc == 0)
		rc = done(h,
			guestfs_copy_attributes(h, from, to, GUESTFS_COPY_ATTRIBUTES_ALL, 1, -1),
			err, "copy the attributes");
	/* Setting the owner may have cleared set-user-ID. */
	return rc == 0 && (st.mode & 07000) ? fs_set_mode(g, to, st.mode, err) : rc;
}

static int fs_copy_label(struct guest *g, const char *from, const char *to, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	size_t n = 0;
	p2v_autofree char *label = guestfs_lgetxattr(h, from, LABEL, &n);

	if (!label)
		return p2v_err_set(err, P2V_ENOTFOUND, "no label");
	return done(h, guestfs_lsetxattr(h, LABEL, label, (int)n, to), err, "set the label");
}

static int fs_rename(struct guest *g, const char *from, const char *to, struct p2v_err *err)
{
	return done(fs_handle(g), guestfs_rename(fs_handle(g), from, to), err, "rename");
}

static int fs_unlink(struct guest *g, const char *path, struct p2v_err *err)
{
	return done(fs_handle(g), guestfs_rm(fs_handle(g), path), err, "remove");
}

static int change_locks(
	guestfs_h *h, const char *path, uint32_t locks, bool clear, struct p2v_err *err)
{
	const char *letters = locks == GUEST_LOCK_IMMUTABLE ? "i"
			      : locks == GUEST_LOCK_APPEND  ? "a"
							    : "ai";

	return done(h,
		guestfs_set_e2attrs(h, path, letters, GUESTFS_SET_E2ATTRS_CLEAR, clear ? 1 : 0, -1),
		err, "change chattr's locks");
}

static int fs_take_locks(
	struct guest *g, const char *path, uint32_t *ret_locks, struct p2v_err *err)
{
	p2v_autofree char *letters = guestfs_get_e2attrs(fs_handle(g), path);
	uint32_t locks = 0;
	int rc;

	if (letters && strchr(letters, 'i'))
		locks |= GUEST_LOCK_IMMUTABLE;
	if (letters && strchr(letters, 'a'))
		locks |= GUEST_LOCK_APPEND;
	rc = locks ? change_locks(fs_handle(g), path, locks, true, err) : 0;
	if (rc == 0)
		*ret_locks = locks;
	return rc;
}

static int fs_set_locks(struct guest *g, const char *path, uint32_t locks, struct p2v_err *err)
{
	return change_locks(fs_handle(g), path, locks, false, err);
}

static int fs_rmdir(struct guest *g, const char *path, struct p2v_err *err)
{
	return done(fs_handle(g), guestfs_rmdir(fs_handle(g), path), err, "remove");
}

static int fs_mkdir(struct guest *g, const char *path, uint32_t mode, struct p2v_err *err)
{
	return done(fs_handle(g), guestfs_mkdir_mode(fs_handle(g), path, (int)mode), err,
		"make the directory");
}

static int fs_symlink(struct guest *g, const char *target, const char *path, struct p2v_err *err)
{
	return done(fs_handle(g), guestfs_ln_s(fs_handle(g), target, path), err, "make the link");
}

static int fs_mount(struct guest *g, const char *device, const char *mountpoint,
	const char *options, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	p2v_autofree char *kind = guestfs_vfs_type(h, device);
	/* With it ntfs-3g makes access lists of modes: administrators and the system may do
	 * everything, others what a mode says. Without, whatever is new lets everybody do
	 * everything. (A list itself cannot be set: libguestfs ends an attribute's value at its
	 * first NUL. `inherit`, by which a folder would decide, needs a file of users' names.) */
	bool lists = kind && strcmp(kind, "ntfs") == 0 && strncmp(options, "rw", 2) == 0;
	p2v_autofree char *all = p2v_strf("%s%s", options, lists ? ",permissions" : "");

	if (!all)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return done(h, guestfs_mount_options(h, all, device, mountpoint), err, "mount");
}

static int fs_umount_all(struct guest *g, struct p2v_err *err)
{
	return done(fs_handle(g), guestfs_umount_all(fs_handle(g)), err, "unmount");
}

static int fs_read_sector(struct guest *g, const char *device, uint8_t *ret, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	size_t n = 0;
	p2v_autofree char *bytes = guestfs_pread_device(h, device, GUEST_SECTOR_BYTES, 0, &n);

	if (!bytes)
		return fs_err(h, err, "read its first sector");
	if (n != GUEST_SECTOR_BYTES)
		return p2v_err_set(err, P2V_EFORMAT, "is smaller than a sector");
	memcpy(ret, bytes, n);
	return 0;
}

static int fs_write_sector(
	struct guest *g, const char *device, const uint8_t *bytes, struct p2v_err *err)
{
	guestfs_h *h = fs_handle(g);
	int n = guestfs_pwrite_device(h, device, (const char *)bytes, GUEST_SECTOR_BYTES, 0);

	if (n >= 0 && n != GUEST_SECTOR_BYTES)
		return p2v_err_set(err, P2V_EIO, "wrote only a part of its first sector");
	return done(h, n, err, "write its first sector");
}

static int fs_close(struct guest *g, struct p2v_err *err)
{
	return done(
		fs_handle(g), guestfs_shutdown(fs_handle(g)), err, "libguestfs: end the appliance");
}

static void fs_free(struct guest *g)
{
	/* Closing asks the appliance to write back, and may hang as any other call. */
	guestfs_close(fs_handle(g));
	fs_watch_stop((struct fs_door *)g);
	fs_crypts_free((struct fs_door *)g);
	free(g);
}

static const struct guest_ops fs_ops = {
	.follows = true,
	.close = fs_close,
	.free = fs_free,
	.storage = fs_storage,
	.mount = fs_mount,
	.umount_all = fs_umount_all,
	.read_sector = fs_read_sector,
	.write_sector = fs_write_sector,
	.stat = fs_stat,
	.read_link = fs_read_link,
	.read = fs_read,
	.download = fs_download,
	.list = fs_list,
	.free_bytes = fs_free_bytes,
	.put = fs_put,
	.append = fs_append,
	.set_mode = fs_set_mode,
	.copy_attributes = fs_copy_attributes,
	.copy_label = fs_copy_label,
	.rename = fs_rename,
	.unlink = fs_unlink,
	.take_locks = fs_take_locks,
	.set_locks = fs_set_locks,
	.rmdir = fs_rmdir,
	.mkdir = fs_mkdir,
	.symlink = fs_symlink,
};

static int set_up(guestfs_h *h, const struct guest_options *o, struct p2v_err *err)
{
	guestfs_set_error_handler(h, NULL, NULL);
	if (guestfs_set_backend(h, "direct") < 0)
		return fs_err(h, err, "libguestfs: choose the backend");
	if (!o->use_kvm && guestfs_set_backend_setting(h, "force_tcg", "1") < 0)
		return fs_err(h, err, "libguestfs: choose TCG");
	if (o->n_keys && guestfs_set_memsize(h, MEMORY_FOR_KEYS_MIB) < 0)
		return fs_err(h, err, "libguestfs: choose the memory size");
	for (size_t i = 0; i < o->n_disks; i++) {
		int sector = o->disks[i].logical_sector_bytes == 4096 ? 4096 : 512;

		if (guestfs_add_drive_opts(h, o->disks[i].path, GUESTFS_ADD_DRIVE_OPTS_FORMAT,
			    o->disks[i].format, GUESTFS_ADD_DRIVE_OPTS_READONLY, !o->writable,
			    GUESTFS_ADD_DRIVE_OPTS_BLOCKSIZE, sector, -1) < 0)
			return fs_err(h, err, o->disks[i].path);
	}
	return 0;
}

int guest_open_disks(const struct guest_options *o, struct guest **ret, struct p2v_err *err)
{
	struct fs_door *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	d->g.ops = &fs_ops;
	d->g.writable = o->writable;
	d->h = guestfs_create();
	if (!d->h) {
		free(d);
		return p2v_err_set(err, P2V_ENOMEM, "libguestfs: no handle");
	}
	rc = set_up(d->h, o, err);
	if (rc == 0)
		rc = fs_launch(d, o->launch_timeout_ms ? o->launch_timeout_ms : DEFAULT_LAUNCH_MS,
			o->call_timeout_ms ? o->call_timeout_ms : DEFAULT_CALL_MS,
			o->writable && o->n_disks ? o->disks[0].path : NULL, err);
	if (rc == 0 && o->n_keys)
		rc = fs_unlock(d, o, err);
	if (rc < 0) {
		fs_free(&d->g);
		return rc;
	}
	*ret = &d->g;
	return 0;
}
