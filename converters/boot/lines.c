/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/boot/lines.h"

#include <string.h>

#include "converters/boot/args.h"

void boot_line_edit(struct p2v_span line, boot_line_function *find, const struct boot_edit *edit,
	struct p2v_buf *out)
{
	struct p2v_span args;
	size_t head;

	if (!find(line, &args)) {
		p2v_buf_add(out, line.p, line.n);
		return;
	}
	head = (size_t)(args.p - line.p);
	p2v_buf_add(out, line.p, head);
	/* Only blanks, or nothing, behind a word. */
	if (edit->n_add && p2v_span_trim(args).n == 0 && head && !strchr("= \t", line.p[head - 1]))
		p2v_buf_add_str(out, " ");
	boot_args_edit(args, edit, out);
	p2v_buf_add(out, args.p + args.n, line.n - head - args.n);
}

int boot_lines_edit(struct p2v_span text, boot_line_function *find, const struct boot_edit *edit,
	struct p2v_buf *out, struct p2v_err *err)
{
	const char *end = text.p + text.n;
	struct p2v_span line;

	while (p2v_line_next(&text, &line)) {
		boot_line_edit(line, find, edit, out);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}
