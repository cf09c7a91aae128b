/* SPDX-License-Identifier: GPL-3.0-or-later */

/* An image is a guest's file. Whatever it holds, reading ends, and every path can be looked up. */

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2v/archive/initramfs.h"
#include "p2v/core/cleanup.h"
#include "tests/fuzz/fuzz.h"

static bool want_all(void *opaque, const struct archive_member *m)
{
	(void)opaque;
	(void)m;
	return true;
}

static int sum(void *opaque, const struct archive_member *m, const void *bytes, size_t n,
	struct p2v_err *err)
{
	const uint8_t *p = bytes;
	unsigned *total = opaque;

	(void)err;
	if (n != m->size_bytes)
		abort();
	for (size_t i = 0; i < n; i++)
		*total += p[i];
	return 0;
}

static void look_up(const struct archive_initramfs *a)
{
	for (size_t i = 0; i < a->n_segments; i++)
		if (a->segments[i].offset + a->segments[i].length > a->image_bytes)
			abort();
	for (size_t i = 0; i < a->n_members && i < 100; i++) {
		if (a->members[i].segment >= a->n_segments)
			abort();
		archive_initramfs_find(a, a->members[i].path);
	}
	archive_initramfs_find(a, "lib/modules");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	p2v_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
	struct archive_initramfs a = {0};
	unsigned total = 0;
	struct archive_wanted wanted = {&total, want_all, sum};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	if (archive_initramfs_read(fd, &wanted, &a, NULL) < 0)
		return 0;
	look_up(&a);
	archive_initramfs_finish(&a);
	return 0;
}
