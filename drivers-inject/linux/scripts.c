/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/scripts.h"

#include <stdlib.h>
#include <string.h>

#include "drivers-inject/linux/script.h"
#include "p2v/core/cleanup.h"

void linux_scripts_finish(struct scripts *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].path);
		p2v_buf_finish(&s->items[i].text);
	}
	memset(s, 0, sizeof(*s));
}

static struct p2v_span text_of(const struct linux_initramfs_file *f)
{
	return p2v_span_of(f->text.data ? (const char *)f->text.data : "", f->text.len);
}

static int add(struct scripts *s, const char *path, struct p2v_buf *text, struct p2v_err *err)
{
	s->items[s->n].path = strdup(path);
	s->items[s->n].text = *text;
	*text = (struct p2v_buf){0};
	return s->items[s->n++].path ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static const char *file_of(const struct linux_module *mod)
{
	const char *slash = strrchr(mod->path, '/');

	return slash ? slash + 1 : mod->path;
}

/* Files in an order in which insmod can load them. */
struct order {
	const struct linux_modules *m;
	const bool *in;
	bool *done;
	const char **files;
	size_t n;
};

/* A module is loaded when all that it needs is: done before anything else that needs it. Marked
 * before it is followed, so that a circle ends. */
static void load(struct order *o, size_t at)
{
	const struct linux_module *mod = &o->m->items[at];

	if (o->done[at] || !o->in[at] || !mod->path)
		return;
	o->done[at] = true;
	/* modules.dep lists what is nearest first; it needs what follows. */
	for (size_t i = mod->n_deps; i-- > 0;)
		load(o, mod->deps[i]);
	o->files[o->n++] = file_of(mod);
}

int linux_scripts_nash(const struct linux_image *i, const struct linux_modules *m, const bool *in,
	struct scripts *ret, struct p2v_err *err)
{
	const struct linux_initramfs_file *init = linux_image_text(i, "init");
	p2v_autofree bool *done = calloc(m->n_items + 1, sizeof(*done));
	p2v_autofree const char **files = calloc(m->n_items + 1, sizeof(*files));
	p2v_autobuf struct p2v_buf text = {0};
	struct order o = {.m = m, .in = in, .done = done, .files = files};
	int rc;

	if (!done || !files || !init)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t k = 0; k < m->n_items; k++)
		load(&o, k);
	rc = linux_script_nash_add(text_of(init), files, o.n, &text, err);
	return rc < 0 ? rc : add(ret, "init", &text, err);
}

int linux_scripts_suse(const struct linux_image *i, const struct linux_modules *m,
	const char *const *names, size_t n_names, struct scripts *ret, struct p2v_err *err)
{
	static const char *const paths[] = {"run_all.sh", "config/start.sh"};
	p2v_autofree const char **wanted = calloc(n_names + 1, sizeof(*wanted));
	size_t n = 0;
	int rc = wanted ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");

	/* What is built in is no module's name. */
	for (size_t k = 0; rc == 0 && k < n_names; k++) {
		const struct linux_module *mod = linux_modules_find(m, names[k]);

		if (mod && mod->path)
			wanted[n++] = mod->name;
	}
	for (size_t k = 0; rc == 0 && k < P2V_N(paths); k++) {
		const struct linux_initramfs_file *f = linux_image_text(i, paths[k]);
		p2v_autobuf struct p2v_buf text = {0};

		if (!f)
			continue;
		rc = linux_script_suse_add(text_of(f), wanted, n, &text, err);
		if (rc == 0 && !p2v_span_same(text_of(f), p2v_span_of(text.data, text.len)))
			rc = add(ret, paths[k], &text, err);
	}
	return rc;
}
