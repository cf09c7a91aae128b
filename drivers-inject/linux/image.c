/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define MAX_IMAGE_BYTES ((uint64_t)1 << 30)

void linux_image_finish(struct linux_image *i)
{
	if (i->fd >= 0)
		close(i->fd);
	archive_initramfs_finish(&i->list);
	p2v_buf_finish(&i->dep_bin);
	free(i->has);
	free(i->base);
	*i = (struct linux_image){.fd = -1};
}

/* What each tool leaves in every image that it makes. The order: dracut's may hold the others'. */
static const struct {
	const char *path;
	enum linux_initramfs_tool tool;
} marks[] = {
	{"etc/booster.init.yaml", LINUX_TOOL_BOOSTER},
	{"usr/lib/dracut", LINUX_TOOL_DRACUT},
	{"lib/dracut", LINUX_TOOL_DRACUT},
	{"usr/lib/initrd-release", LINUX_TOOL_DRACUT},
	{"init_functions", LINUX_TOOL_MKINITCPIO},
	{"conf/initramfs.conf", LINUX_TOOL_INITRAMFS_TOOLS},
	{"scripts/functions", LINUX_TOOL_INITRAMFS_TOOLS},
};

enum linux_initramfs_tool linux_image_tool(const struct linux_image *i)
{
	for (size_t k = 0; k < P2V_N(marks); k++)
		if (archive_initramfs_find(&i->list, marks[k].path))
			return marks[k].tool;
	return LINUX_TOOL_UNKNOWN;
}

enum archive_compression linux_image_compression(const struct linux_image *i)
{
	const struct archive_member *init = archive_initramfs_find(&i->list, "init");
	size_t at = init ? init->segment : i->list.n_segments - 1;

	return i->list.segments[at].compression;
}

/* The part of a member's path behind ".../lib/modules/KV/", or NULL. */
static const char *below_modules(const char *path, const char *kernel)
{
	static const char *const tops[] = {"lib/modules/", "usr/lib/modules/"};
	size_t n = strlen(kernel);

	for (size_t k = 0; k < P2V_N(tops); k++) {
		const char *p = path + strlen(tops[k]);

		if (strncmp(path, tops[k], strlen(tops[k])) == 0 && strncmp(p, kernel, n) == 0 &&
			p[n] == '/')
			return p + n + 1;
	}
	return NULL;
}

/* While the image is read. */
struct reading {
	struct linux_image *image;
	const char *kernel;
	const struct linux_modules *modules;
	bool is_dep_bin; /* the body that comes next */
};

static bool note(void *opaque, const struct archive_member *m)
{
	struct reading *r = opaque;
	const char *name = below_modules(m->path, r->kernel);
	p2v_autofree char *module = name && S_ISREG(m->mode) ? linux_module_name(name) : NULL;
	const struct linux_module *known = module ? linux_modules_find(r->modules, module) : NULL;

	if (known)
		r->image->has[known - r->modules->items] = true;
	if (!name)
		return false;
	if (strcmp(name, "modules.alias.bin") == 0)
		r->image->has_alias_bin = true;
	return strcmp(name, "modules.dep.bin") == 0;
}

static int keep_dep_bin(void *opaque, const struct archive_member *m, const void *bytes, size_t n,
	struct p2v_err *err)
{
	struct reading *r = opaque;

	(void)m;
	p2v_buf_reset(&r->image->dep_bin);
	p2v_buf_add(&r->image->dep_bin, bytes, n);
	return p2v_buf_check(&r->image->dep_bin, err);
}

/* The deepest directory on the way to lib/modules/KV that the image has, and the rest of the way.
 */
static char *find_base(const struct archive_initramfs *list, const char *kernel)
{
	p2v_autofree char *whole = p2v_strf("lib/modules/%s", kernel);
	const char *const ways[] = {whole, "lib/modules", "lib"};

	for (size_t k = 0; whole && k < P2V_N(ways); k++) {
		const struct archive_member *m = archive_initramfs_find(list, ways[k]);

		if (m && S_ISDIR(m->mode))
			return p2v_strf("%s%s", m->path, whole + strlen(ways[k]));
	}
	/* No lib at all: the way that also works where lib is made a link later. */
	return p2v_strf("usr/lib/modules/%s", kernel);
}

static int read_image(struct linux_image *i, const char *kernel,
	const struct linux_modules *modules, struct p2v_err *err)
{
	struct reading r = {.image = i, .kernel = kernel, .modules = modules};
	struct archive_wanted wanted = {&r, note, keep_dep_bin};
	int rc = archive_initramfs_read(i->fd, &wanted, &i->list, err);

	if (rc < 0)
		return rc;
	i->base = find_base(&i->list, kernel);
	return i->base ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

int linux_image_load(struct guest *g, const char *path, const char *kernel,
	const struct linux_modules *modules, struct linux_image *ret, struct p2v_err *err)
{
	struct linux_image i = {.fd = -1};
	const char *dir = getenv("TMPDIR");
	int rc;

	i.fd = open(dir && dir[0] ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (i.fd < 0)
		return p2v_err_errno(err, errno, "temporary file");
	i.has = calloc(modules->n_items + 1, sizeof(*i.has));
	rc = i.has ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (rc == 0)
		rc = guest_download(g, path, MAX_IMAGE_BYTES, i.fd, err);
	if (rc == 0) {
		rc = read_image(&i, kernel, modules, err);
		if (rc < 0)
			p2v_err_wrap(err, rc, "%s", path);
	}
	if (rc < 0)
		linux_image_finish(&i);
	else
		*ret = i;
	return rc;
}

/* dep.bin's values are the lines of modules.dep as they are: "<path>/virtio_blk.ko: ...". */
static bool index_knows(const struct linux_image *i, const struct linux_module *mod)
{
	const char *slash = strrchr(mod->path, '/');
	const char *name = slash ? slash + 1 : mod->path;
	p2v_autofree char *needle = p2v_strf("/%.*s.ko", (int)(strstr(name, ".ko") - name), name);

	return needle && i->has_alias_bin && i->dep_bin.len > 0 &&
	       memmem(i->dep_bin.data, i->dep_bin.len, needle, strlen(needle));
}

bool linux_image_can_load(
	const struct linux_image *i, const struct linux_modules *m, const struct linux_module *mod)
{
	if (!i->has[mod - m->items] || !index_knows(i, mod))
		return false;
	for (size_t k = 0; k < mod->n_deps; k++)
		if (m->items[mod->deps[k]].path && !i->has[mod->deps[k]])
			return false;
	return true;
}

struct extracting {
	const char *dir, *base;
};

static bool want_module(void *opaque, const struct archive_member *m)
{
	const struct extracting *e = opaque;
	size_t n = strlen(e->base);
	p2v_autofree char *name = NULL;

	/* A path that would leave the directory is no module's. */
	if (strncmp(m->path, e->base, n) != 0 || m->path[n] != '/' || strstr(m->path, "..") ||
		strlen(m->path) > 1000)
		return false;
	name = linux_module_name(m->path);
	return name != NULL;
}

static int put_module(void *opaque, const struct archive_member *m, const void *bytes, size_t n,
	struct p2v_err *err)
{
	const struct extracting *e = opaque;
	p2v_autofree char *path = p2v_path_join(e->dir, m->path + strlen(e->base) + 1);
	char *slash = path ? strrchr(path, '/') : NULL;
	int rc;

	if (!slash)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	*slash = '\0';
	rc = p2v_dir_make(path, 0755, err);
	return rc < 0 ? rc : p2v_publish_bytes(path, slash + 1, bytes, n, 0644, err);
}

int linux_image_extract(const struct linux_image *i, const char *dir, struct p2v_err *err)
{
	struct extracting e = {dir, i->base};
	struct archive_wanted wanted = {&e, want_module, put_module};
	struct archive_initramfs again = {0};
	int rc = archive_initramfs_read(i->fd, &wanted, &again, err);

	archive_initramfs_finish(&again);
	return rc;
}
