/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/boot/lines.h"

#include <string.h>

#include "converters/boot/args.h"
#include "converters/boot/menu.h"
#include "p2v/core/cleanup.h"

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

/* The kernel that Xen starts. Its console is Xen's, so that nothing is added. */
static bool find_dom0(struct p2v_span line, struct p2v_span *ret_args)
{
	struct p2v_span rest = line, word, path;
	p2v_autofree char *kernel = NULL;

	if (!p2v_word_next(&rest, &word) ||
		(!p2v_span_eq(word, "module") && !p2v_span_eq(word, "module2")) ||
		!p2v_word_next(&rest, &path))
		return false;
	kernel = p2v_span_dup(path);
	*ret_args = rest;
	return kernel && strncmp(boot_base_name(kernel), "vmlinu", 6) == 0;
}

/* "set NAME=VALUE": what a variable holds may come to stand in a command line. */
static bool find_value(struct p2v_span line, struct p2v_span *ret_args)
{
	struct p2v_span rest = line, word;

	if (!p2v_word_next(&rest, &word) || !p2v_span_eq(word, "set") || !p2v_span_has(rest, '='))
		return false;
	p2v_span_until(rest, '=', ret_args);
	*ret_args = p2v_span_unquote(p2v_span_trim(*ret_args));
	return true;
}

int boot_lines_edit_grub(struct p2v_span text, boot_line_function *find,
	const struct boot_edit *edit, struct p2v_buf *out, struct p2v_err *err)
{
	const struct boot_edit replace = {.from = edit->from, .to = edit->to};
	const char *end = text.p + text.n;
	struct p2v_span line, args;

	while (p2v_line_next_joined(&text, &line)) {
		if (find(line, &args))
			boot_line_edit(line, find, edit, out);
		else
			boot_line_edit(line, find_dom0(line, &args) ? find_dom0 : find_value,
				&replace, out);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}
