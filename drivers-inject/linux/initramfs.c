/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/initramfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "drivers-inject/linux/image.h"
#include "drivers-inject/linux/index.h"
#include "drivers-inject/linux/modules.h"
#include "p2v/archive/cpio.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/guest/write.h"

const char *linux_initramfs_tool_word(enum linux_initramfs_tool tool)
{
	static const char *const words[] = {
		"unknown", "initramfs-tools", "dracut", "mkinitcpio", "booster"};

	return words[tool];
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

	*w = (struct work){.g = g, .rq = rq, .image = {.fd = -1}};
	/* It becomes one component of a path, here and in the guest. */
	if (!rq->kernel[0] || strchr(rq->kernel, '/') || rq->kernel[0] == '.' ||
		rq->kernel[0] == '-' || strlen(rq->kernel) > 200)
		return p2v_err_set(err, P2V_EFORMAT, "not a kernel release");
	rc = linux_modules_load(g, rq->kernel, &w->modules, err);
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
		.tool = linux_image_tool(&w->image),
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
	struct work w;
	int rc = work_begin(&w, g, rq, err);

	if (rc == 0)
		rc = describe(&w, ret, err);
	work_finish(&w);
	return rc;
}

/* The segment while it grows. */
struct segment {
	const struct archive_initramfs *list;
	struct archive_file *files;
	size_t n_files;
	char **paths; /* owned, what the files point to */
	size_t n_paths;
};

static void segment_finish(struct segment *s)
{
	free(s->files);
	free_strings(s->paths, s->n_paths);
}

static int segment_add(struct segment *s, const char *path, uint32_t mode,
	const struct p2v_buf *bytes, struct p2v_err *err)
{
	struct archive_file *f;
	int rc = p2v_json_add_str(&s->paths, &s->n_paths, path, err);

	if (rc < 0)
		return rc;
	f = p2v_json_grow((void **)&s->files, &s->n_files, sizeof(*f));
	if (!f)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	f->path = s->paths[s->n_paths - 1];
	f->mode = mode;
	f->bytes = bytes ? bytes->data : NULL;
	f->n = bytes ? bytes->len : 0;
	return 0;
}

static bool segment_has(const struct segment *s, const char *path)
{
	for (size_t i = 0; i < s->n_files; i++)
		if (strcmp(s->files[i].path, path) == 0)
			return true;
	return false;
}

/* The directories on the way that the image does not have. One that it has must not come again: a
 * directory "lib" over a link of that name would remove the link, and the system with it. */
static int segment_add_parents(struct segment *s, const char *path, struct p2v_err *err)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		p2v_autofree char *dir = strndup(path, (size_t)(p - path));
		int rc;

		if (!dir)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		if (segment_has(s, dir) || archive_initramfs_find(s->list, dir))
			continue;
		rc = segment_add(s, dir, S_IFDIR | 0755, NULL, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int segment_add_file(
	struct segment *s, const char *path, const struct p2v_buf *bytes, struct p2v_err *err)
{
	int rc = segment_add_parents(s, path, err);

	return rc < 0 ? rc : segment_add(s, path, S_IFREG | 0644, bytes, err);
}

/* Fetches what is wanted and not yet in the image. */
static int fetch_modules(const struct work *w, const bool *in, struct linux_files *files,
	struct linux_initramfs_result *ret, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->modules.n_items; i++) {
		const struct linux_module *m = &w->modules.items[i];

		if (!in[i] || w->image.has[i])
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

static int pack(const struct work *w, const struct linux_files *files, const struct p2v_buf *marker,
	struct p2v_buf *ret, struct p2v_err *err)
{
	const struct archive_initramfs *list = &w->image.list;
	struct segment s = {.list = list};
	/* lz4's old format has no end mark: only more of the same may follow it directly. */
	enum archive_packing packing =
		list->segments[list->n_segments - 1].compression == ARCHIVE_COMP_LZ4
			? ARCHIVE_LZ4_LEGACY
			: ARCHIVE_GZIP;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < files->n_items; i++) {
		p2v_autofree char *path = p2v_path_join(w->image.base, files->items[i].path);

		rc = path ? segment_add_file(&s, path, &files->items[i].bytes, err)
			  : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	if (rc == 0)
		rc = segment_add_file(&s, LINUX_INITRAMFS_MARKER, marker, err);
	if (rc == 0)
		rc = archive_cpio_pack(s.files, s.n_files, packing, ret, err);
	segment_finish(&s);
	return rc;
}

/* On the host's copy, then into the guest beside the old image and over it. */
static int append(const struct work *w, const struct p2v_buf *segment, struct p2v_err *err)
{
	int fd = w->image.fd;
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 0 || pwrite(fd, segment->data, segment->len, end) != (ssize_t)segment->len)
		return p2v_err_errno(err, errno, "write the new image on the host");
	return guest_upload(w->g, fd, w->rq->image, 0600,
		"adds the drivers that the virtual hardware needs at boot", err);
}

static int build(const struct work *w, const bool *in, struct linux_files *files,
	struct linux_initramfs_result *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf marker = {0}, segment = {0};
	int rc = fetch_modules(w, in, files, ret, err);

	if (rc == 0)
		rc = linux_files_add_indexes(
			w->g, w->rq->kernel, &w->image, files, &ret->used_depmod, err);
	if (rc == 0)
		rc = make_marker(w, ret, &marker, err);
	if (rc == 0)
		rc = pack(w, files, &marker, &segment, err);
	if (rc < 0)
		return rc;
	ret->changed = true;
	ret->added_bytes = segment.len;
	return append(w, &segment, err);
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
	if (tool == LINUX_TOOL_UNKNOWN || tool == LINUX_TOOL_BOOSTER)
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
