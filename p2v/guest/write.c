/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/write.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/guest/backend.h"

#define p2v_autoside __attribute__((cleanup(guest_side_finish)))

/* Siblings looked at for an SELinux label. */
#define MAX_SIBLINGS 4096

static int named(struct p2v_err *err, int rc, const char *path)
{
	char shown[GUEST_SHOWN];

	return rc < 0 ? p2v_err_wrap(err, rc, "%s", guest_show(path, shown)) : rc;
}

/* May we write at all, and where does the path really lead? */
static int begin(
	struct guest *g, const char *path, bool follow_last, char **ret_real, struct p2v_err *err)
{
	int rc = guest_path_check(path, err);

	if (rc < 0)
		return rc;
	if (!g->writable)
		return p2v_err_set(err, P2V_EREFUSED, "the guest is open for reading only");
	return guest_path_resolve(g, path, follow_last, ret_real, err);
}

/* Beside the file at `real`. */
static int check_room(struct guest *g, const char *real, uint64_t n, struct p2v_err *err)
{
	p2v_autofree char *dir = guest_path_parent(real, NULL);
	char shown[GUEST_SHOWN];
	uint64_t available;
	int rc = dir ? g->ops->free_bytes(g, dir, &available, err)
		     : p2v_err_set(err, P2V_ENOMEM, "no memory");

	if (rc < 0)
		return rc;
	if (n > available)
		return p2v_err_set(err, P2V_ENOSPC,
			"the new content needs %" PRIu64
			" bytes, and the file system of %s has %" PRIu64 " free",
			n, guest_show(dir, shown), available);
	return 0;
}

/* The SELinux label that a new file would have got: a sibling file's, else the directory's. */
static int label_new(struct guest *g, const char *dir, const char *temp, struct p2v_err *err)
{
	struct guest_dir list = {0};
	int rc = g->ops->copy_label(g, dir, temp, err);

	if (rc == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		return 0;
	}
	if (rc < 0 || g->ops->list(g, dir, NULL, MAX_SIBLINGS, &list, NULL) < 0) {
		guest_dir_finish(&list);
		return rc;
	}
	for (size_t i = 0; i < list.n_entries; i++) {
		p2v_autofree char *sibling = p2v_path_join(dir, list.entries[i].name);

		if (list.entries[i].st.type != GUEST_FILE || !sibling || strcmp(sibling, temp) == 0)
			continue;
		if (g->ops->copy_label(g, sibling, temp, NULL) == 0)
			break;
	}
	guest_dir_finish(&list);
	return 0;
}

struct new_file {
	const char *real; /* where it goes */
	const void *bytes;
	size_t n;
	uint32_t mode;
	bool replaces; /* a file that is there: keep its mode, owner, attributes */
};

static int put_temp(struct guest *g, const struct new_file *f, const char *dir, const char *temp,
	struct p2v_err *err)
{
	int rc = g->ops->unlink(g, temp, err); /* of an attempt that was cut off */

	if (rc < 0 && rc != P2V_ENOTFOUND)
		return rc;
	p2v_err_clear(err);
	rc = g->ops->put(g, temp, f->bytes, f->n, err);
	if (rc < 0)
		return rc;
	if (f->replaces)
		return g->ops->copy_attributes(g, f->real, temp, err);
	rc = g->ops->set_mode(g, temp, f->mode, err);
	return rc < 0 ? rc : label_new(g, dir, temp, err);
}

/* Where a file cannot be replaced or removed because chattr(1) locked it, as hardened servers have
 * theirs, the lock is taken off. false: that was not it. */
static bool take_locks(struct guest *g, const char *path, uint32_t *ret_locks, struct p2v_err *err)
{
	if (g->ops->take_locks(g, path, ret_locks, NULL) < 0 || !*ret_locks)
		return false;
	p2v_err_clear(err);
	return true;
}

/* locked: the one of the two that may be; its lock is then that of the new name. */
static int rename_locked(
	struct guest *g, const char *from, const char *to, const char *locked, struct p2v_err *err)
{
	int rc = g->ops->rename(g, from, to, err);
	uint32_t locks = 0;

	if (rc == 0 || !take_locks(g, locked, &locks, err))
		return rc;
	rc = g->ops->rename(g, from, to, err);
	if (rc == 0)
		return g->ops->set_locks(g, to, locks, err);
	g->ops->set_locks(g, locked, locks, NULL);
	return rc;
}

static int unlink_locked(struct guest *g, const char *path, struct p2v_err *err)
{
	int rc = g->ops->unlink(g, path, err);
	uint32_t locks = 0;

	if (rc == 0 || !take_locks(g, path, &locks, err))
		return rc;
	rc = g->ops->unlink(g, path, err);
	if (rc < 0)
		g->ops->set_locks(g, path, locks, NULL);
	return rc;
}

/* Beside the old file, then over it: whoever looks sees one of the two. */
static int replace(struct guest *g, const struct new_file *f, struct p2v_err *err)
{
	const char *name;
	p2v_autofree char *dir = guest_path_parent(f->real, &name);
	p2v_autofree char *temp = NULL;
	int rc;

	if (!dir)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	/* Cut so that the longest name still has room for the rest. */
	temp = p2v_strf("%s/.%.200s.p2v-new", strcmp(dir, "/") == 0 ? "" : dir, name);
	if (!temp)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = put_temp(g, f, dir, temp, err);
	if (rc == 0)
		rc = f->replaces ? rename_locked(g, temp, f->real, f->real, err)
				 : g->ops->rename(g, temp, f->real, err);
	if (rc < 0)
		g->ops->unlink(g, temp, NULL);
	return rc;
}

static int make_dir(
	struct guest *g, const char *real, uint32_t mode, const char *why, struct p2v_err *err)
{
	struct guest_side before = {0};
	struct guest_side after = {.exists = true, .kind = GUEST_KIND_DIRECTORY};
	int rc = g->ops->mkdir(g, real, mode, err);

	if (rc == 0) {
		p2v_autofree char *parent = guest_path_parent(real, NULL);

		if (parent)
			g->ops->copy_label(g, parent, real, NULL);
		rc = guest_change_record(g, real, &before, &after, why, err);
	}
	return rc;
}

/* Makes every missing directory on the way to path, itself included. */
static int make_dirs(
	struct guest *g, const char *path, uint32_t mode, const char *why, struct p2v_err *err)
{
	p2v_autofree char *parent = guest_path_parent(path, NULL);
	p2v_autofree char *real = NULL;
	struct guest_stat st;
	int rc;

	if (!parent)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (strcmp(path, "/") != 0 && strcmp(parent, path) != 0) {
		rc = guest_path_resolve(g, path, true, &real, err);
		if (rc == P2V_ENOTFOUND) {
			p2v_err_clear(err);
			rc = make_dirs(g, parent, 0755, why, err);
			if (rc == 0)
				rc = guest_path_resolve(g, path, true, &real, err);
		}
		if (rc < 0)
			return rc;
	}
	rc = g->ops->stat(g, real ? real : "/", false, &st, err);
	if (rc == P2V_ENOTFOUND && real) {
		p2v_err_clear(err);
		return make_dir(g, real, mode, why, err);
	}
	if (rc == 0 && st.type != GUEST_DIR)
		return p2v_err_set(
			err, P2V_EFORMAT, "is %s, not a directory", guest_type_text(st.type));
	return rc;
}

/* The real path of a file to be written; makes its directory where that is missing. */
static int begin_file(
	struct guest *g, const char *path, const char *why, char **ret_real, struct p2v_err *err)
{
	p2v_autofree char *parent = NULL;
	int rc = begin(g, path, true, ret_real, err);

	if (rc != P2V_ENOTFOUND)
		return rc;
	p2v_err_clear(err);
	parent = guest_path_parent(path, NULL);
	if (!parent)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = make_dirs(g, parent, 0755, why, err);
	return rc < 0 ? rc : guest_path_resolve(g, path, true, ret_real, err);
}

/* There is no room for a second one, and there is for what it grows by. */
static bool only_grows(struct guest *g, const char *real, const struct guest_side *before,
	const struct guest_side *after)
{
	return before->exists && before->n > 0 && before->n < after->n &&
	       memcmp(before->bytes, after->bytes, before->n) == 0 &&
	       check_room(g, real, after->n - before->n, NULL) == 0;
}

static int digest_both(struct guest_side *before, struct guest_side *after, struct p2v_err *err)
{
	int rc = guest_side_digest(before, err);

	return rc < 0 ? rc : guest_side_digest(after, err);
}

static int write_over(struct guest *g, const char *real, struct guest_side *before,
	const void *bytes, size_t n, uint32_t mode, const char *why, struct p2v_err *err)
{
	struct guest_side after = {.exists = true, .bytes = bytes, .n = n};
	struct new_file f = {real, bytes, n, mode, before->exists};
	bool in_place;
	int rc;

	if (before->exists && before->kind == GUEST_KIND_DIRECTORY)
		return p2v_err_set(err, P2V_EFORMAT, "is a directory, not a file");
	if (before->exists && before->n == n && (n == 0 || memcmp(before->bytes, bytes, n) == 0))
		return 0;
	after.kind = guest_kind_of_bytes(bytes, n);
	/* One side that cannot be shown makes the change one that cannot be shown. */
	if (before->exists && before->kind == GUEST_KIND_BINARY)
		after.kind = GUEST_KIND_BINARY;
	rc = check_room(g, real, n, err);
	in_place = rc == P2V_ENOSPC && only_grows(g, real, before, &after);
	if (in_place)
		p2v_err_clear(err);
	if (rc == 0 || in_place)
		rc = digest_both(before, &after, err);
	if (rc == 0 && in_place)
		rc = g->ops->append(g, real, (const char *)bytes + before->n, n - before->n, err);
	else if (rc == 0)
		rc = replace(g, &f, err);
	return rc < 0 ? rc : guest_change_record(g, real, before, &after, why, err);
}

static int write_file(struct guest *g, const char *path, const void *bytes, size_t n, uint32_t mode,
	bool append, const char *why, struct p2v_err *err)
{
	p2v_autoside struct guest_side before = {0};
	p2v_autobuf struct p2v_buf both = {0};
	p2v_autofree char *real = NULL;
	int rc = begin_file(g, path, why, &real, err);

	if (rc == 0)
		rc = guest_side_load(g, real, &before, err);
	if (rc < 0)
		return rc;
	if (!append || before.n == 0)
		return write_over(g, real, &before, bytes, n, mode, why, err);
	p2v_buf_add(&both, before.bytes, before.n);
	p2v_buf_add(&both, bytes, n);
	rc = p2v_buf_check(&both, err);
	return rc < 0 ? rc : write_over(g, real, &before, both.data, both.len, mode, why, err);
}

int guest_write_file(struct guest *g, const char *path, const void *bytes, size_t n, uint32_t mode,
	const char *why, struct p2v_err *err)
{
	return named(err, write_file(g, path, bytes, n, mode, false, why, err), path);
}

int guest_append_file(struct guest *g, const char *path, const void *bytes, size_t n, uint32_t mode,
	const char *why, struct p2v_err *err)
{
	return named(err, write_file(g, path, bytes, n, mode, true, why, err), path);
}

int guest_upload(struct guest *g, int fd, const char *path, uint32_t mode, const char *why,
	struct p2v_err *err)
{
	struct stat st;
	void *map;
	int rc;

	if (fstat(fd, &st) < 0)
		return named(err, p2v_err_errno(err, errno, "stat the host file"), path);
	if (st.st_size == 0)
		return guest_write_file(g, path, "", 0, mode, why, err);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return named(err, p2v_err_errno(err, errno, "map the host file"), path);
	rc = guest_write_file(g, path, map, (size_t)st.st_size, mode, why, err);
	munmap(map, (size_t)st.st_size);
	return rc;
}

static int make_symlink(
	struct guest *g, const char *target, const char *path, const char *why, struct p2v_err *err)
{
	p2v_autoside struct guest_side before = {0};
	p2v_autofree char *real = NULL;
	struct guest_side after = {.exists = true,
		.kind = GUEST_KIND_SYMLINK,
		.bytes = (const uint8_t *)target,
		.n = strlen(target)};
	int rc = begin(g, path, false, &real, err);

	if (rc == 0)
		rc = guest_side_load(g, real, &before, err);
	if (rc < 0)
		return rc;
	if (before.exists && before.kind == GUEST_KIND_DIRECTORY)
		return p2v_err_set(err, P2V_EFORMAT, "is a directory, not a link");
	if (before.exists && before.kind == GUEST_KIND_SYMLINK && before.n == after.n &&
		memcmp(before.bytes, target, after.n) == 0)
		return 0;
	rc = digest_both(&before, &after, err);
	if (rc == 0 && before.exists)
		rc = unlink_locked(g, real, err);
	if (rc == 0)
		rc = g->ops->symlink(g, target, real, err);
	return rc < 0 ? rc : guest_change_record(g, real, &before, &after, why, err);
}

int guest_symlink(
	struct guest *g, const char *target, const char *path, const char *why, struct p2v_err *err)
{
	return named(err, make_symlink(g, target, path, why, err), path);
}

int guest_mkdir(
	struct guest *g, const char *path, uint32_t mode, const char *why, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	int rc = begin(g, path, true, &real, err);

	if (rc == 0 || rc == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		rc = make_dirs(g, path, mode, why, err);
	}
	return named(err, rc, path);
}

static int remove_path(struct guest *g, const char *path, const char *why, struct p2v_err *err)
{
	p2v_autoside struct guest_side before = {0};
	p2v_autofree char *real = NULL;
	struct guest_side after = {0};
	int rc = begin(g, path, false, &real, err);

	if (rc == 0)
		rc = guest_side_load(g, real, &before, err);
	if (rc == P2V_ENOTFOUND || (rc == 0 && !before.exists)) {
		p2v_err_clear(err);
		return 0;
	}
	if (rc == 0)
		rc = guest_side_digest(&before, err);
	if (rc == 0)
		rc = before.kind == GUEST_KIND_DIRECTORY ? g->ops->rmdir(g, real, err)
							 : unlink_locked(g, real, err);
	return rc < 0 ? rc : guest_change_record(g, real, &before, &after, why, err);
}

int guest_remove(struct guest *g, const char *path, const char *why, struct p2v_err *err)
{
	return named(err, remove_path(g, path, why, err), path);
}

static int rename_path(
	struct guest *g, const char *from, const char *to, const char *why, struct p2v_err *err)
{
	p2v_autoside struct guest_side moved = {0}, over = {0};
	p2v_autofree char *a = NULL, *b = NULL;
	struct guest_side none = {0};
	int rc = begin(g, from, false, &a, err);

	if (rc == 0)
		rc = begin(g, to, false, &b, err);
	if (rc == 0)
		rc = guest_side_load(g, a, &moved, err);
	if (rc == 0)
		rc = guest_side_load(g, b, &over, err);
	if (rc < 0)
		return rc;
	if (!moved.exists)
		return p2v_err_set(err, P2V_ENOTFOUND, "is not there");
	if (moved.kind == GUEST_KIND_DIRECTORY || over.exists)
		return p2v_err_set(err, over.exists ? P2V_EEXIST : P2V_EUNSUPPORTED,
			over.exists ? "the new name is taken" : "is a directory, not a file");
	rc = guest_side_digest(&moved, err);
	if (rc == 0)
		rc = rename_locked(g, a, b, a, err);
	if (rc == 0)
		rc = guest_change_record(g, b, &none, &moved, why, err);
	return rc < 0 ? rc : guest_change_record(g, a, &moved, &none, why, err);
}

int guest_rename(
	struct guest *g, const char *from, const char *to, const char *why, struct p2v_err *err)
{
	return named(err, rename_path(g, from, to, why, err), from);
}

int guest_free_bytes(struct guest *g, const char *path, uint64_t *ret_bytes, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	int rc = guest_path_for_backend(g, path, true, &real, err);

	if (rc == 0)
		rc = g->ops->free_bytes(g, real, ret_bytes, err);
	return named(err, rc, path);
}
