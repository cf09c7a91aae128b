/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/initramfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "drivers-inject/linux/image.h"
#include "drivers-inject/linux/index.h"
#include "drivers-inject/linux/modules.h"
#include "drivers-inject/linux/scripts.h"
#include "drivers-inject/linux/segment.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

const char *linux_initramfs_tool_word(enum linux_initramfs_tool tool)
{
	static const char *const words[] = {"unknown", "initramfs-tools", "dracut", "mkinitcpio",
		"booster", "mkinitrd-rh", "mkinitrd-suse", "mkinitfs"};

	return words[tool];
}

/* booster keeps its modules unpacked, and an index of its own. */
bool linux_initramfs_tool_extends(enum linux_initramfs_tool tool)
{
	return tool != LINUX_TOOL_UNKNOWN && tool != LINUX_TOOL_BOOSTER;
}

static void free_strings(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void linux_initramfs_info_finish(struct linux_initramfs_info *i)
{
	free_strings(i->present, i->n_present);
	free_strings(i->builtin, i->n_builtin);
	free_strings(i->missing, i->n_missing);
	free_strings(i->unknown, i->n_unknown);
	for (size_t k = 0; k < i->n_files; k++) {
		free(i->files[k].path);
		p2v_buf_finish(&i->files[k].text);
	}
	free(i->files);
	*i = (struct linux_initramfs_info){0};
}

void linux_initramfs_result_finish(struct linux_initramfs_result *r)
{
	free_strings(r->added, r->n_added);
	*r = (struct linux_initramfs_result){0};
}

/* What both verbs start from. */
struct work {
	struct guest *g;
	const struct linux_initramfs_request *rq;
	struct linux_modules modules;
	struct linux_image image;
};

static int work_begin(struct work *w, struct guest *g, const struct linux_initramfs_request *rq,
	struct p2v_err *err)
{
	int rc;

	*w = (struct work){.g = g, .rq = rq, .image = LINUX_IMAGE_NONE};
	/* It becomes one component of a path, here and in the guest. */
	if (!rq->kernel[0] || strchr(rq->kernel, '/') || rq->kernel[0] == '.' ||
		rq->kernel[0] == '-' || strlen(rq->kernel) > 200)
		return p2v_err_set(err, P2V_EFORMAT, "not a kernel release");
	rc = linux_modules_load(g, rq->kernel, &w->modules, err);
	/* A kernel that needs no modules may have an image all the same. */
	if (rc == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		rc = 0;
	}
	return rc < 0 ? rc
		      : linux_image_load(g, rq->image, rq->kernel, &w->modules, &w->image, err);
}

static void work_finish(struct work *w)
{
	linux_image_finish(&w->image);
	linux_modules_finish(&w->modules);
}

static int sort_module(
	const struct work *w, const char *name, struct linux_initramfs_info *i, struct p2v_err *err)
{
	const struct linux_module *m = linux_modules_find(&w->modules, name);

	if (!m)
		return p2v_json_add_str(&i->unknown, &i->n_unknown, name, err);
	if (!m->path)
		return p2v_json_add_str(&i->builtin, &i->n_builtin, name, err);
	if (linux_image_can_load(&w->image, &w->modules, m))
		return p2v_json_add_str(&i->present, &i->n_present, name, err);
	return p2v_json_add_str(&i->missing, &i->n_missing, name, err);
}

static int describe(const struct work *w, struct linux_initramfs_info *ret, struct p2v_err *err)
{
	struct linux_initramfs_info i = {
		.tool = w->image.tool,
		.compression = linux_image_compression(&w->image),
		.marked = archive_initramfs_find(&w->image.list, LINUX_INITRAMFS_MARKER) != NULL,
	};
	int rc = 0;

	for (size_t k = 0; rc == 0 && k < w->rq->n_modules; k++)
		rc = sort_module(w, w->rq->modules[k], &i, err);
	if (rc < 0)
		linux_initramfs_info_finish(&i);
	else
		*ret = i;
	return rc;
}

int linux_initramfs_inspect(struct guest *g, const struct linux_initramfs_request *rq,
	struct linux_initramfs_info *ret, struct p2v_err *err)
{
	struct linux_initramfs_info info = {0};
	struct work w;
	int rc = work_begin(&w, g, rq, err);

	if (rc == 0)
		rc = describe(&w, &info, err);
	if (rc == 0)
		rc = linux_image_take_facts(&w.image, &info.files, &info.n_files, err);
	if (rc == 0)
		*ret = info;
	else
		linux_initramfs_info_finish(&info);
	work_finish(&w);
	return rc;
}

/* Fetches what is wanted and not yet in the image. */
static int fetch_modules(const struct work *w, const bool *in, struct linux_files *files,
	struct linux_initramfs_result *ret, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->modules.n_items; i++) {
		const struct linux_module *m = &w->modules.items[i];

		if (!in[i] || linux_image_holds(&w->image, &w->modules, m))
			continue;
		rc = linux_files_fetch(w->g, w->rq->kernel, m->path, files, err);
		if (rc == 0)
			rc = p2v_json_add_str(&ret->added, &ret->n_added, m->name, err);
	}
	return rc;
}

static int make_marker(const struct work *w, const struct linux_initramfs_result *r,
	struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_buf_addf(ret, "p2v 1\nkernel %s\n", w->rq->kernel);
	for (size_t i = 0; i < r->n_added; i++)
		p2v_buf_addf(ret, "module %s\n", r->added[i]);
	return p2v_buf_check(ret, err);
}

/* Where the image keeps a module; nash's has all of them in one directory. */
static char *place_of(const struct work *w, const char *path)
{
	const struct archive_member *lib = archive_initramfs_find(&w->image.list, "lib");
	const char *slash = strrchr(path, '/');

	if (w->image.tool != LINUX_TOOL_MKINITRD_RH)
		return p2v_path_join(w->image.base, path);
	return p2v_strf("%s/%s", lib ? lib->path : "lib", slash ? slash + 1 : path);
}

static int add_files(const struct work *w, const struct linux_files *files, struct segment *s,
	struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < files->n_items; i++) {
		p2v_autofree char *path = place_of(w, files->items[i].path);

		rc = path ? linux_segment_add_file(
				    s, path, S_IFREG | 0644, &files->items[i].bytes, err)
			  : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	return rc;
}

/* The image's scripts, where it does not look for hardware by itself. */
static int edit_scripts(
	const struct work *w, const bool *in, struct scripts *ret, struct p2v_err *err)
{
	switch (w->image.tool) {
	case LINUX_TOOL_MKINITRD_RH:
		return linux_scripts_nash(&w->image, &w->modules, in, ret, err);
	case LINUX_TOOL_MKINITRD_SUSE:
		return linux_scripts_suse(
			&w->image, &w->modules, w->rq->modules, w->rq->n_modules, ret, err);
	default:
		return 0;
	}
}

static int append(const struct work *w, const struct linux_files *files,
	const struct scripts *scripts, struct linux_initramfs_result *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf marker = {0};
	struct segment s = {.list = &w->image.list};
	int rc = make_marker(w, ret, &marker, err);

	if (rc == 0)
		rc = add_files(w, files, &s, err);
	for (size_t i = 0; rc == 0 && i < scripts->n; i++)
		rc = linux_segment_add_file(
			&s, scripts->items[i].path, S_IFREG | 0755, &scripts->items[i].text, err);
	if (rc == 0)
		rc = linux_segment_add_file(
			&s, LINUX_INITRAMFS_MARKER, S_IFREG | 0644, &marker, err);
	if (rc == 0)
		rc = linux_segment_append(
			w->g, &w->image, w->rq->image, &s, &ret->added_bytes, err);
	linux_segment_finish(&s);
	return rc;
}

static int build(const struct work *w, const bool *in, struct linux_files *files,
	struct linux_initramfs_result *ret, struct p2v_err *err)
{
	struct scripts scripts = {0};
	int rc = fetch_modules(w, in, files, ret, err);

	/* nash has no index: insmod is given files. */
	if (rc == 0 && w->image.tool != LINUX_TOOL_MKINITRD_RH)
		rc = linux_files_add_indexes(
			w->g, w->rq->kernel, &w->image, files, &ret->used_depmod, err);
	if (rc == 0)
		rc = edit_scripts(w, in, &scripts, err);
	if (rc == 0)
		rc = append(w, files, &scripts, ret, err);
	linux_scripts_finish(&scripts);
	if (rc == 0)
		ret->changed = true;
	return rc;
}

static int inject(const struct work *w, struct linux_initramfs_result *ret, struct p2v_err *err)
{
	p2v_autofree bool *in = calloc(w->modules.n_items + 1, sizeof(*in));
	struct linux_initramfs_info info = {0};
	struct linux_files files = {0};
	enum linux_initramfs_tool tool;
	size_t missing;
	int rc = in ? describe(w, &info, err) : p2v_err_set(err, P2V_ENOMEM, "no memory");

	if (rc < 0)
		return rc;
	tool = info.tool;
	missing = info.n_missing;
	linux_initramfs_info_finish(&info);
	if (missing == 0)
		return 0;
	/* Their images do not look for modules where kmod does. */
	if (!linux_initramfs_tool_extends(tool))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: drivers cannot be added to an image made by %s tool", w->rq->image,
			tool == LINUX_TOOL_BOOSTER ? "the booster" : "an unknown");
	rc = linux_modules_closure(&w->modules, w->rq->modules, w->rq->n_modules, in, err);
	if (rc == 0)
		rc = build(w, in, &files, ret, err);
	linux_files_finish(&files);
	return rc;
}

int linux_initramfs_inject(struct guest *g, const struct linux_initramfs_request *rq,
	struct linux_initramfs_result *ret, struct p2v_err *err)
{
	struct linux_initramfs_result r = {0};
	struct work w;
	int rc = work_begin(&w, g, rq, err);

	if (rc == 0)
		rc = inject(&w, &r, err);
	work_finish(&w);
	if (rc < 0)
		linux_initramfs_result_finish(&r);
	else
		*ret = r;
	return rc;
}
