/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/boot/args.h"
#include "converters/boot/grub2.h"

#define VARIABLE "GRUB_CMDLINE_LINUX"

/* The line number (from 0) of the last assignment to VARIABLE; the last one wins in a shell. */
static bool find_last(struct p2v_span text, size_t *ret_line)
{
	struct p2v_span line;
	bool found = false;

	for (size_t i = 0; p2v_line_next(&text, &line); i++) {
		if (!p2v_span_starts(p2v_span_trim(line), VARIABLE "="))
			continue;
		*ret_line = i;
		found = true;
	}
	return found;
}

/* VARIABLE="value"  # comment: what is behind the value stays. A bare value that grows is quoted.
 */
static void edit_assignment(struct p2v_span line, const struct boot_edit *edit, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf edited = {0};
	struct p2v_span value;
	char quote = 0;
	size_t head;

	p2v_span_until(line, '=', &value);
	if (value.n && (value.p[0] == '"' || value.p[0] == '\'')) {
		quote = value.p[0];
		value = p2v_span_skip(value, 1);
	}
	head = value.n ? (size_t)(value.p - line.p) : line.n;
	value = p2v_span_until(value, quote ? quote : ' ', NULL);
	boot_args_edit(value, edit, &edited);
	out->failed |= edited.failed;
	p2v_buf_add(out, line.p, head);
	if (!quote && !p2v_span_same(value, p2v_span_of(edited.data, edited.len)))
		p2v_buf_addf(out, "\"%s\"", (char *)edited.data);
	else
		p2v_buf_add(out, edited.data, edited.len);
	p2v_buf_add(out, line.p + head + value.n, line.n - head - value.n);
}

int grub2_source_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	const struct boot_edit replace = {.from = edit->from, .to = edit->to};
	const char *end = text.p + text.n;
	struct p2v_span all = text, line;
	size_t last = 0;
	bool found = find_last(text, &last);

	for (size_t i = 0; p2v_line_next(&text, &line); i++) {
		if (found && i == last)
			edit_assignment(line, edit, out);
		else if (edit->from && p2v_span_starts(p2v_span_trim(line), VARIABLE))
			edit_assignment(line, &replace, out);
		else
			p2v_buf_add(out, line.p, line.n);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	if (!found && edit->n_add) {
		if (all.n && !p2v_span_ends(all, "\n"))
			p2v_buf_add_str(out, "\n");
		edit_assignment(p2v_span_str(VARIABLE "=\"\""), edit, out);
		p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}
