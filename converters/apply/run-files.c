/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Files that go or are copied, and services that are not to start. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "converters/apply/editors.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define MAX_LINKS      ((size_t)1024)
#define COPY_MAX_BYTES ((uint64_t)64 << 20)

int run_file_remove(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	(void)details;
	return guest_remove(g, step->path, step->reason, err);
}

/* xorg.conf becomes xorg.conf.p2v-off, which nobody reads. */
int run_file_set_aside(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	p2v_autofree char *to = p2v_strf("%s.p2v-off", step->path);

	(void)details;
	return to ? guest_rename(g, step->path, to, step->reason, err)
		  : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

/* By way of the host: a program on an EFI system partition is some megabytes. */
int run_file_copy(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *from = apply_arg(step, "from", err);
	p2v_autoclose int fd = -1;
	int r;

	(void)details;
	if (!from)
		return P2V_EFORMAT;
	fd = memfd_create("copy", MFD_CLOEXEC);
	if (fd < 0)
		return p2v_err_errno(err, errno, "memfd_create");
	r = guest_download(g, from, COPY_MAX_BYTES, fd, err);
	return r < 0 ? r : guest_upload(g, fd, step->path, 0700, step->reason, err);
}
