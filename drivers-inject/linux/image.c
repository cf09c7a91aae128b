/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/linux/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers-inject/linux/script.h"
#include "drivers-inject/linux/unified.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define MAX_TEXT_BYTES ((uint64_t)256 << 10)
#define MAX_TEXTS      ((size_t)64)

/* Files that say how the image loads modules. */
static const char *const scripts[] = {"init", "linuxrc", "run_all.sh", "config/start.sh"};

/* Files in which tools repeat what the machine was. One that ends in '/': all files below. */
static const char *const host_facts[] = {
	"conf/conf.d/resume",
	"conf/conf.d/cryptroot",
	"conf/param.conf",
	"cryptroot/crypttab",
	"etc/cmdline",
	"etc/cmdline.d/",
	"etc/crypttab",
	"etc/fstab",
	"etc/fstab.sys",
	"etc/lvm/devices/system.devices",
	"etc/lvm/lvm.conf",
	"etc/lvm/lvmlocal.conf",
	"etc/mdadm.conf",
	"etc/mdadm/mdadm.conf",
	"etc/modprobe.d/",
	"etc/uswsusp.conf",
};

void linux_image_finish(struct linux_image *i)
{
	if (i->fd >= 0)
		close(i->fd);
	if (i->program >= 0)
		close(i->program);
	archive_initramfs_finish(&i->list);
	for (size_t k = 0; k < i->n_texts; k++) {
		free(i->texts[k].path);
		p2v_buf_finish(&i->texts[k].text);
	}
	free(i->texts);
	p2v_buf_finish(&i->dep_bin);
	free(i->has);
	free(i->base);
	*i = LINUX_IMAGE_NONE;
}

/* What each tool leaves in every image that it makes. The order: dracut's may hold the others'. In
 * a squashed one (RHEL's kdump) all lies in a file system of its own, over what is appended. */
static const struct {
	const char *path;
	enum linux_initramfs_tool tool;
} marks[] = {
	{"squash-root.img", LINUX_TOOL_UNKNOWN},
	{"squashfs-root.img", LINUX_TOOL_UNKNOWN},
	{"erofs-root.img", LINUX_TOOL_UNKNOWN},
	{"squash/root.img", LINUX_TOOL_UNKNOWN},
	{"etc/booster.init.yaml", LINUX_TOOL_BOOSTER},
	{"usr/lib/dracut", LINUX_TOOL_DRACUT},
	{"lib/dracut", LINUX_TOOL_DRACUT},
	{"lib/dracut-lib.sh", LINUX_TOOL_DRACUT}, /* RHEL 6 */
	{"usr/lib/initrd-release", LINUX_TOOL_DRACUT},
	{"init_functions", LINUX_TOOL_MKINITCPIO},
	{"conf/initramfs.conf", LINUX_TOOL_INITRAMFS_TOOLS},
	{"scripts/functions", LINUX_TOOL_INITRAMFS_TOOLS},
	{"sbin/nlplug-findfs", LINUX_TOOL_MKINITFS},
	{"usr/sbin/nlplug-findfs", LINUX_TOOL_MKINITFS},
};

static bool is_listed(const char *path, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(list[i]);

		if (list[i][len - 1] == '/' ? strncmp(path, list[i], len) == 0
					    : strcmp(path, list[i]) == 0)
			return true;
	}
	return false;
}

const struct linux_initramfs_file *linux_image_text(const struct linux_image *i, const char *path)
{
	for (size_t k = 0; k < i->n_texts; k++)
		if (strcmp(i->texts[k].path, path) == 0)
			return &i->texts[k];
	return NULL;
}

static struct p2v_span text_span(const struct linux_initramfs_file *f)
{
	return f ? p2v_span_of(f->text.data ? (const char *)f->text.data : "", f->text.len)
		 : p2v_span_str("");
}

/* The tools before dracut leave no name: their scripts tell. */
static enum linux_initramfs_tool find_tool(const struct linux_image *i)
{
	for (size_t k = 0; k < P2V_N(marks); k++)
		if (archive_initramfs_find(&i->list, marks[k].path))
			return marks[k].tool;
	if (linux_script_is_nash(text_span(linux_image_text(i, "init"))))
		return LINUX_TOOL_MKINITRD_RH;
	if (linux_image_text(i, "run_all.sh") || linux_image_text(i, "config/start.sh"))
		return LINUX_TOOL_MKINITRD_SUSE;
	return LINUX_TOOL_UNKNOWN;
}

int linux_image_take_facts(struct linux_image *i, struct linux_initramfs_file **ret, size_t *ret_n,
	struct p2v_err *err)
{
	struct linux_initramfs_file *files = calloc(i->n_texts + 1, sizeof(*files));
	size_t n = 0;

	if (!files)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t k = 0; k < i->n_texts; k++) {
		if (!is_listed(i->texts[k].path, host_facts, P2V_N(host_facts)))
			continue;
		files[n++] = i->texts[k];
		i->texts[k] = i->texts[--i->n_texts];
		k--;
	}
	*ret = files;
	*ret_n = n;
	return 0;
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
};

static bool is_text(const struct archive_member *m)
{
	return m->size_bytes <= MAX_TEXT_BYTES &&
	       (is_listed(m->path, scripts, P2V_N(scripts)) ||
		       is_listed(m->path, host_facts, P2V_N(host_facts)));
}

static bool note(void *opaque, const struct archive_member *m)
{
	struct reading *r = opaque;
	const char *name = below_modules(m->path, r->kernel);
	p2v_autofree char *module = name && S_ISREG(m->mode) ? linux_module_name(name) : NULL;
	const struct linux_module *known = module ? linux_modules_find(r->modules, module) : NULL;

	if (known)
		r->image->has[known - r->modules->items] = true;
	if (!name)
		return is_text(m) && r->image->n_texts < MAX_TEXTS;
	if (strcmp(name, "modules.alias.bin") == 0)
		r->image->has_alias_bin = true;
	return strcmp(name, "modules.dep.bin") == 0;
}

/* A later one of that path takes the place of an earlier one. */
static int keep_text(
	struct linux_image *i, const char *path, const void *bytes, size_t n, struct p2v_err *err)
{
	struct linux_initramfs_file *f = NULL;

	for (size_t k = 0; k < i->n_texts; k++)
		if (strcmp(i->texts[k].path, path) == 0)
			f = &i->texts[k];
	if (!f) {
		f = p2v_json_grow((void **)&i->texts, &i->n_texts, sizeof(*f));
		if (!f || !(f->path = strdup(path)))
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	p2v_buf_reset(&f->text);
	p2v_buf_add(&f->text, bytes, n);
	return p2v_buf_check(&f->text, err);
}

static int keep(void *opaque, const struct archive_member *m, const void *bytes, size_t n,
	struct p2v_err *err)
{
	struct reading *r = opaque;

	if (!below_modules(m->path, r->kernel))
		return keep_text(r->image, m->path, bytes, n, err);
	p2v_buf_reset(&r->image->dep_bin);
	p2v_buf_add(&r->image->dep_bin, bytes, n);
	return p2v_buf_check(&r->image->dep_bin, err);
}

/* What a later segment made a link of is gone. */
static void drop_overridden(struct linux_image *i)
{
	for (size_t k = 0; k < i->n_texts; k++) {
		const struct archive_member *m = archive_initramfs_find(&i->list, i->texts[k].path);

		if (m && S_ISREG(m->mode) && strcmp(m->path, i->texts[k].path) == 0)
			continue;
		free(i->texts[k].path);
		p2v_buf_finish(&i->texts[k].text);
		i->texts[k] = i->texts[--i->n_texts];
		k--;
	}
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
	struct archive_wanted wanted = {&r, note, keep};
	int rc = archive_initramfs_read(i->fd, &wanted, &i->list, err);

	if (rc < 0)
		return rc;
	drop_overridden(i);
	i->tool = find_tool(i);
	i->base = find_base(&i->list, kernel);
	return i->base ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

int linux_temporary(struct p2v_err *err)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && dir[0] ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? p2v_err_errno(err, errno, "temporary file") : fd;
}

/* A unified kernel: its initramfs instead of the whole. */
static int cut_out(struct linux_image *i, struct p2v_err *err)
{
	uint64_t offset, length;
	off_t from;
	int rc = linux_unified_find(i->fd, LINUX_UNIFIED_INITRD, &offset, &length, err);

	if (rc <= 0)
		return rc;
	i->program = i->fd;
	i->fd = linux_temporary(err);
	if (i->fd < 0)
		return i->fd;
	for (from = (off_t)offset; length;) {
		size_t want = length < (1 << 20) ? (size_t)length : (size_t)1 << 20;
		ssize_t n = sendfile(i->fd, i->program, &from, want);

		if (n <= 0)
			return p2v_err_set(err, P2V_EFORMAT, "its initramfs is cut off");
		length -= (uint64_t)n;
	}
	return 0;
}

int linux_image_load(struct guest *g, const char *path, const char *kernel,
	const struct linux_modules *modules, struct linux_image *ret, struct p2v_err *err)
{
	struct linux_image i = LINUX_IMAGE_NONE;
	int rc;

	i.fd = linux_temporary(err);
	if (i.fd < 0)
		return i.fd;
	i.has = calloc(modules->n_items + 1, sizeof(*i.has));
	rc = i.has ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (rc == 0)
		rc = guest_download(g, path, LINUX_IMAGE_MAX_BYTES, i.fd, err);
	if (rc == 0) {
		rc = cut_out(&i, err);
		if (rc == 0)
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

/* "virtio_blk.ko" of "kernel/drivers/block/virtio_blk.ko". */
static const char *file_name(const struct linux_module *mod)
{
	const char *slash = strrchr(mod->path, '/');

	return slash ? slash + 1 : mod->path;
}

/* Images that keep all modules in one directory, and load what they are told to. */
static bool lies_flat(const struct linux_image *i, const char *dir, const struct linux_module *mod)
{
	p2v_autofree char *path = p2v_strf("%s/%s", dir, file_name(mod));

	return path && archive_initramfs_find(&i->list, path);
}

static bool lies_in_booster(const struct linux_image *i, const struct linux_module *mod)
{
	p2v_autofree char *path = p2v_strf("usr/lib/modules/%s.ko", mod->name);

	return path && archive_initramfs_find(&i->list, path);
}

static bool script_loads(const struct linux_image *i, const struct linux_module *mod)
{
	if (i->tool == LINUX_TOOL_MKINITRD_RH)
		return lies_flat(i, "lib", mod) &&
		       linux_script_nash_loads(
			       text_span(linux_image_text(i, "init")), file_name(mod));
	return linux_script_suse_loads(text_span(linux_image_text(i, "run_all.sh")), mod->name) ||
	       linux_script_suse_loads(
		       text_span(linux_image_text(i, "config/start.sh")), mod->name);
}

bool linux_image_holds(
	const struct linux_image *i, const struct linux_modules *m, const struct linux_module *mod)
{
	if (i->tool == LINUX_TOOL_MKINITRD_RH)
		return lies_flat(i, "lib", mod);
	return i->has[mod - m->items];
}

bool linux_image_can_load(
	const struct linux_image *i, const struct linux_modules *m, const struct linux_module *mod)
{
	if (i->tool == LINUX_TOOL_BOOSTER)
		return lies_in_booster(i, mod);
	if (!linux_image_holds(i, m, mod))
		return false;
	if (i->tool == LINUX_TOOL_MKINITRD_RH || i->tool == LINUX_TOOL_MKINITRD_SUSE) {
		if (!script_loads(i, mod))
			return false;
	} else if (!index_knows(i, mod)) {
		return false;
	}
	for (size_t k = 0; k < mod->n_deps; k++)
		if (m->items[mod->deps[k]].path &&
			!linux_image_holds(i, m, &m->items[mod->deps[k]]))
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
