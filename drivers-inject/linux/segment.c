/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers-inject/linux/unified.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/guest/write.h"

void linux_segment_finish(struct segment *s)
{
	for (size_t i = 0; i < s->n_paths; i++)
		free(s->paths[i]);
	free(s->paths);
	free(s->files);
	memset(s, 0, sizeof(*s));
}

static int add(struct segment *s, const char *path, uint32_t mode, const struct p2v_buf *bytes,
	struct p2v_err *err)
{
	struct archive_file *f;
	int rc = p2v_json_add_str(&s->paths, &s->n_paths, path, err);

	if (rc < 0)
		return rc;
	f = p2v_json_grow((void **)&s->files, &s->n_files, sizeof(*f));
	if (!f)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	f->path = s->paths[s->n_paths - 1];
	f->mode = mode;
	f->bytes = bytes ? bytes->data : NULL;
	f->n = bytes ? bytes->len : 0;
	return 0;
}

static bool has(const struct segment *s, const char *path)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (strcmp(s->files[i].path, path) == 0)
			return true;
	return false;
}

/* The directories on the way that the image does not have. One that it has must not come again: a
 * directory "lib" over a link of that name would remove the link, and the system with it. */
static int add_parents(struct segment *s, const char *path, struct p2v_err *err)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		p2v_autofree char *dir = strndup(path, (size_t)(p - path));
		int rc;

		if (!dir)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		if (has(s, dir) || archive_initramfs_find(s->list, dir))
			continue;
		rc = add(s, dir, S_IFDIR | 0755, NULL, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int linux_segment_add_file(struct segment *s, const char *path, uint32_t mode,
	const struct p2v_buf *bytes, struct p2v_err *err)
{
	int rc = add_parents(s, path, err);

	return rc < 0 ? rc : add(s, path, mode, bytes, err);
}

int linux_segment_add_link(
	struct segment *s, const char *path, const struct p2v_buf *target, struct p2v_err *err)
{
	return add(s, path, S_IFLNK | 0777, target, err);
}

static int upload(struct guest *g, int fd, const char *path, struct p2v_err *err)
{
	return guest_upload(g, fd, path, 0600, "adds what the virtual hardware needs at boot", err);
}

static int upload_program(
	struct guest *g, const struct linux_image *image, const char *path, struct p2v_err *err)
{
	int out = linux_temporary(err), rc;

	if (out < 0)
		return out;
	rc = linux_unified_put(image->program, LINUX_UNIFIED_INITRD, image->fd, out, err);
	rc = rc < 0 ? p2v_err_wrap(err, rc, "%s", path) : upload(g, out, path, err);
	close(out);
	return rc;
}

int linux_segment_append(struct guest *g, const struct linux_image *image, const char *path,
	const struct segment *s, uint64_t *ret_bytes, struct p2v_err *err)
{
	const struct archive_initramfs *list = &image->list;
	/* lz4's old format has no end mark: only more of the same may follow it directly. */
	enum archive_packing packing =
		list->segments[list->n_segments - 1].compression == ARCHIVE_COMP_LZ4
			? ARCHIVE_LZ4_LEGACY
			: ARCHIVE_GZIP;
	p2v_autobuf struct p2v_buf bytes = {0};
	off_t end = lseek(image->fd, 0, SEEK_END);
	int rc = archive_cpio_pack(s->files, s->n_files, packing, &bytes, err);

	if (rc < 0)
		return rc;
	if (end >= 0 && (uint64_t)end + bytes.len > LINUX_IMAGE_MAX_BYTES)
		return p2v_err_set(err, P2V_EFORMAT, "%s: it would grow beyond %llu bytes", path,
			(unsigned long long)LINUX_IMAGE_MAX_BYTES);
	if (end < 0 || pwrite(image->fd, bytes.data, bytes.len, end) != (ssize_t)bytes.len)
		return p2v_err_errno(err, errno, "write the new image on the host");
	*ret_bytes = bytes.len;
	return image->program < 0 ? upload(g, image->fd, path, err)
				  : upload_program(g, image, path, err);
}
