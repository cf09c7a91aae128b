/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Files from the medium with the drivers, and scripts for Windows. */

#include "converters/apply/editors.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "drivers-inject/catalog/windows.h"
#include "p2v/archive/iso.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define CAB_BYTES ((uint64_t)512 << 20)

static int need_medium(const struct catalog_media *media, const char *from, struct p2v_err *err)
{
	return media ? 0
		     : p2v_err_set(err, P2V_EINVAL,
			       "%s: is on the medium with virtio drivers, which was not named "
			       "(--virtio-win)",
			       from);
}

static int copy(struct guest *g, const struct catalog_media *media, const char *from,
	const char *to, const char *why, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	p2v_autofree char *path = NULL;
	int r = need_medium(media, from, err);

	if (r == 0)
		r = guest_path_nocase(g, to, &path, err);
	if (r == 0)
		r = catalog_media_read(media, from, CATALOG_MAX_TOOL_BYTES, &bytes, err);
	return r < 0 ? r : guest_write_file(g, path, bytes.data, bytes.len, 0755, why, err);
}

int run_media_copy(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	size_t at_from = 0, at_to = 0;
	const char *from = apply_arg_next(step, "from", &at_from);
	int r = 0;

	if (!from)
		return p2v_err_set(err, P2V_EFORMAT, "the plan's step %s has no 'from'", step->op);
	for (; r == 0 && from; from = apply_arg_next(step, "from", &at_from)) {
		const char *to = apply_arg_next(step, "to", &at_to);
		p2v_autofree char *path = to ? p2v_path_join(step->path, to) : strdup(step->path);

		r = path ? copy(g, details->media, from, path, step->reason, err)
			 : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	return r;
}

int run_media_certificate(struct guest *g, const struct plan_step *step,
	struct apply_details *details, struct p2v_err *err)
{
	const char *from = apply_arg(step, "from", err);
	p2v_autobuf struct p2v_buf bytes = {0};
	p2v_autofree char *path = NULL;
	int r;

	if (!from)
		return P2V_EFORMAT;
	r = need_medium(details->media, from, err);
	if (r == 0)
		r = guest_path_nocase(g, step->path, &path, err);
	if (r == 0)
		r = catalog_certificate_read(details->media, from, &bytes, err);
	return r < 0 ? r
		     : guest_write_file(g, path, bytes.data, bytes.len, 0644, step->reason, err);
}

/* A copy that lies in the guest, or in a cabinet there. */
int run_inbox_copy(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *from = apply_arg(step, "from", err), *name = apply_arg(step, "name", err);
	p2v_autobuf struct p2v_buf bytes = {0};
	p2v_autoclose int fd = memfd_create("inbox", MFD_CLOEXEC);
	p2v_autofree char *path = NULL;
	size_t n = from ? strlen(from) : 0;
	int r;

	(void)details;
	if (!from || !name)
		return P2V_EFORMAT;
	if (fd < 0)
		return p2v_err_errno(err, errno, "memfd_create");
	if (n > 4 && strcasecmp(from + n - 4, ".cab") == 0) {
		r = guest_download(g, from, CAB_BYTES, fd, err);
		if (r == 0)
			r = archive_cab_member(fd, name, CATALOG_MAX_TOOL_BYTES, &bytes, err);
		r = r < 0 ? p2v_err_wrap(err, r, "%s", from) : 0;
	} else {
		r = guest_read_file(g, from, CATALOG_MAX_TOOL_BYTES, &bytes, err);
	}
	if (r == 0)
		r = guest_path_nocase(g, step->path, &path, err);
	return r < 0 ? r
		     : guest_write_file(g, path, bytes.data, bytes.len, 0755, step->reason, err);
}

/* cmd.exe wants its own line ends. */
int edit_cmd_write(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *line;
	size_t at = 0;

	(void)text;
	while ((line = apply_arg_next(step, "line", &at)))
		p2v_buf_addf(out, "%s\r\n", line);
	return p2v_buf_check(out, err);
}
