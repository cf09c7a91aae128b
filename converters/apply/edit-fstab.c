/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "converters/apply/editors.h"

/* systemd starts no target before it has waited for the swaps that the target only wants. */
#define SWAP_WAIT "x-systemd.device-timeout="

/* fstab(5): the options are the fourth field; it and the third may be left out. */
static void add_nofail(struct p2v_span line, struct p2v_buf *out)
{
	struct p2v_span rest = line, field = {0}, options = {0};
	const char *comma;
	bool swap = false;
	size_t n = 0, end;

	while (n < 4 && p2v_word_next(&rest, &field))
		swap |= ++n == 3 && p2v_span_eq(field, "swap");
	if (n < 2 || p2v_span_starts(p2v_span_trim(line), "#")) {
		p2v_buf_add(out, line.p, line.n);
		return;
	}
	if (n == 4)
		options = field;
	comma = n == 4 ? "," : n == 3 ? " " : " auto ";
	end = (size_t)(field.p + field.n - line.p);
	p2v_buf_add(out, line.p, end);
	if (!p2v_span_has_option(options, "nofail")) {
		p2v_buf_addf(out, "%snofail", comma);
		comma = ",";
	}
	if (swap && !p2v_span_has_option(options, SWAP_WAIT))
		p2v_buf_addf(out, "%s" SWAP_WAIT "5s", comma);
	p2v_buf_add(out, line.p + end, line.n - end);
}

int edit_fstab_nofail(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *wanted = apply_arg(step, "line", err), *end = text.p + text.n;
	struct p2v_span line;
	uint64_t number;

	if (!wanted || !p2v_span_u64(p2v_span_str(wanted), UINT32_MAX, &number))
		return p2v_err_set(err, P2V_EFORMAT, "the plan's step %s has no line", step->op);
	for (uint64_t i = 1; p2v_line_next(&text, &line); i++) {
		if (i == number)
			add_nofail(line, out);
		else
			p2v_buf_add(out, line.p, line.n);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}
