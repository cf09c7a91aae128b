/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/boot/args.h"

#include <string.h>

static bool same_up_to_comma(struct p2v_span a, struct p2v_span b)
{
	return p2v_span_same(p2v_span_until(a, ',', NULL), p2v_span_until(b, ',', NULL));
}

bool boot_args_have(struct p2v_span args, const char *word)
{
	struct p2v_span got;

	while (p2v_word_next(&args, &got))
		if (same_up_to_comma(got, p2v_span_str(word)))
			return true;
	return false;
}

static bool has_exactly(struct p2v_span args, const char *word)
{
	struct p2v_span got;

	while (p2v_word_next(&args, &got))
		if (p2v_span_eq(got, word))
			return true;
	return false;
}

/* Without quotes at its ends, also where they belong to several words: "root=/dev/sda1 ro". */
static struct p2v_span without_quotes(struct p2v_span word)
{
	while (word.n && strchr("\"'", word.p[0]))
		word = p2v_span_skip(word, 1);
	while (word.n && strchr("\"'", word.p[word.n - 1]))
		word.n--;
	return word;
}

/* What of the word is meant: where it goes for good, with its own quotes. */
static bool find_core(struct p2v_span word, const struct boot_edit *edit, struct p2v_span *ret_core)
{
	struct p2v_span core;

	if (!edit->from)
		return false;
	core = p2v_span_eq(word, edit->from) ? word : without_quotes(word);
	*ret_core = edit->to || !p2v_span_same(core, p2v_span_unquote(word)) ? core : word;
	return p2v_span_eq(core, edit->from);
}

/* Words and the blanks before them go over one by one. A removed word takes its blanks along, but
 * for the end of a line. */
static void copy_replaced(struct p2v_span args, const struct boot_edit *edit, struct p2v_buf *out)
{
	struct p2v_span rest = args, word, core;

	for (const char *from = rest.p; p2v_word_next(&rest, &word); from = rest.p) {
		if (!find_core(word, edit, &core)) {
			p2v_buf_add(out, from, (size_t)(rest.p - from));
			continue;
		}
		if (edit->to || core.n < word.n || memchr(from, '\n', (size_t)(word.p - from)))
			p2v_buf_add(out, from, (size_t)(core.p - from));
		p2v_buf_add_str(out, edit->to ? edit->to : "");
		p2v_buf_add(out, core.p + core.n, (size_t)(rest.p - core.p) - core.n);
	}
}

static void add_missing(struct p2v_span args, const struct boot_edit *edit, struct p2v_buf *out)
{
	bool blank = args.n > 0;

	if (!edit->n_add || boot_args_have(args, edit->add[edit->n_add - 1]))
		return;
	for (size_t i = 0; i < edit->n_add; i++) {
		if (has_exactly(args, edit->add[i]))
			continue;
		p2v_buf_addf(out, "%s%s", blank ? " " : "", edit->add[i]);
		blank = true;
	}
}

void boot_args_edit(struct p2v_span args, const struct boot_edit *edit, struct p2v_buf *out)
{
	struct p2v_span core = p2v_span_trim(args);
	size_t tail;

	if (p2v_span_ends(core, "\\"))
		core = p2v_span_trim(p2v_span_of(core.p, core.n - 1));
	if (core.n == 0) {
		add_missing(core, edit, out);
		p2v_buf_add(out, args.p, args.n);
		return;
	}
	tail = (size_t)(core.p - args.p) + core.n;
	copy_replaced(p2v_span_of(args.p, tail), edit, out);
	add_missing(core, edit, out);
	p2v_buf_add(out, args.p + tail, args.n - tail);
}
