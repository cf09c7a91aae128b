/* SPDX-License-Identifier: GPL-3.0-or-later */

/* One file of an image, overridden. */

#include <string.h>
#include <sys/stat.h>

#include "drivers-inject/linux/segment.h"
#include "p2v/core/cleanup.h"

static int append(struct guest *g, const struct linux_image *image, const char *path,
	const struct archive_member *m, bool gone, const struct p2v_buf *text, struct p2v_err *err)
{
	static const char nowhere[] = "/p2v-removed";
	p2v_autobuf struct p2v_buf target = {0};
	struct segment s = {.list = &image->list};
	uint64_t grown;
	int rc;

	p2v_buf_add_str(&target, nowhere);
	rc = p2v_buf_check(&target, err);
	if (rc == 0)
		rc = gone ? linux_segment_add_link(&s, m->path, &target, err)
			  : linux_segment_add_file(&s, m->path, m->mode, text, err);
	if (rc == 0)
		rc = linux_segment_append(g, image, path, &s, &grown, err);
	linux_segment_finish(&s);
	return rc;
}

static int change(struct guest *g, const struct linux_image *image, const char *path,
	const char *inside, linux_initramfs_edit *edit, void *opaque, struct p2v_err *err)
{
	const struct linux_initramfs_file *f = linux_image_text(image, inside);
	const struct archive_member *m = archive_initramfs_find(&image->list, inside);
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_span text;
	bool gone = false;
	int rc;

	if (!f || !m)
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: it holds no %s", path, inside);
	text = p2v_span_of(f->text.data ? (const char *)f->text.data : "", f->text.len);
	rc = edit(opaque, text, &out, &gone, err);
	if (rc == 0)
		rc = p2v_buf_check(&out, err);
	if (rc < 0 || (!gone && p2v_span_same(text, p2v_span_of(out.data, out.len))))
		return rc;
	return append(g, image, path, m, gone, &out, err);
}

int linux_initramfs_change(struct guest *g, const char *image, const char *inside,
	linux_initramfs_edit *edit, void *opaque, struct p2v_err *err)
{
	static const struct linux_modules none;
	struct linux_image i = LINUX_IMAGE_NONE;
	/* No module of it is asked for. */
	int rc = linux_image_load(g, image, "-", &none, &i, err);

	if (rc < 0)
		return rc;
	rc = change(g, &i, image, inside, edit, opaque, err);
	linux_image_finish(&i);
	return rc;
}
