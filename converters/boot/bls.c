/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Entry files of the Boot Loader Specification, type 1: "key value" lines, one entry a file. A key
 * may come several times; all `options` together are the command line. And the file from which
 * kernel-install(8) takes the options of the next entry.
 */

#include <string.h>

#include "converters/boot/args.h"
#include "converters/boot/lines.h"
#include "converters/boot/menu.h"

static bool find_options(struct p2v_span line, struct p2v_span *ret_args)
{
	struct p2v_span rest = line, word;

	if (!p2v_word_next(&rest, &word) || !p2v_span_eq(word, "options"))
		return false;
	*ret_args = rest;
	return true;
}

/* "x-6.1.conf" -> "x-6.1"; tries that are counted in the name ("x+3-0.conf") are not part of it. */
static struct p2v_span id_of(const char *path)
{
	struct p2v_span name = p2v_span_str(boot_base_name(path));

	if (p2v_span_ends(name, ".conf"))
		name.n -= strlen(".conf");
	return p2v_span_until(name, '+', NULL);
}

static int read_key(struct boot_entry *e, struct p2v_span line, struct p2v_err *err)
{
	struct p2v_span rest = line, key, value;

	if (!p2v_word_next(&rest, &key))
		return 0;
	value = p2v_span_trim(rest);
	if (p2v_span_eq(key, "title"))
		return boot_set(&e->title, value, err);
	if (p2v_span_eq(key, "version"))
		return boot_set(&e->version, value, err);
	if (p2v_span_eq(key, "linux"))
		return boot_set_kernel(e, value, err);
	if (p2v_span_eq(key, "initrd"))
		return boot_add_initrds(e, value, err);
	if (p2v_span_eq(key, "options"))
		return boot_join(&e->cmdline, value, err);
	return 0;
}

static int bls_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct p2v_span line;
	struct boot_entry *e;
	int r = boot_menu_add(menu, &e, err);

	if (r < 0)
		return r;
	menu->from_files++;
	r = boot_set(&e->id, id_of(path), err);
	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		if (find_options(line, &(struct p2v_span){0}))
			e->line = n;
		r = read_key(e, line, err);
	}
	return r;
}

/* $kernelopts stands for arguments in grubenv, where they are added. */
static bool are_elsewhere(struct p2v_span args)
{
	return boot_args_have(args, "$kernelopts") || boot_args_have(args, "${kernelopts}");
}

/* Number from 0 of the last options line; whether what is to be added is there, or is not to be
 * added here. */
static size_t survey(struct p2v_span text, const struct boot_edit *edit, bool *ret_done)
{
	struct p2v_span line, args;
	size_t last = SIZE_MAX;

	*ret_done = edit->n_add == 0;
	for (size_t n = 0; p2v_line_next(&text, &line); n++) {
		if (!find_options(line, &args))
			continue;
		last = n;
		*ret_done |= are_elsewhere(args) ||
			     (edit->n_add && boot_args_have(args, edit->add[edit->n_add - 1]));
	}
	return last;
}

static void add_options(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out)
{
	if (text.n && !p2v_span_ends(text, "\n"))
		p2v_buf_add_str(out, "\n");
	p2v_buf_add_str(out, "options");
	for (size_t i = 0; i < edit->n_add; i++)
		p2v_buf_addf(out, " %s", edit->add[i]);
	p2v_buf_add_str(out, "\n");
}

static bool names_kernel(struct p2v_span text)
{
	struct p2v_span line, word;

	while (p2v_line_next(&text, &line))
		if (p2v_word_next(&line, &word) && p2v_span_eq(word, "linux"))
			return true;
	return false;
}

static int bls_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	const struct boot_edit replace = {.from = edit->from, .to = edit->to};
	const char *end = text.p + text.n;
	struct p2v_span all = text, line;
	bool done;
	size_t last = survey(text, edit, &done);

	for (size_t n = 0; p2v_line_next(&text, &line); n++) {
		boot_line_edit(line, find_options, n == last && !done ? edit : &replace, out);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	if (last == SIZE_MAX && !done && names_kernel(all))
		add_options(all, edit, out);
	return p2v_buf_check(out, err);
}

/* /etc/kernel/cmdline: one command line, which may be broken over lines; '#' begins a comment. */
static bool find_words(struct p2v_span line, struct p2v_span *ret_args)
{
	*ret_args = line;
	return p2v_span_trim(line).n && !p2v_span_starts(p2v_span_trim(line), "#");
}

static int cmdline_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	const struct boot_edit replace = {.from = edit->from, .to = edit->to};
	const char *end = text.p + text.n;
	struct p2v_span rest = text, line, args;
	size_t last = SIZE_MAX, n = 0;
	bool done = edit->n_add == 0;

	for (; p2v_line_next(&rest, &line); n++)
		if (find_words(line, &args)) {
			last = n;
			done |= edit->n_add && boot_args_have(args, edit->add[edit->n_add - 1]);
		}
	for (n = 0; p2v_line_next(&text, &line); n++) {
		boot_line_edit(line, find_words, n == last && !done ? edit : &replace, out);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}

const struct boot_format boot_format_bls = {.read = bls_read, .edit = bls_edit};
const struct boot_format boot_format_kernel_cmdline = {.edit = cmdline_edit};
