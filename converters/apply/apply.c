/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/apply/apply.h"

#include <stdlib.h>
#include <string.h>

#include "converters/apply/editors.h"
#include "converters/apply/report.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define TEXT_MAX ((uint64_t)4 << 20)

/* A directory that poses as a guest has no disks, and its root is mounted from the start: the door
 * says so at the first mount. */
static int mount_all(
	struct guest *g, const struct plan *plan, bool *ret_mounted, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n_mounts; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		const char *subvolume = NULL;

		if (m->options && strncmp(m->options, "subvol=", 7) == 0)
			subvolume = m->options + 7;
		r = guest_mount(g, m->device, m->mountpoint, subvolume, false, err);
		if (r == P2V_EUNSUPPORTED && i == 0) {
			p2v_err_clear(err);
			return 0;
		}
		*ret_mounted |= r == 0;
	}
	return r;
}

static int run_edit(struct guest *g, const struct apply_editor *editor,
	const struct plan_step *step, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf before = {0}, after = {0};
	struct p2v_err why = {0};
	int r = guest_read_file(g, step->path, TEXT_MAX, &before, &why);

	if (r < 0 && !(r == P2V_ENOTFOUND && editor->creates))
		return p2v_err_set(err, r, "%s", why.text);
	r = editor->edit(p2v_span_of(before.data ? (const char *)before.data : "", before.len),
		step, &after, err);
	if (r == 0)
		r = guest_write_file(g, step->path, after.data, after.len, 0644, step->reason, err);
	return r;
}

static int run_step(struct guest *g, const struct plan_step *step, struct apply_report *report,
	struct p2v_err *err)
{
	const struct apply_editor *editor = apply_editor_find(step->op);

	if (!editor)
		return p2v_err_set(
			err, P2V_EUNSUPPORTED, "the plan's step %s is unknown here", step->op);
	return editor->run ? editor->run(g, step, &report->details, err)
			   : run_edit(g, editor, step, err);
}

static int run_steps(struct guest *g, const struct plan *plan, struct p2v_progress *progress,
	struct apply_report *report, struct p2v_err *err)
{
	int r = 0;

	p2v_progress_start(progress, plan->name, "steps", plan->n_steps);
	for (size_t i = 0; r == 0 && i < plan->n_steps; i++) {
		r = p2v_stop_check(err);
		if (r == 0)
			r = run_step(g, &plan->steps[i], report, err);
		if (r == 0)
			r = apply_report_note_step(report, g, i, err);
		if (r < 0)
			p2v_err_wrap(err, r, "%s", plan->steps[i].op);
		p2v_progress_set(progress, i + 1);
	}
	p2v_progress_end(progress);
	return r;
}

static int refuse(const struct guest *g, const struct plan *plan, struct p2v_err *err)
{
	if (plan->n_blockers)
		return p2v_err_set(err, P2V_EREFUSED, "%s", plan->blockers[0]);
	if (!guest_is_writable(g))
		return p2v_err_set(err, P2V_EREFUSED, "the guest is opened to be read only");
	return 0;
}

int apply_run(struct guest *g, const struct plan *plan, const struct catalog_media *media,
	const char *changes_dir, struct p2v_progress *progress, struct changes *ret,
	struct p2v_err *err)
{
	struct apply_report report = {.details.media = media};
	struct changes changes = {.version = 1};
	uint64_t start = p2v_now_ms();
	bool mounted = false;
	int r = refuse(g, plan, err);

	if (r == 0)
		r = mount_all(g, plan, &mounted, err);
	if (r == 0)
		r = run_steps(g, plan, progress, &report, err);
	if (r == 0)
		r = apply_report_make(&report, g, plan->name, changes_dir, &changes, err);
	if (mounted) {
		int u = guest_umount_all(g, r < 0 ? NULL : err);

		r = r < 0 ? r : u;
	}
	apply_report_finish(&report);
	if (r < 0) {
		model_changes_finish(&changes);
		return r;
	}
	changes.duration_ms = p2v_now_ms() - start;
	*ret = changes;
	return 0;
}
