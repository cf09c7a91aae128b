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

/* What `systemctl mask` does. */
int run_unit_mask(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *name = apply_arg(step, "name", err);
	p2v_autofree char *path = name ? p2v_strf("%s/%s.service", step->path, name) : NULL;

	(void)details;
	if (!name)
		return P2V_EFORMAT;
	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return guest_symlink(g, "/dev/null", path, step->reason, err);
}

/* S20name becomes K80name, as chkconfig and update-rc.d do. */
static int disable_in(
	struct guest *g, const char *dir, const char *name, const char *why, struct p2v_err *err)
{
	struct guest_dir d = {0};
	struct p2v_err absent = {0};
	int r = guest_list_dir(g, dir, "S[0-9][0-9]*", MAX_LINKS, &d, &absent);

	if (r == P2V_ENOTFOUND)
		return 0;
	if (r < 0)
		return p2v_err_set(err, r, "%s", absent.text);
	for (size_t i = 0; r == 0 && i < d.n_entries; i++) {
		const char *link = d.entries[i].name;
		p2v_autofree char *from = NULL, *to = NULL;
		int number;

		if (strcmp(link + 3, name) != 0)
			continue;
		number = (link[1] - '0') * 10 + (link[2] - '0');
		from = p2v_path_join(dir, link);
		to = p2v_strf("%s/K%02d%s", dir, number ? 100 - number : 99, name);
		r = from && to ? guest_rename(g, from, to, why, err)
			       : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	guest_dir_finish(&d);
	return r;
}

int run_rc_disable(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *name = apply_arg(step, "name", err);
	int r = name ? 0 : P2V_EFORMAT;

	(void)details;
	for (int level = 2; r == 0 && level <= 5; level++) {
		char dir[32];

		snprintf(dir, sizeof(dir), "/etc/rc%d.d", level);
		r = disable_in(g, dir, name, step->reason, err);
	}
	return r;
}
