/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a grub.cfg offers. The file is a script; this reads the shape that grub-mkconfig gives it
 * (one command a line, '{' ends the line of a menuentry or submenu, '}' stands alone) and passes
 * over what it does not know.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/boot/grub2.h"
#include "p2v/core/json.h"

#define MAX_DEPTH  8
#define MAX_INITRD 16

struct block {
	bool entry;	 /* a menuentry */
	bool chosen;	 /* it, or a submenu around it, is what starts by itself */
	unsigned items;	 /* menu items seen inside */
	char where[128]; /* "1>2": second item of the file, third in it */
	struct p2v_span title;
};

struct reader {
	struct block stack[MAX_DEPTH]; /* [0] is the file itself */
	size_t depth;		       /* index of the innermost block */
	size_t ignored;		       /* blocks that are open beyond MAX_DEPTH */
	struct p2v_span wanted;	       /* default entry: "0", "1>2", a title or an id */
	struct boot_menu menu;
	bool chosen_found;
};

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
	struct p2v_span rest = line, word, id = {0};
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
			id = take_string(&rest);
	/* Through a buffer: to the compiler b and up may be the same block. */
	snprintf(where, sizeof(where), "%.100s%s%u", up->where, rd->depth > 1 ? ">" : "",
		up->items++);
	memcpy(b->where, where, sizeof(where));
	if (p2v_span_eq(rd->wanted, b->where) || p2v_span_same(last_part(rd->wanted), b->title) ||
		(id.n && p2v_span_same(last_part(rd->wanted), id)))
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

	if (rd->menu.n_entries == BOOT_MAX_ENTRIES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu entries", BOOT_MAX_ENTRIES);
	e = p2v_json_grow((void **)&rd->menu.entries, &rd->menu.n_entries, sizeof(*e));
	if (!e)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	e->line = (uint32_t)line;
	e->title = p2v_span_dup(b->title);
	e->kernel = p2v_span_dup(kernel);
	e->cmdline = p2v_span_dup(p2v_span_trim(args));
	if (!e->title || !e->kernel || !e->cmdline)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (b->chosen && !rd->chosen_found) {
		rd->menu.default_entry = rd->menu.n_entries - 1;
		rd->chosen_found = true;
	}
	return 0;
}

static int add_initrds(struct reader *rd, struct p2v_span paths, struct p2v_err *err)
{
	struct boot_entry *e;
	struct p2v_span word;
	char *path;
	int r = 0;

	if (!rd->menu.n_entries)
		return 0;
	e = &rd->menu.entries[rd->menu.n_entries - 1];
	while (r == 0 && e->n_initrds < MAX_INITRD && p2v_word_next(&paths, &word)) {
		path = p2v_span_dup(word);
		r = path ? p2v_json_add_str(&e->initrds, &e->n_initrds, path, err)
			 : p2v_err_set(err, P2V_ENOMEM, "no memory");
		free(path);
	}
	return r;
}

static int read_line(struct reader *rd, struct p2v_span line, size_t number, struct p2v_err *err)
{
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
	if (grub2_linux_line(line, &kernel, &args))
		return add_entry(rd, kernel, args, number, err);
	rest = line;
	if (p2v_word_next(&rest, &word) &&
		(p2v_span_eq(word, "initrd") || p2v_span_eq(word, "initrd16") ||
			p2v_span_eq(word, "initrdefi") || p2v_span_eq(word, "$initrd") ||
			p2v_span_eq(word, "${initrd}")))
		return add_initrds(rd, rest, err);
	return 0;
}

int grub2_menu_parse(
	struct p2v_span text, const char *saved, struct boot_menu *ret, struct p2v_err *err)
{
	struct reader rd = {.wanted = find_default(text, saved)};
	struct p2v_span line;
	int r = 0;

	for (size_t number = 1; r == 0 && p2v_line_next(&text, &line); number++)
		r = read_line(&rd, line, number, err);
	if (r < 0) {
		boot_menu_finish(&rd.menu);
		return r;
	}
	if (!rd.chosen_found)
		rd.menu.default_entry = rd.menu.n_entries;
	*ret = rd.menu;
	return 0;
}
