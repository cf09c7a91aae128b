/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Kernel arguments, through the boot loader's row. */

#include "converters/apply/editors.h"
#include "converters/boot/boot.h"
#include "drivers-inject/linux/unified.h"

#define MAX_ADD 16

static int edit_with(const struct boot_format *format, struct p2v_span text,
	const struct plan_step *step, struct p2v_buf *out, struct p2v_err *err)
{
	const char *add[MAX_ADD], *value;
	struct boot_edit edit = {.add = add};
	size_t at = 0;

	while (edit.n_add < MAX_ADD && (value = apply_arg_next(step, "add", &at)))
		add[edit.n_add++] = value;
	at = 0;
	edit.from = apply_arg_next(step, "from", &at);
	at = 0;
	edit.to = apply_arg_next(step, "to", &at);
	return format->edit(text, &edit, out, err);
}

int edit_boot_args(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *kind = apply_arg(step, "loader", err);
	const struct boot_loader *loader = boot_loader_find(kind);
	const struct boot_format *format =
		loader ? boot_loader_format(loader, step->path ? step->path : "") : NULL;

	if (!kind)
		return P2V_EFORMAT;
	if (!format || !format->edit)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"no editor for this file of the boot loader %s", kind);
	return edit_with(format, text, step, out, err);
}

struct section {
	const struct plan_step *step;
	struct apply_details *details;
};

/* It holds what /etc/kernel/cmdline holds. */
static int edit_section(void *opaque, struct p2v_span text, struct p2v_buf *out, bool *ret_remove,
	struct p2v_err *err)
{
	const struct section *s = opaque;
	p2v_autobuf struct p2v_buf words = {0};
	int r = edit_with(&boot_format_kernel_cmdline, text, s->step, out, err);

	(void)ret_remove;
	if (r < 0 || p2v_span_same(text, p2v_span_of(out->data, out->len)))
		return r;
	p2v_buf_addf(&words, "arguments \"%.*s\" instead of \"%.*s\"", (int)out->len,
		(const char *)out->data, (int)text.n, text.p);
	p2v_buf_add_u8(&words, 0);
	return words.failed ? p2v_buf_check(&words, err)
			    : apply_details_add(
				      s->details, s->step->path, (const char *)words.data, err);
}

int run_unified_args(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	struct section s = {step, details};

	return linux_unified_change(g, step->path, LINUX_UNIFIED_CMDLINE, edit_section, &s, err);
}
