/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * /etc/default/grub: shell assignments. What is added goes to GRUB_CMDLINE_LINUX, which the
 * recovery entries have too; `from` is looked for in GRUB_CMDLINE_LINUX_DEFAULT also.
 */

#include <string.h>

#include "converters/boot/args.h"
#include "converters/boot/boot.h"

#define VARIABLE "GRUB_CMDLINE_LINUX"

/* VARIABLE="value" # comment, cut into its parts. */
struct assignment {
	char quote; /* 0: a bare word */
	struct p2v_span value;
};

/* The next line; one of the variables goes on to the line where its quotes end. Where they end in
 * another of the variables, they were never closed: that line is for itself. */
static bool next_statement(struct p2v_span *rest, struct p2v_span *ret)
{
	struct p2v_span value, more, ahead;
	bool closed;

	if (!p2v_line_next(rest, ret))
		return false;
	p2v_span_until(p2v_span_trim(*ret), '=', &value);
	if (!p2v_span_starts(p2v_span_trim(*ret), VARIABLE) || !value.n ||
		!strchr("\"'", value.p[0]))
		return true;
	closed = p2v_span_has(p2v_span_skip(value, 1), value.p[0]);
	for (ahead = *rest; !closed && p2v_line_next(&ahead, &more);) {
		if (p2v_span_starts(p2v_span_trim(more), VARIABLE))
			return true;
		closed = p2v_span_has(more, value.p[0]);
		if (closed) {
			ret->n = (size_t)(more.p + more.n - ret->p);
			*rest = ahead;
		}
	}
	return true;
}

static bool has_escape(struct p2v_span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\\' && (i + 1 == s.n || s.p[i + 1] != '\n'))
			return true;
	return false;
}

/* Only what needs no shell to be understood: one pair of quotes or none, no backslash but at a
 * line's end. */
static bool read_assignment(struct p2v_span line, struct assignment *ret)
{
	struct assignment a = {0};
	struct p2v_span after;
	size_t left;

	if (!p2v_span_has(line, '='))
		return false;
	p2v_span_until(line, '=', &a.value);
	if (a.value.n && (a.value.p[0] == '"' || a.value.p[0] == '\'')) {
		a.quote = a.value.p[0];
		a.value = p2v_span_skip(a.value, 1);
	}
	left = a.value.n;
	a.value = p2v_span_until(a.value, a.quote ? a.quote : ' ', &after);
	if (has_escape(a.value) || (a.quote && a.value.n == left))
		return false;
	for (size_t i = 0; !a.quote && i < a.value.n; i++)
		if (!a.value.p[i] || strchr("\"'$`;&|()<>\t", a.value.p[i]))
			return false;
	after = p2v_span_trim(after);
	*ret = a;
	return after.n == 0 || after.p[0] == '#';
}

/* The last assignment, which wins in a shell: its line's number from 0, and whether it is one that
 * can be edited in place. */
static void find_last(struct p2v_span text, size_t *ret_line, bool *ret_plain)
{
	struct p2v_span line;
	struct assignment a;

	for (size_t i = 0; next_statement(&text, &line); i++) {
		if (!p2v_span_starts(p2v_span_trim(line), VARIABLE "="))
			continue;
		*ret_line = i;
		*ret_plain = read_assignment(line, &a);
	}
}

/* It is set in a form that is not edited here: by export, by +=, in a condition. */
static bool is_set(struct p2v_span text)
{
	static const char *const forms[] = {VARIABLE "=", VARIABLE "+="};
	struct p2v_span line;

	while (p2v_line_next(&text, &line)) {
		line = p2v_span_trim(line);
		for (size_t i = 0; i < 2 && !p2v_span_starts(line, "#"); i++)
			if (memmem(line.p, line.n, forms[i], strlen(forms[i])))
				return true;
	}
	return false;
}

/* What is behind the value stays. A bare value that grows is quoted. */
static void edit_assignment(struct p2v_span line, const struct boot_edit *edit, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf edited = {0};
	struct assignment a;
	size_t head;

	if (!read_assignment(line, &a)) {
		p2v_buf_add(out, line.p, line.n);
		return;
	}
	head = a.value.n ? (size_t)(a.value.p - line.p)
			 : (size_t)((const char *)memchr(line.p, '=', line.n) - line.p) + 1 +
				   (a.quote != 0);
	boot_args_edit(a.value, edit, &edited);
	out->failed |= edited.failed;
	p2v_buf_add(out, line.p, head);
	if (!a.quote && !p2v_span_same(a.value, p2v_span_of(edited.data, edited.len)))
		p2v_buf_addf(out, "\"%s\"", (char *)edited.data);
	else
		p2v_buf_add(out, edited.data, edited.len);
	p2v_buf_add(out, line.p + head + a.value.n, line.n - head - a.value.n);
}

/* Behind all that the file says, in a form that any value before it allows. */
static void add_assignment(
	struct p2v_span text, bool again, const struct boot_edit *edit, struct p2v_buf *out)
{
	if (text.n && !p2v_span_ends(text, "\n"))
		p2v_buf_add_str(out, "\n");
	p2v_buf_add_str(out, VARIABLE "=\"");
	if (again)
		p2v_buf_add_str(out, "$" VARIABLE);
	for (size_t i = 0; i < edit->n_add; i++)
		p2v_buf_addf(out, "%s%s", out->data[out->len - 1] == '"' ? "" : " ", edit->add[i]);
	p2v_buf_add_str(out, "\"\n");
}

static int source_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	const struct boot_edit replace = {.from = edit->from, .to = edit->to};
	const char *end = text.p + text.n;
	struct p2v_span all = text, line;
	size_t last = 0;
	bool plain = false;

	find_last(text, &last, &plain);

	for (size_t i = 0; next_statement(&text, &line); i++) {
		if (plain && i == last)
			edit_assignment(line, edit, out);
		else if (edit->from && p2v_span_starts(p2v_span_trim(line), VARIABLE))
			edit_assignment(line, &replace, out);
		else
			p2v_buf_add(out, line.p, line.n);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	if (!plain && edit->n_add)
		add_assignment(all, is_set(all), edit, out);
	return p2v_buf_check(out, err);
}

const struct boot_format boot_format_grub_default = {.edit = source_edit};
