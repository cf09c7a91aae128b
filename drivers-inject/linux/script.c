/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/script.h"

#include <stdint.h>
#include <string.h>

#include "p2v/core/cleanup.h"

#define LIST "RESOLVED_INITRD_MODULES="

bool linux_script_is_nash(struct p2v_span text)
{
	return p2v_span_starts(text, "#!/bin/nash") || p2v_span_starts(text, "#!/sbin/nash");
}

static struct p2v_span first_word(struct p2v_span line)
{
	struct p2v_span word = {0};

	p2v_word_next(&line, &word);
	return word;
}

bool linux_script_nash_loads(struct p2v_span text, const char *file)
{
	struct p2v_span line, word;

	while (p2v_line_next(&text, &line)) {
		if (!p2v_word_next(&line, &word) || !p2v_span_eq(word, "insmod") ||
			!p2v_word_next(&line, &word))
			continue;
		if (p2v_span_starts(word, "/lib/") && p2v_span_eq(p2v_span_skip(word, 5), file))
			return true;
	}
	return false;
}

/* What looks for disks: behind it drivers come too late. */
static bool is_search(struct p2v_span word)
{
	static const char *const words[] = {
		"lvm", "resume", "mkrootdev", "raidautorun", "dmraid", "rmparts", "dm", "kpartx"};

	for (size_t i = 0; i < P2V_N(words); i++)
		if (p2v_span_eq(word, words[i]))
			return true;
	return false;
}

/* Number from 0 of the line before which drivers are loaded: the last `mkblkdevs` before anything
 * looks for disks, which makes the new disks' nodes; else the first that looks. */
static bool find_place(struct p2v_span text, size_t *ret_line, bool *ret_makes_nodes)
{
	struct p2v_span line;
	size_t nodes = SIZE_MAX, search = SIZE_MAX;

	for (size_t n = 0; search == SIZE_MAX && p2v_line_next(&text, &line); n++) {
		struct p2v_span word = first_word(line);

		if (p2v_span_eq(word, "mkblkdevs"))
			nodes = n;
		else if (is_search(word))
			search = n;
	}
	*ret_makes_nodes = nodes != SIZE_MAX;
	*ret_line = nodes != SIZE_MAX ? nodes : search;
	return *ret_line != SIZE_MAX;
}

static void add_loads(struct p2v_span text, const char *const *files, size_t n_files,
	bool makes_nodes, struct p2v_buf *out)
{
	for (size_t i = 0; i < n_files; i++)
		if (!linux_script_nash_loads(text, files[i]))
			p2v_buf_addf(out, "echo \"Loading %s module\"\ninsmod /lib/%s\n", files[i],
				files[i]);
	if (!makes_nodes)
		p2v_buf_add_str(out, "mkblkdevs\n");
}

int linux_script_nash_add(struct p2v_span text, const char *const *files, size_t n_files,
	struct p2v_buf *out, struct p2v_err *err)
{
	struct p2v_span rest = text, line;
	bool makes_nodes;
	size_t place;

	if (!find_place(text, &place, &makes_nodes))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"its script has no place where drivers could be loaded");
	for (size_t n = 0; p2v_line_next(&rest, &line); n++) {
		if (n == place)
			add_loads(text, files, n_files, makes_nodes, out);
		p2v_buf_add(out, line.p, line.n);
		if (line.p + line.n < text.p + text.n)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}

/* The list between its quotes; false: this line has none. */
static bool find_list(struct p2v_span line, struct p2v_span *ret)
{
	struct p2v_span value = p2v_span_skip(line, strlen(LIST));
	char quote;

	if (!p2v_span_starts(line, LIST) || value.n < 2)
		return false;
	quote = value.p[0];
	value = p2v_span_skip(value, 1);
	if ((quote != '\'' && quote != '"') || !p2v_span_has(value, quote))
		return false;
	*ret = p2v_span_until(value, quote, NULL);
	return true;
}

static bool has_word(struct p2v_span list, const char *wanted)
{
	struct p2v_span word;

	while (p2v_word_next(&list, &word))
		if (p2v_span_eq(word, wanted))
			return true;
	return false;
}

bool linux_script_suse_loads(struct p2v_span text, const char *module)
{
	struct p2v_span line, list;

	while (p2v_line_next(&text, &line))
		if (find_list(line, &list) && has_word(list, module))
			return true;
	return false;
}

int linux_script_suse_add(struct p2v_span text, const char *const *modules, size_t n_modules,
	struct p2v_buf *out, struct p2v_err *err)
{
	const char *end = text.p + text.n;
	struct p2v_span line, list;

	while (p2v_line_next(&text, &line)) {
		size_t head = line.n;
		bool found = find_list(line, &list);

		if (found)
			head = (size_t)(list.p - line.p) + list.n;
		p2v_buf_add(out, line.p, head);
		for (size_t i = 0; found && i < n_modules; i++)
			if (!has_word(list, modules[i]))
				p2v_buf_addf(out, " %s", modules[i]);
		p2v_buf_add(out, line.p + head, line.n - head);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}
