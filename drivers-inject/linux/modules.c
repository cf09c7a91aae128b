/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/modules.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/guest/read.h"

#define MAX_MODULES	((size_t)50000)
#define MAX_DEPS	((size_t)1000)
#define MAX_INDEX_BYTES ((uint64_t)16 << 20)

static const char *const suffixes[] = {".ko", ".ko.gz", ".ko.xz", ".ko.zst"};

/* "kernel/drivers/block/virtio-blk.ko.xz" -> "virtio-blk" */
static bool stem(struct p2v_span path, struct p2v_span *ret)
{
	struct p2v_span after;

	while (p2v_span_has(path, '/')) {
		p2v_span_until(path, '/', &after);
		path = after;
	}
	for (size_t i = 0; i < P2V_N(suffixes); i++)
		if (p2v_span_ends(path, suffixes[i])) {
			ret->p = path.p;
			ret->n = path.n - strlen(suffixes[i]);
			return ret->n > 0;
		}
	return false;
}

static char *name_of(struct p2v_span path)
{
	struct p2v_span s;
	char *name = stem(path, &s) ? p2v_span_dup(s) : NULL;

	for (char *p = name; p && *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

char *linux_module_name(const char *path)
{
	return name_of(p2v_span_str(path));
}

/* Old module-init-tools wrote absolute paths: "/lib/modules/2.6.18/kernel/...". */
static struct p2v_span relative(struct p2v_span path)
{
	struct p2v_span after = path;

	if (!p2v_span_starts(path, "/lib/modules/"))
		return path;
	p2v_span_until(p2v_span_skip(path, strlen("/lib/modules/")), '/', &after);
	return after;
}

/* The path becomes one in an archive and one on the host: it must stay where it is put. */
static bool is_safe(struct p2v_span path)
{
	struct p2v_span rest = path;

	if (path.n == 0 || path.n > 4000 || path.p[0] == '/' || memchr(path.p, 0, path.n))
		return false;
	while (rest.n > 0) {
		struct p2v_span part = p2v_span_until(rest, '/', &rest);

		if (part.n == 0 || p2v_span_eq(part, ".") || p2v_span_eq(part, ".."))
			return false;
	}
	return true;
}

/* A module while its line is still at hand. */
struct line {
	struct linux_module module;
	struct p2v_span deps;
};

struct lines {
	struct line *items;
	size_t n, cap;
};

static void lines_finish(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].module.name);
		free(l->items[i].module.path);
		free(l->items[i].module.deps);
	}
	free(l->items);
}

static int add_line(struct lines *l, struct p2v_span path, struct p2v_span deps, bool builtin,
	struct p2v_err *err)
{
	struct line *e;

	path = relative(path);
	if (!is_safe(path))
		return p2v_err_set(err, P2V_EFORMAT, "a line holds no path of a module");
	if (l->n == MAX_MODULES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu modules", MAX_MODULES);
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 1024;
		void *p = reallocarray(l->items, cap, sizeof(*l->items));

		if (!p)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		l->items = p;
		l->cap = cap;
	}
	e = &l->items[l->n];
	*e = (struct line){.deps = deps};
	e->module.name = name_of(path);
	if (!e->module.name)
		return p2v_err_set(err, P2V_EFORMAT, "a line holds no path of a module");
	l->n++;
	e->module.path = builtin ? NULL : p2v_span_dup(path);
	return builtin || e->module.path ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static int read_dep(const struct p2v_buf *dep, struct lines *l, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_of(dep->data, dep->len), line;
	int rc = 0;

	while (rc == 0 && p2v_line_next(&rest, &line)) {
		struct p2v_span deps;

		if (p2v_span_trim(line).n == 0)
			continue;
		if (!p2v_span_has(line, ':'))
			return p2v_err_set(err, P2V_EFORMAT, "modules.dep: a line without ':'");
		line = p2v_span_until(line, ':', &deps);
		rc = add_line(l, p2v_span_trim(line), deps, false, err);
	}
	return rc < 0 ? p2v_err_wrap(err, rc, "modules.dep") : 0;
}

static int read_builtin(const struct p2v_buf *builtin, struct lines *l, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_of(builtin->data, builtin->len), line;
	int rc = 0;

	while (rc == 0 && p2v_line_next(&rest, &line)) {
		line = p2v_span_trim(line);
		if (line.n > 0)
			rc = add_line(l, line, p2v_span_of("", 0), true, err);
	}
	return rc < 0 ? p2v_err_wrap(err, rc, "modules.builtin") : 0;
}

/* A file before what is built in under the same name. */
static int by_name(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int d = strcmp(x->module.name, y->module.name);

	return d ? d : (x->module.path == NULL) - (y->module.path == NULL);
}

static int module_cmp(const void *key, const void *item)
{
	return strcmp(key, ((const struct linux_module *)item)->name);
}

const struct linux_module *linux_modules_find(const struct linux_modules *m, const char *name)
{
	p2v_autofree char *key = strdup(name);

	for (char *p = key; p && *p; p++)
		if (*p == '-')
			*p = '_';
	if (!key || m->n_items == 0)
		return NULL;
	return bsearch(key, m->items, m->n_items, sizeof(*m->items), module_cmp);
}

static int resolve(const struct linux_modules *all, struct linux_module *m, struct p2v_span deps,
	struct p2v_err *err)
{
	struct p2v_span word;

	while (p2v_word_next(&deps, &word)) {
		p2v_autofree char *name = name_of(word);
		const struct linux_module *d = name ? linux_modules_find(all, name) : NULL;
		size_t *at;

		if (!d)
			return p2v_err_set(err, P2V_EFORMAT,
				"modules.dep: %s needs a module that is not listed", m->name);
		if (m->n_deps == MAX_DEPS)
			return p2v_err_set(
				err, P2V_EFORMAT, "modules.dep: %s needs too much", m->name);
		at = p2v_json_grow((void **)&m->deps, &m->n_deps, sizeof(*at));
		if (!at)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		*at = (size_t)(d - all->items);
	}
	return 0;
}

static int from_lines(struct lines *l, struct linux_modules *ret, struct p2v_err *err)
{
	struct linux_modules m = {.items = calloc(l->n + 1, sizeof(*m.items))};
	int rc = m.items ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");

	if (l->n > 0)
		qsort(l->items, l->n, sizeof(l->items[0]), by_name);
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		m.items[m.n_items++] = l->items[i].module;
		l->items[i].module = (struct linux_module){0};
	}
	for (size_t i = 0; rc == 0 && i < m.n_items; i++)
		rc = resolve(&m, &m.items[i], l->items[i].deps, err);
	if (rc < 0)
		linux_modules_finish(&m);
	else
		*ret = m;
	return rc;
}

int linux_modules_parse(const struct p2v_buf *dep, const struct p2v_buf *builtin,
	struct linux_modules *ret, struct p2v_err *err)
{
	struct lines l = {0};
	int rc = read_dep(dep, &l, err);

	if (rc == 0)
		rc = read_builtin(builtin, &l, err);
	if (rc == 0)
		rc = from_lines(&l, ret, err);
	lines_finish(&l);
	return rc;
}

int linux_modules_load(
	struct guest *g, const char *kernel, struct linux_modules *ret, struct p2v_err *err)
{
	p2v_autofree char *dep_path = p2v_strf("/lib/modules/%s/modules.dep", kernel);
	p2v_autofree char *builtin_path = p2v_strf("/lib/modules/%s/modules.builtin", kernel);
	p2v_autobuf struct p2v_buf dep = {0}, builtin = {0};
	int rc;

	if (!dep_path || !builtin_path)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = guest_read_file(g, dep_path, MAX_INDEX_BYTES, &dep, err);
	if (rc < 0)
		return rc;
	rc = guest_read_file(g, builtin_path, MAX_INDEX_BYTES, &builtin, err);
	if (rc < 0 && rc != P2V_ENOTFOUND)
		return rc;
	p2v_err_clear(err);
	rc = linux_modules_parse(&dep, &builtin, ret, err);
	return rc < 0 ? p2v_err_wrap(err, rc, "/lib/modules/%s", kernel) : 0;
}

void linux_modules_finish(struct linux_modules *m)
{
	for (size_t i = 0; i < m->n_items; i++) {
		free(m->items[i].name);
		free(m->items[i].path);
		free(m->items[i].deps);
	}
	free(m->items);
	*m = (struct linux_modules){0};
}

/* Each line already lists all that its module needs; following them on costs little and does not
 * trust that. */
int linux_modules_closure(const struct linux_modules *m, const char *const *names, size_t n_names,
	bool *in, struct p2v_err *err)
{
	p2v_autofree size_t *todo = calloc(m->n_items + 1, sizeof(*todo));
	size_t n = 0;

	if (!todo)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; i < n_names; i++) {
		const struct linux_module *mod = linux_modules_find(m, names[i]);
		size_t at = mod ? (size_t)(mod - m->items) : 0;

		if (mod && mod->path && !in[at]) {
			in[at] = true;
			todo[n++] = at;
		}
	}
	while (n > 0) {
		const struct linux_module *mod = &m->items[todo[--n]];

		for (size_t i = 0; i < mod->n_deps; i++)
			if (m->items[mod->deps[i]].path && !in[mod->deps[i]]) {
				in[mod->deps[i]] = true;
				todo[n++] = mod->deps[i];
			}
	}
	return 0;
}
