/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's modules: what agent/media/modules.list takes, and what that needs in turn. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "drivers-inject/linux/modules.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/media/parts.h"

#define INDEX_MAX ((size_t)16 << 20)
#define LIST_MAX  ((size_t)1 << 20)

static int module_file_read(
	const struct media_build *b, const char *name, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s/lib/modules/%s/%s", b->tree, b->kernel, name);

	return path ? p2v_file_read(path, INDEX_MAX, ret, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int depmod(const struct media_build *b, const char *root, struct p2v_err *err)
{
	const char *const argv[] = {"depmod", "--basedir", root, b->kernel, NULL};

	return media_tool_run(b, argv, err);
}

static int modules_read(const struct media_build *b, struct linux_modules *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf dep = {0}, builtin = {0};
	int r = depmod(b, b->tree, err);

	if (r == 0)
		r = module_file_read(b, "modules.dep", &dep, err);
	if (r == 0)
		r = module_file_read(b, "modules.builtin", &builtin, err);
	return r < 0 ? r : linux_modules_parse(&dep, &builtin, ret, err);
}

/* rule: "drivers/ata" or "drivers/block/nbd.ko", below the kernel's tree. */
static bool rule_matches(struct p2v_span rule, const char *path)
{
	size_t prefix = strlen("kernel/");

	if (strncmp(path, "kernel/", prefix) != 0)
		return false;
	path += prefix;
	return strncmp(path, rule.p, rule.n) == 0 && (path[rule.n] == '/' || !path[rule.n]);
}

/* The last line that speaks of a module decides. */
static bool taken(struct p2v_span list, const char *path)
{
	struct p2v_span line;
	bool in = false;

	while (p2v_line_next(&list, &line)) {
		bool out = p2v_span_starts(line, "-");

		line = p2v_span_trim(p2v_span_skip(line, out ? 1 : 0));
		if (line.n && *line.p != '#' && rule_matches(line, path))
			in = !out;
	}
	return in;
}

static int module_add(const struct media_build *b, struct media_list *l, const char *copy,
	const char *path, struct p2v_err *err)
{
	p2v_autofree char *in_kernel = p2v_strf("lib/modules/%s/%s", b->kernel, path);
	p2v_autofree char *from = in_kernel ? p2v_path_join(b->tree, in_kernel) : NULL;
	p2v_autofree char *to = in_kernel ? p2v_path_join(copy, in_kernel) : NULL;
	int r = from && to ? media_file_copy(b, from, to, err)
			   : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	return r < 0 ? r : media_list_add_file(l, in_kernel, to, 0644, err);
}

static int indexes_add(
	const struct media_build *b, struct media_list *l, const char *copy, struct p2v_err *err)
{
	static const char *const made[] = {"modules.dep.bin", "modules.alias.bin",
		"modules.symbols.bin", "modules.builtin.bin", "modules.softdep", "modules.dep",
		"modules.alias", "modules.builtin", "modules.builtin.alias.bin", "modules.devname"};
	int r = depmod(b, copy, err);

	for (size_t i = 0; r == 0 && i < P2V_N(made); i++) {
		p2v_autofree char *path = p2v_strf("lib/modules/%s/%s", b->kernel, made[i]);
		p2v_autofree char *from = path ? p2v_path_join(copy, path) : NULL;

		if (!from)
			r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
		else if (p2v_file_exists(from))
			r = media_list_add_file(l, path, from, 0644, err);
	}
	return r;
}

static int chosen_add(const struct media_build *b, struct media_list *l,
	const struct linux_modules *m, const bool *in, struct p2v_err *err)
{
	static const char *const lists[] = {
		"modules.order", "modules.builtin", "modules.builtin.modinfo"};
	p2v_autofree char *copy = p2v_path_join(b->work, "modules");
	int r = copy ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < m->n_items; i++)
		if (in[i] && m->items[i].path)
			r = module_add(b, l, copy, m->items[i].path, err);
	for (size_t i = 0; r == 0 && i < P2V_N(lists); i++)
		r = module_add(b, l, copy, lists[i], err);
	return r < 0 ? r : indexes_add(b, l, copy, err);
}

static int modules_choose(const struct media_build *b, struct media_list *l,
	const struct linux_modules *m, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(b->spec->files, "modules.list");
	p2v_autobuf struct p2v_buf list = {0};
	p2v_autofree bool *in = calloc(m->n_items + 1, sizeof(*in));
	p2v_autofree const char **names = calloc(m->n_items + 1, sizeof(*names));
	size_t n = 0;
	int r = path && in && names ? p2v_file_read(path, LIST_MAX, &list, err)
				    : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r < 0)
		return r;
	for (size_t i = 0; i < m->n_items; i++)
		if (m->items[i].path && taken(p2v_span_of(list.data, list.len), m->items[i].path))
			names[n++] = m->items[i].name;
	r = linux_modules_closure(m, names, n, in, err);
	return r < 0 ? r : chosen_add(b, l, m, in, err);
}

int media_modules_add(struct media_build *b, struct media_list *l, struct p2v_err *err)
{
	struct linux_modules m = {0};
	int r = modules_read(b, &m, err);

	if (r == 0)
		r = modules_choose(b, l, &m, err);
	linux_modules_finish(&m);
	return r < 0 ? p2v_err_wrap(err, r, "kernel modules") : 0;
}
