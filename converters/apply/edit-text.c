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

static bool has_word(struct p2v_span list, const char *wanted)
{
	struct p2v_span word;

	while (p2v_word_next(&list, &word))
		if (p2v_span_eq(word, wanted))
			return true;
	return false;
}

/* As many lines of the text's front as `wanted` has, and they are the same: their length without
 * the last LF, else 0. */
static size_t match_lines(struct p2v_span text, struct p2v_span wanted)
{
	struct p2v_span whole = text, line = {0}, part;
	bool first = true;

	while (p2v_line_next(&wanted, &part)) {
		bool same = p2v_line_next(&text, &line) &&
			    (first || !wanted.n ? p2v_span_same(
							  p2v_span_trim(line), p2v_span_trim(part))
						: p2v_span_same(line, part));

		if (!same)
			return 0;
		first = false;
	}
	return first ? 0 : (size_t)(line.p + line.n - whole.p);
}

void edit_comment_lines(struct p2v_span lines, struct p2v_buf *out)
{
	const char *end = lines.p + lines.n;
	struct p2v_span line;

	while (p2v_line_next(&lines, &line)) {
		p2v_buf_add_str(out, "# p2v: ");
		p2v_buf_add(out, line.p, line.n);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
}

int edit_line_comment(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *wanted = apply_arg(step, "text", err), *end = text.p + text.n;
	struct p2v_span line;

	if (!wanted)
		return P2V_EFORMAT;
	while (text.n) {
		size_t n = match_lines(text, p2v_span_str(wanted));

		if (n) {
			line = p2v_span_of(text.p, n);
			text = p2v_span_skip(text, n + (n < text.n));
			edit_comment_lines(line, out);
		} else {
			p2v_line_next(&text, &line);
			p2v_buf_add(out, line.p, line.n);
		}
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}

/* NAME="a b": words that are not among the value's are added to it; without such a line, one is
 * made. The last one counts. */
int edit_words_add(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *name = apply_arg(step, "name", err), *word, *end = text.p + text.n;
	struct p2v_span line, value, all = text, last = {0};
	char quote = '"';
	size_t at = 0, head;

	if (!name)
		return P2V_EFORMAT;
	while (p2v_line_next(&all, &line))
		if (p2v_span_eq(p2v_span_until(line, '=', NULL), name))
			last = line;
	if (!last.p)
		last = p2v_span_of(end, 0);
	p2v_buf_add(out, text.p, (size_t)(last.p - text.p));
	if (!last.n && out->len && out->data[out->len - 1] != '\n')
		p2v_buf_add_str(out, "\n");
	p2v_span_until(last, '=', &value);
	if (value.n && (value.p[0] == '"' || value.p[0] == '\'')) {
		quote = value.p[0];
		value = p2v_span_until(p2v_span_skip(value, 1), quote, NULL);
	}
	head = out->len;
	p2v_buf_addf(out, "%s=%c%.*s", name, quote, (int)value.n, value.p ? value.p : "");
	while ((word = apply_arg_next(step, "word", &at)))
		if (!has_word(value, word))
			p2v_buf_addf(
				out, "%s%s", out->len == head + strlen(name) + 2 ? "" : " ", word);
	p2v_buf_addf(out, "%c%s", quote, last.n ? "" : "\n");
	p2v_buf_add(out, last.p + last.n, (size_t)(end - last.p - last.n));
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
