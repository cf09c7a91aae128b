/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a grub.cfg offers. The file is a script; this reads the shape that grub-mkconfig gives it
 * (one command a line, '{' ends the line of a menuentry or submenu, '}' stands alone) and passes
 * over what it does not know.
 */

#include <stdio.h>
#include <string.h>

#include "converters/boot/lines.h"
#include "converters/boot/menu.h"
#include "p2v/core/cleanup.h"

#define MAX_DEPTH 8

struct block {
	bool entry;	 /* a menuentry */
	bool chosen;	 /* it, or a submenu around it, is what starts by itself */
	unsigned items;	 /* menu items seen inside */
	char where[128]; /* "1>2": second item of the file, third in it */
	struct p2v_span title, id;
};

struct reader {
	struct block stack[MAX_DEPTH]; /* [0] is the file itself */
	size_t depth;		       /* index of the innermost block */
	size_t ignored;		       /* blocks that are open beyond MAX_DEPTH */
	struct p2v_span wanted;	       /* default entry: "0", "1>2", a title or an id */
	struct boot_menu *menu;
	struct boot_entry *now; /* the last entry of this file; NULL: none yet */
};

/* Whether the line is a command that names a Linux kernel; then the kernel's path and all that
 * stands behind it. */
static bool linux_line(struct p2v_span line, struct p2v_span *ret_kernel, struct p2v_span *ret_args)
{
	static const char *const commands[] = {
		"linux", "linux16", "linuxefi", "$linux", "${linux}"};
	struct p2v_span rest = line, word, kernel;

	if (!p2v_word_next(&rest, &word))
		return false;
	for (size_t i = 0; i < P2V_N(commands); i++) {
		if (!p2v_span_eq(word, commands[i]))
			continue;
		if (!p2v_word_next(&rest, &kernel))
			return false;
		*ret_kernel = kernel;
		*ret_args = rest;
		return true;
	}
	return false;
}

static bool find_args(struct p2v_span line, struct p2v_span *ret_args)
{
	struct p2v_span kernel;

	return linux_line(line, &kernel, ret_args);
}

/* 'title' or "title" or a bare word, from the front of rest. */
static struct p2v_span take_string(struct p2v_span *rest)
{
	struct p2v_span word;
	char quote;

	*rest = p2v_span_trim(*rest);
	if (rest->n == 0)
		return *rest;
	quote = rest->p[0];
	if (quote != '"' && quote != '\'') {
		p2v_word_next(rest, &word);
		return word;
	}
	*rest = p2v_span_skip(*rest, 1);
	return p2v_span_until(*rest, quote, rest);
}

/* The last plain `set default=`; one that asks the environment yields what is saved there. */
static struct p2v_span find_default(struct p2v_span text, const char *saved)
{
	struct p2v_span found = p2v_span_str("0"), line, value;

	while (p2v_line_next(&text, &line)) {
		line = p2v_span_trim(line);
		if (!p2v_span_starts(line, "set default="))
			continue;
		value = p2v_span_unquote(
			p2v_span_trim(p2v_span_skip(line, strlen("set default="))));
		if (p2v_span_eq(value, "${saved_entry}"))
			found = p2v_span_str(saved && *saved ? saved : "0");
		else if (!p2v_span_has(value, '$'))
			found = value;
	}
	return found;
}

/* The last part of "a>b" where the menu is named by titles or ids. */
static struct p2v_span last_part(struct p2v_span s)
{
	struct p2v_span after = s;

	while (p2v_span_has(s, '>')) {
		p2v_span_until(s, '>', &after);
		s = after;
	}
	return s;
}

static void open_block(struct reader *rd, struct p2v_span line)
{
	struct block *up = &rd->stack[rd->depth], *b;
	struct p2v_span rest = line, word;
	char where[sizeof(b->where)];

	if (rd->depth + 1 == MAX_DEPTH) {
		rd->ignored++;
		return;
	}
	b = &rd->stack[++rd->depth];
	memset(b, 0, sizeof(*b));
	b->chosen = up->chosen;
	p2v_word_next(&rest, &word);
	b->entry = p2v_span_eq(word, "menuentry");
	if (!b->entry && !p2v_span_eq(word, "submenu"))
		return;
	b->title = take_string(&rest);
	while (p2v_word_next(&rest, &word))
		if (p2v_span_eq(word, "$menuentry_id_option") || p2v_span_eq(word, "--id"))
			b->id = take_string(&rest);
	/* Through a buffer: to the compiler b and up may be the same block. */
	snprintf(where, sizeof(where), "%.100s%s%u", up->where, rd->depth > 1 ? ">" : "",
		up->items++);
	memcpy(b->where, where, sizeof(where));
	if (p2v_span_eq(rd->wanted, b->where) || p2v_span_same(last_part(rd->wanted), b->title) ||
		(b->id.n && p2v_span_same(last_part(rd->wanted), b->id)))
		b->chosen = true;
}

static void close_block(struct reader *rd)
{
	if (rd->ignored)
		rd->ignored--;
	else if (rd->depth)
		rd->depth--;
}

static int add_entry(struct reader *rd, struct p2v_span kernel, struct p2v_span args, size_t line,
	struct p2v_err *err)
{
	const struct block *b = &rd->stack[rd->depth];
	struct boot_entry *e;
	int r = boot_menu_add(rd->menu, &e, err);

	if (r < 0)
		return r;
	rd->now = e;
	e->line = (uint32_t)line;
	if (b->chosen && !rd->menu->settled) {
		rd->menu->default_entry = rd->menu->n_entries - 1;
		rd->menu->settled = true;
	}
	r = boot_set(&e->title, b->title, err);
	if (r == 0)
		r = boot_set(&e->id, b->id, err);
	if (r == 0)
		r = boot_set_kernel(e, kernel, err);
	return r == 0 ? boot_set_args(e, args, err) : r;
}

static int read_line(struct reader *rd, struct p2v_span line, size_t number, struct p2v_err *err)
{
	static const char *const initrds[] = {
		"initrd", "initrd16", "initrdefi", "$initrd", "${initrd}"};
	struct p2v_span kernel, args, rest, word;

	line = p2v_span_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	if (p2v_span_eq(line, "}")) {
		close_block(rd);
		return 0;
	}
	if (p2v_span_ends(line, "{")) {
		open_block(rd, line);
		return 0;
	}
	if (linux_line(line, &kernel, &args))
		return add_entry(rd, kernel, args, number, err);
	rest = line;
	if (!p2v_word_next(&rest, &word))
		return 0;
	if (p2v_span_eq(word, "blscfg"))
		rd->menu->wants_files = true;
	for (size_t i = 0; rd->now && i < P2V_N(initrds); i++)
		if (p2v_span_eq(word, initrds[i]))
			return boot_add_initrds(rd->now, rest, err);
	return 0;
}

static int read_lines(struct reader *rd, struct p2v_span text, struct p2v_err *err)
{
	struct p2v_span line;
	size_t number = 1;
	int r = 0;

	while (r == 0 && p2v_line_next_joined(&text, &line)) {
		r = read_line(rd, line, number++, err);
		while (p2v_span_has(line, '\n')) {
			p2v_span_until(line, '\n', &line);
			number++;
		}
	}
	return r;
}

/* Where the default is no entry of this file, it is not known yet: except where the file leaves the
 * menu, and with it the choice, to entry files. */
static int cfg_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct reader rd = {.wanted = find_default(text, menu->saved), .menu = menu};
	int r = menu->wanted ? 0 : boot_set(&menu->wanted, rd.wanted, err);

	(void)path;
	if (r == 0)
		r = read_lines(&rd, text, err);
	menu->n_items += rd.stack[0].items;
	if (r == 0 && !menu->settled && menu->n_entries && !menu->wants_files) {
		menu->default_entry = SIZE_MAX;
		menu->settled = true;
	}
	return r;
}

/* custom.cfg, which grub.cfg reads at its end: its menu goes on here. */
static int custom_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct reader rd = {.menu = menu, .stack[0].items = menu->n_items};
	bool open = menu->settled && menu->default_entry == SIZE_MAX;
	int r;

	(void)path;
	if (open)
		rd.wanted = p2v_span_str(menu->wanted);
	menu->settled &= !open;
	r = read_lines(&rd, text, err);
	menu->settled |= open;
	return r;
}

static int cfg_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	return boot_lines_edit_grub(text, find_args, edit, out, err);
}

/* In a script that prints a part of grub.cfg: a line with variables of the script's own is made
 * anew each time, one without them comes out as it stands. */
static bool find_literal(struct p2v_span line, struct p2v_span *ret_args)
{
	return find_args(line, ret_args) && !p2v_span_has(line, '$');
}

static int script_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	/* All of it is printed: variables are GRUB's. */
	bool is_menu = memmem(text.p, text.n, "\nexec tail ", 11) != NULL;

	return is_menu ? cfg_edit(text, edit, out, err)
		       : boot_lines_edit(text, find_literal, edit, out, err);
}

const struct boot_format boot_format_grub_cfg = {.read = cfg_read, .edit = cfg_edit};
const struct boot_format boot_format_grub_custom = {.read = custom_read, .edit = cfg_edit};
const struct boot_format boot_format_grub_script = {.edit = script_edit};
