/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Kernel arguments, through the boot loader's row. */

#include "converters/apply/editors.h"
#include "converters/boot/boot.h"

#define MAX_ADD 16

int edit_boot_args(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *kind = apply_arg(step, "loader", err);
	const struct boot_loader *loader = boot_loader_find(kind);
	const struct boot_format *format =
		loader ? boot_loader_format(loader, step->path ? step->path : "") : NULL;
	const char *add[MAX_ADD], *value;
	struct boot_edit edit = {.add = add};
	size_t at = 0;

	if (!kind)
		return P2V_EFORMAT;
	if (!format || !format->edit)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"no editor for this file of the boot loader %s", kind);
	while (edit.n_add < MAX_ADD && (value = apply_arg_next(step, "add", &at)))
		add[edit.n_add++] = value;
	at = 0;
	edit.from = apply_arg_next(step, "from", &at);
	at = 0;
	edit.to = apply_arg_next(step, "to", &at);
	return format->edit(text, &edit, out, err);
}
