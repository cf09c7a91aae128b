/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A file that an initramfs holds, changed as its like in the guest is. */

#include <string.h>

#include "converters/apply/editors.h"
#include "drivers-inject/linux/initramfs.h"

static int change(void *opaque, struct p2v_span text, struct p2v_buf *out, bool *ret_remove,
	struct p2v_err *err)
{
	const struct plan_step *step = opaque;
	const char *op = apply_arg(step, "edit", err);
	const struct apply_editor *editor = op ? apply_editor_find(op) : NULL;

	if (!op)
		return P2V_EFORMAT;
	if (strcmp(op, "file-remove") == 0) {
		*ret_remove = true;
		return 0;
	}
	if (!editor || !editor->edit)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "no editor %s for an initramfs", op);
	return editor->edit(text, step, out, err);
}

int run_initramfs_edit(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *inside = apply_arg(step, "inside", err);
	struct plan_step own = *step;

	(void)details;
	return inside ? linux_initramfs_change(g, step->path, inside, change, &own, err)
		      : P2V_EFORMAT;
}
