/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Editors of lines. What they do not mean stays byte for byte. */

#include <string.h>

#include "converters/apply/editors.h"

static bool has_line(struct p2v_span text, const char *wanted)
{
	struct p2v_span line;

	while (p2v_line_next(&text, &line))
		if (p2v_span_eq(p2v_span_trim(line), wanted))
			return true;
	return false;
}

int edit_lines_add(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *line;
	size_t at = 0;

	p2v_buf_add(out, text.p, text.n);
	while ((line = apply_arg_next(step, "line", &at))) {
		if (has_line(text, line))
			continue;
		if (out->len && out->data[out->len - 1] != '\n')
			p2v_buf_add_str(out, "\n");
		p2v_buf_addf(out, "%s\n", line);
	}
	return p2v_buf_check(out, err);
}

int edit_file_write(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *line;
	size_t at = 0;

	(void)text;
	while ((line = apply_arg_next(step, "line", &at)))
		p2v_buf_addf(out, "%s\n", line);
	return p2v_buf_check(out, err);
}

int edit_line_comment(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *wanted = apply_arg(step, "text", err), *end = text.p + text.n;
	struct p2v_span line;

	if (!wanted)
		return P2V_EFORMAT;
	while (p2v_line_next(&text, &line)) {
		if (p2v_span_eq(p2v_span_trim(line), wanted))
			p2v_buf_add_str(out, "# p2v: ");
		p2v_buf_add(out, line.p, line.n);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}

/* A device name goes on with these; "/dev/sda1" is not found in "/dev/sda10". */
static bool goes_on(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '/' || c == '_' || c == '-' || c == '.' || c == ':';
}

static bool stands_alone(struct p2v_span line, size_t at, size_t n)
{
	return (at == 0 || !goes_on(line.p[at - 1])) &&
	       (at + n == line.n || !goes_on(line.p[at + n]));
}

static void replace_in_line(
	struct p2v_span line, struct p2v_span from, const char *to, struct p2v_buf *out)
{
	size_t at = 0;

	while (at < line.n) {
		bool hit = from.n && line.n - at >= from.n &&
			   memcmp(line.p + at, from.p, from.n) == 0 &&
			   stands_alone(line, at, from.n);

		if (hit)
			p2v_buf_add_str(out, to);
		else
			p2v_buf_add(out, line.p + at, 1);
		at += hit ? from.n : 1;
	}
}

/* Comments keep what they say: "/ was on /dev/sda1 during installation" stays true. */
int edit_device_replace(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *from = apply_arg(step, "from", err);
	const char *to = from ? apply_arg(step, "to", err) : NULL;
	const char *end = text.p + text.n;
	struct p2v_span line;

	if (!to)
		return P2V_EFORMAT;
	while (p2v_line_next(&text, &line)) {
		if (p2v_span_starts(p2v_span_trim(line), "#"))
			p2v_buf_add(out, line.p, line.n);
		else
			replace_in_line(line, p2v_span_str(from), to, out);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}
