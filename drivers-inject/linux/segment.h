/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_SEGMENT_H
#define P2V_DRIVERS_LINUX_SEGMENT_H

/* Inside the room: a further segment for an image, while it grows. */

#include "drivers-inject/linux/image.h"
#include "p2v/archive/cpio.h"

struct segment {
	const struct archive_initramfs *list; /* of the image that it is for */
	struct archive_file *files;
	size_t n_files;
	char **paths; /* owned, what the files point to */
	size_t n_paths;
};

void linux_segment_finish(struct segment *s);
/* A file, with the directories on the way that the image does not have. The bytes stay the
 * caller's. */
int linux_segment_add_file(struct segment *s, const char *path, uint32_t mode,
	const struct p2v_buf *bytes, struct p2v_err *err);
/* A link over a file of that path. */
int linux_segment_add_link(
	struct segment *s, const char *path, const struct p2v_buf *target, struct p2v_err *err);
/* The segment at the end of the image's copy; then the copy into the guest, beside the old image
 * and over it. ret_bytes: by how much it grew. */
int linux_segment_append(struct guest *g, const struct linux_image *image, const char *path,
	const struct segment *s, uint64_t *ret_bytes, struct p2v_err *err);

#endif
