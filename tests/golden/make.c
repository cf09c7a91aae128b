/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A guest out of a case's words. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

static const struct p2v_json_field file_fields[] = {
	P2V_JSON_STR(struct golden_file, path, P2V_JSON_REQUIRED),
	P2V_JSON_STRS(struct golden_file, lines, 0),
	P2V_JSON_STR(struct golden_file, target, 0),
	P2V_JSON_U32(struct golden_file, fill_bytes, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type file_type = {"file", sizeof(struct golden_file), file_fields};
static const struct p2v_json_field kernel_fields[] = {
	P2V_JSON_STR(struct golden_kernel, release, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct golden_kernel, path, 0),
	P2V_JSON_STR(struct golden_kernel, initramfs, 0),
	P2V_JSON_STR(struct golden_kernel, tool, 0),
	P2V_JSON_STR(struct golden_kernel, compression, 0),
	P2V_JSON_BOOL(struct golden_kernel, flat, 0),
	P2V_JSON_BOOL(struct golden_kernel, early, 0),
	P2V_JSON_BOOL(struct golden_kernel, unified, 0),
	P2V_JSON_STR(struct golden_kernel, cmdline, 0),
	P2V_JSON_STRS(struct golden_kernel, modules, 0),
	P2V_JSON_STRS(struct golden_kernel, builtin, 0),
	P2V_JSON_STRS(struct golden_kernel, holds, 0),
	P2V_JSON_OBJS(struct golden_kernel, image, 0, &file_type),
	P2V_JSON_END,
};
static const struct p2v_json_type kernel_type = {
	"kernel", sizeof(struct golden_kernel), kernel_fields};
static const struct p2v_json_field case_fields[] = {
	P2V_JSON_STR(struct golden_case, about, 0),
	P2V_JSON_STR(struct golden_case, base, 0),
	P2V_JSON_OBJS(struct golden_case, kernels, 0, &kernel_type),
	P2V_JSON_STRS(struct golden_case, programs, 0),
	P2V_JSON_OBJS(struct golden_case, files, 0, &file_type),
	P2V_JSON_STRS(struct golden_case, absent, 0),
	P2V_JSON_BOOL(struct golden_case, split, 0),
	P2V_JSON_BOOL(struct golden_case, i686, 0),
	P2V_JSON_BOOL(struct golden_case, nouns, 0),
	P2V_JSON_STR(struct golden_case, root, 0),
	P2V_JSON_STR(struct golden_case, subvolume, 0),
	P2V_JSON_STR(struct golden_case, choice, 0),
	P2V_JSON_BOOL(struct golden_case, unknown, 0),
	P2V_JSON_OBJ(struct golden_case, storage, 0, &model_facts_type),
	P2V_JSON_OBJ(struct golden_case, machine, 0, &model_machine_type),
	P2V_JSON_END,
};
static const struct p2v_json_type case_type = {"case", sizeof(struct golden_case), case_fields};

struct p2v_err golden_err;

void golden_begin(void)
{
	/* Thousands of small files, none of which has to last. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void golden_need(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, golden_err.text);
	exit(1);
}

/* A file of its own beside case.json does as well. */
static void load_case(const char *dir, struct golden_case *ret)
{
	p2v_autofree char *path = p2v_path_join(dir, "case.json");
	p2v_autofree char *storage = p2v_path_join(dir, "storage.json");
	p2v_autofree char *machine = p2v_path_join(dir, "machine.json");

	golden_need(p2v_json_load(&case_type, path, ret, &golden_err), path);
	if (!ret->storage.version && access(storage, F_OK) == 0)
		golden_need(model_facts_load(storage, &ret->storage, &golden_err), storage);
	if (!ret->machine.version && access(machine, F_OK) == 0)
		golden_need(model_machine_load(machine, &ret->machine, &golden_err), machine);
}

void golden_scene_load(const char *dir, struct golden_scene *ret)
{
	struct golden_scene s = {.dirs = {strdup(dir)}};

	for (;; s.n++) {
		const char *base;

		load_case(s.dirs[s.n], &s.cases[s.n]);
		base = s.cases[s.n].base;
		if (!base || s.n + 1 == GOLDEN_MAX_BASES)
			break;
		s.dirs[s.n + 1] = p2v_strf("%s/../%s", dir, base);
	}
	s.n++;
	*ret = s;
}

void golden_scene_finish(struct golden_scene *scene)
{
	for (size_t i = 0; i < scene->n; i++) {
		p2v_json_free(&case_type, &scene->cases[i]);
		free(scene->dirs[i]);
	}
}

void golden_put(const char *root, const char *path, const void *bytes, size_t n)
{
	p2v_autofree char *p = p2v_strf("%s%s", root, path);
	char *slash = strrchr(p, '/');
	FILE *file;

	*slash = '\0';
	golden_need(p2v_dir_make(p, 0755, &golden_err), p);
	*slash = '/';
	/* Not by publishing: hundreds of files need not reach the disk one by one. */
	file = fopen(p, "we");
	if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
		golden_need(p2v_err_errno(&golden_err, errno, "%s", p), "write");
}

void golden_lines(const struct golden_file *f, struct p2v_buf *out)
{
	for (size_t i = 0; i < f->n_lines; i++)
		p2v_buf_addf(out, "%s\n", f->lines[i]);
	while (out->len < f->fill_bytes)
		p2v_buf_add_str(out, "#");
}

static void put_file(const char *root, const struct golden_file *f)
{
	p2v_autobuf struct p2v_buf text = {0};
	p2v_autofree char *path = p2v_strf("%s%s", root, f->path);

	if (p2v_span_ends(p2v_span_str(f->path), "/")) {
		golden_need(p2v_dir_make(path, 0755, &golden_err), path);
		return;
	}
	golden_lines(f, &text);
	golden_put(root, f->path, text.data ? text.data : (const uint8_t *)"", text.len);
	if (f->target && (unlink(path) < 0 || symlink(f->target, path) < 0))
		golden_need(p2v_err_errno(&golden_err, errno, "%s", path), "symlink");
}

static void link_top(const char *root, const char *name)
{
	p2v_autofree char *target = p2v_strf("usr/%s", name);
	p2v_autofree char *path = p2v_path_join(root, name);
	p2v_autofree char *real = p2v_path_join(root, target);

	golden_need(p2v_dir_make(real, 0755, &golden_err), real);
	if (symlink(target, path) < 0)
		golden_need(p2v_err_errno(&golden_err, errno, "%s", path), "symlink");
}

static void copy_tree(const char *dir, const char *root)
{
	p2v_autofree char *tree = p2v_strf("%s/tree", dir);
	p2v_autofree char *inside = p2v_strf("%s/.", tree);
	const char *const argv[] = {"cp", "-R", inside, root, NULL};

	if (access(tree, F_OK) == 0)
		golden_need(p2v_proc_run(argv, NULL, 0, 60000, NULL, &golden_err), "cp");
}

static void make_one(const char *dir, const struct golden_case *c, const char *root)
{
	copy_tree(dir, root);
	for (size_t i = 0; i < c->n_absent; i++) {
		p2v_autofree char *path = p2v_strf("%s%s", root, c->absent[i]);

		p2v_dir_remove(path);
		unlink(path);
	}
	for (size_t i = 0; i < c->n_files; i++)
		put_file(root, &c->files[i]);
	for (size_t i = 0; i < c->n_programs; i++)
		golden_put(root, c->programs[i], c->programs[i], strlen(c->programs[i]));
}

/* The head of an ELF program: its class and its machine are all that is looked at. */
static void make_shell(const char *root, bool i686)
{
	uint8_t head[64] = {0x7f, 'E', 'L', 'F', i686 ? 1 : 2, 1, 1};

	head[18] = i686 ? 3 : 62;
	golden_put(root, "/bin/sh", head, sizeof(head));
}

void golden_make(const struct golden_scene *scene, const char *root)
{
	p2v_autofree char *dev = p2v_path_join(root, "dev");
	bool split = false, i686 = false, kernels = false;

	for (size_t i = 0; i < scene->n; i++) {
		split |= scene->cases[i].split;
		i686 |= scene->cases[i].i686;
	}
	golden_need(p2v_dir_make(dev, 0755, &golden_err), dev);
	link_top(root, "bin");
	if (!split)
		link_top(root, "lib");
	make_shell(root, i686);
	for (size_t i = scene->n; i-- > 0;)
		make_one(scene->dirs[i], &scene->cases[i], root);
	for (size_t i = 0; i < scene->n && !kernels; i++) {
		kernels = scene->cases[i].n_kernels > 0;
		for (size_t k = 0; k < scene->cases[i].n_kernels; k++)
			golden_make_kernel(root, &scene->cases[i].kernels[k]);
	}
}
