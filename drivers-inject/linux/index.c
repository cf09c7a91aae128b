/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/index.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/guest/read.h"

#define MAX_FILE_BYTES	  ((uint64_t)64 << 20)
#define DEPMOD_TIMEOUT_MS 120000

/* What kmod reads in an image: the .bin files; the texts are for busybox and people. */
static const char *const indexes[] = {
	"modules.dep",
	"modules.dep.bin",
	"modules.alias",
	"modules.alias.bin",
	"modules.softdep",
	"modules.symbols",
	"modules.symbols.bin",
	"modules.builtin.bin",
	"modules.builtin.alias.bin",
	"modules.devname",
};

/* What depmod reads beside the modules. */
static const char *const sources[] = {
	"modules.builtin",
	"modules.builtin.modinfo",
	"modules.order",
};

void linux_files_finish(struct linux_files *f)
{
	for (size_t i = 0; i < f->n_items; i++) {
		free(f->items[i].path);
		p2v_buf_finish(&f->items[i].bytes);
	}
	free(f->items);
	*f = (struct linux_files){0};
}

/* Takes the bytes over. */
static int add(struct linux_files *f, const char *path, struct p2v_buf *bytes, struct p2v_err *err)
{
	struct linux_file *item = p2v_json_grow((void **)&f->items, &f->n_items, sizeof(*f->items));

	if (!item || !(item->path = strdup(path)))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	item->bytes = *bytes;
	*bytes = (struct p2v_buf){0};
	return 0;
}

int linux_files_fetch(struct guest *g, const char *kernel, const char *path, struct linux_files *f,
	struct p2v_err *err)
{
	p2v_autofree char *full = p2v_strf("/lib/modules/%s/%s", kernel, path);
	p2v_autobuf struct p2v_buf bytes = {0};
	int rc;

	if (!full)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = guest_read_file(g, full, MAX_FILE_BYTES, &bytes, err);
	return rc < 0 ? rc : add(f, path, &bytes, err);
}

/* Files that are not there are left out. */
static int fetch_some(struct guest *g, const char *kernel, const char *const *paths, size_t n,
	struct linux_files *f, struct p2v_err *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = linux_files_fetch(g, kernel, paths[i], f, err);

		if (rc < 0 && rc != P2V_ENOTFOUND)
			return rc;
		p2v_err_clear(err);
	}
	return 0;
}

static int put_all(const struct linux_files *f, const char *dir, struct p2v_err *err)
{
	for (size_t i = 0; i < f->n_items; i++) {
		p2v_autofree char *path = p2v_path_join(dir, f->items[i].path);
		char *slash = path ? strrchr(path, '/') : NULL;
		int rc;

		if (!slash)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		*slash = '\0';
		rc = p2v_dir_make(path, 0755, err);
		if (rc == 0)
			rc = p2v_publish_bytes(path, slash + 1, f->items[i].bytes.data,
				f->items[i].bytes.len, 0644, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The image's modules, then ours over them, then what depmod wants to read. */
static int fill_tree(struct guest *g, const char *kernel, const struct linux_image *image,
	const struct linux_files *f, const char *dir, struct p2v_err *err)
{
	struct linux_files extra = {0};
	int rc = linux_image_extract(image, dir, err);

	if (rc == 0)
		rc = put_all(f, dir, err);
	if (rc == 0)
		rc = fetch_some(g, kernel, sources, P2V_N(sources), &extra, err);
	if (rc == 0)
		rc = put_all(&extra, dir, err);
	linux_files_finish(&extra);
	return rc;
}

static int gather(const char *dir, struct linux_files *f, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(indexes); i++) {
		p2v_autofree char *path = p2v_path_join(dir, indexes[i]);
		p2v_autobuf struct p2v_buf bytes = {0};
		int rc = path ? p2v_file_read(path, MAX_FILE_BYTES, &bytes, err)
			      : p2v_err_set(err, P2V_ENOMEM, "no memory");

		if (rc == 0)
			rc = add(f, indexes[i], &bytes, err);
		if (rc < 0 && rc != P2V_ENOTFOUND)
			return rc;
		p2v_err_clear(err);
	}
	return 0;
}

static int depmod_in(struct guest *g, const char *top, const char *kernel,
	const struct linux_image *image, struct linux_files *f, struct p2v_err *err)
{
	p2v_autofree char *dir = p2v_strf("%s/lib/modules/%s", top, kernel);
	/* An empty one: this host's own rules are about this host. */
	p2v_autofree char *config = p2v_strf("%s/depmod.d", top);
	const char *const argv[] = {"depmod", "-b", top, "-C", config, kernel, NULL};
	int rc;

	if (!dir || !config)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = p2v_dir_make(dir, 0755, err);
	if (rc == 0)
		rc = p2v_dir_make(config, 0755, err);
	if (rc == 0)
		rc = fill_tree(g, kernel, image, f, dir, err);
	if (rc == 0)
		rc = p2v_proc_run(argv, NULL, 0, DEPMOD_TIMEOUT_MS, NULL, err);
	return rc < 0 ? rc : gather(dir, f, err);
}

int linux_files_add_indexes(struct guest *g, const char *kernel, const struct linux_image *image,
	struct linux_files *f, bool *ret_used_depmod, struct p2v_err *err)
{
	p2v_autofree char *top = NULL;
	int rc;

	*ret_used_depmod = p2v_proc_exists("depmod");
	if (!*ret_used_depmod)
		return fetch_some(g, kernel, indexes, P2V_N(indexes), f, err);
	rc = p2v_dir_temp("depmod", &top, err);
	if (rc < 0)
		return rc;
	rc = depmod_in(g, top, kernel, image, f, err);
	p2v_dir_remove(top);
	return rc;
}
