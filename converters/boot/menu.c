/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/boot/menu.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "p2v/core/json.h"

static void finish_entry(struct boot_entry *e)
{
	for (size_t k = 0; k < e->n_initrds; k++)
		free(e->initrds[k]);
	free(e->initrds);
	free(e->id);
	free(e->title);
	free(e->version);
	free(e->kernel);
	free(e->cmdline);
}

void boot_menu_finish(struct boot_menu *menu)
{
	for (size_t i = 0; i < menu->n_entries; i++)
		finish_entry(&menu->entries[i]);
	free(menu->entries);
	free(menu->wanted);
	free(menu->saved);
	free(menu->kernelopts);
	memset(menu, 0, sizeof(*menu));
}

int boot_set(char **to, struct p2v_span s, struct p2v_err *err)
{
	char *copy = p2v_span_dup(s);

	if (!copy)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	free(*to);
	*to = copy;
	return 0;
}

int boot_join(char **to, struct p2v_span s, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf both = {0};

	if ((*to ? strlen(*to) : 0) + s.n > BOOT_MAX_ARGS)
		return p2v_err_set(err, P2V_EFORMAT,
			"arguments of more than %zu bytes: no kernel takes them", BOOT_MAX_ARGS);
	if (*to && **to)
		p2v_buf_addf(&both, "%s ", *to);
	p2v_buf_add(&both, s.p, s.n);
	if (both.failed)
		return p2v_buf_check(&both, err);
	return boot_set(
		to, p2v_span_of(both.data ? both.data : (const uint8_t *)"", both.len), err);
}

int boot_set_args(struct boot_entry *e, struct p2v_span args, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf words = {0};
	struct p2v_span word;
	int r;

	while (p2v_word_next(&args, &word))
		if (!p2v_span_eq(word, "\\"))
			p2v_buf_addf(&words, "%s%.*s", words.len ? " " : "", (int)word.n, word.p);
	r = p2v_buf_check(&words, err);
	*e->cmdline = '\0';
	return r == 0 ? boot_join(&e->cmdline, p2v_span_of(words.data, words.len), err) : r;
}

int boot_menu_add(struct boot_menu *menu, struct boot_entry **ret, struct p2v_err *err)
{
	struct boot_entry *e;

	if (menu->n_entries == BOOT_MAX_ENTRIES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu entries", BOOT_MAX_ENTRIES);
	e = p2v_json_grow((void **)&menu->entries, &menu->n_entries, sizeof(*e));
	if (!e)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	*e = (struct boot_entry){.id = strdup(""),
		.title = strdup(""),
		.version = strdup(""),
		.kernel = strdup(""),
		.cmdline = strdup("")};
	if (!e->id || !e->title || !e->version || !e->kernel || !e->cmdline)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	*ret = e;
	return 0;
}

int boot_set_kernel(struct boot_entry *e, struct p2v_span path, struct p2v_err *err)
{
	if (p2v_span_starts(path, "("))
		p2v_span_until(path, ')', &path);
	return boot_set(&e->kernel, path, err);
}

int boot_add_initrds(struct boot_entry *e, struct p2v_span paths, struct p2v_err *err)
{
	struct p2v_span word;
	int r = 0;

	while (r == 0 && e->n_initrds < BOOT_MAX_INITRDS && p2v_word_next(&paths, &word)) {
		char *path;

		/* "$tuned_initrd" is mostly empty, and never the initramfs. */
		if (p2v_span_starts(word, "$"))
			continue;
		if (p2v_span_starts(word, "("))
			p2v_span_until(word, ')', &word);
		path = p2v_span_dup(word);
		r = path ? p2v_json_add_str(&e->initrds, &e->n_initrds, path, err)
			 : p2v_err_set(err, P2V_ENOMEM, "no memory");
		free(path);
	}
	return r;
}

const char *boot_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool boot_keyword(struct p2v_span line, const char *word, struct p2v_span *ret_rest)
{
	struct p2v_span rest = line, first;

	if (!p2v_word_next(&rest, &first) || first.n != strlen(word) ||
		strncasecmp(first.p, word, first.n) != 0)
		return false;
	*ret_rest = p2v_span_trim(rest);
	return true;
}

/* Newest first, as all loaders list entry files: by kernel version, else by the file's name. */
static int newer_first(const void *a, const void *b)
{
	const struct boot_entry *x = a, *y = b;
	int r = *x->version && *y->version ? strverscmp(y->version, x->version) : 0;

	return r ? r : strverscmp(y->id, x->id);
}

static void drop_files(struct boot_menu *menu)
{
	for (; menu->from_files; menu->from_files--)
		finish_entry(&menu->entries[--menu->n_entries]);
}

static int expand(struct boot_menu *menu, struct boot_entry *e, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_span rest = p2v_span_str(e->cmdline), word;

	if (!strchr(e->cmdline, '$'))
		return 0;
	while (p2v_word_next(&rest, &word)) {
		if (p2v_span_eq(word, "$kernelopts") || p2v_span_eq(word, "${kernelopts}"))
			word = p2v_span_str(menu->kernelopts);
		else if (word.p[0] == '$')
			continue;
		if (word.n && out.len)
			p2v_buf_add_str(&out, " ");
		p2v_buf_add(&out, word.p, word.n);
	}
	if (out.failed)
		return p2v_buf_check(&out, err);
	return boot_set(
		&e->cmdline, p2v_span_of(out.data ? out.data : (const uint8_t *)"", out.len), err);
}

/* "saved" and GRUB's variable mean what the environment remembers. */
static const char *wanted(const struct boot_menu *menu)
{
	if (!menu->wanted || strcmp(menu->wanted, "saved") == 0 || strchr(menu->wanted, '$'))
		return menu->saved;
	return menu->wanted;
}

/* Beyond a few stars fnmatch may search for longer than anyone waits. */
static bool matches(const char *pattern, const char *name)
{
	size_t stars = 0;

	for (const char *p = pattern; *p; p++)
		stars += *p == '*';
	return stars > 3 ? strcmp(pattern, name) == 0 : fnmatch(pattern, name, 0) == 0;
}

static bool is_wanted(const struct boot_entry *e, const char *name)
{
	p2v_autobuf struct p2v_buf file = {0};

	p2v_buf_addf(&file, "%s.conf", e->id);
	return !strcmp(e->title, name) || matches(name, e->id) ||
	       (!file.failed && matches(name, (const char *)file.data));
}

static size_t find_default(const struct boot_menu *menu)
{
	const char *name = wanted(menu);
	uint64_t number;

	for (size_t i = 0; name && *name && i < menu->n_entries; i++)
		if (is_wanted(&menu->entries[i], name))
			return i;
	if (p2v_span_u64(p2v_span_str(name), menu->n_entries, &number))
		return (size_t)number;
	return 0;
}

int boot_menu_settle(struct boot_menu *menu, struct p2v_err *err)
{
	int r = 0;

	if (!menu->wants_files)
		drop_files(menu);
	if (menu->from_files > 1)
		qsort(menu->entries + menu->n_entries - menu->from_files, menu->from_files,
			sizeof(*menu->entries), newer_first);
	for (size_t i = 0; r == 0 && i < menu->n_entries; i++)
		r = expand(menu, &menu->entries[i], err);
	if (!menu->settled)
		menu->default_entry = find_default(menu);
	else if (menu->default_entry > menu->n_entries)
		menu->default_entry = menu->n_entries;
	return r;
}
