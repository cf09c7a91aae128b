/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The kernels that the boot loader's menu offers. Most are known by their names in /boot already;
 * others lie elsewhere, or have names without a version ("vmlinuz-linux"): their image says which
 * kernel it is. A further initramfs for a known kernel (Arch's fallback) is a further kernel here.
 */

#include <stdlib.h>
#include <string.h>

#include "converters/boot/boot.h"
#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* bzImage: "HdrS" at 0x202; at 0x20e (2 bytes, little endian) where its version text stands, from
 * 0x200 on. Source: the kernel's x86 boot protocol. */
#define HEAD_BYTES 0x10400

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool same_name(const char *a, const char *b)
{
	return a && *a && b && strcmp(base_name(a), base_name(b)) == 0;
}

/* What the kernel loads last is its initramfs; microcode comes before it. */
static const char *initrd_of(const struct boot_entry *e)
{
	return e->n_initrds ? e->initrds[e->n_initrds - 1] : "";
}

static bool is_release(const struct facts_os *os, struct p2v_span name)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (p2v_span_eq(name, os->kernels[i].release))
			return true;
	return false;
}

/* A directory of the path says which kernel lies in it ("/<machine>/6.1.0/linux"): another one. */
static bool is_of_another(const struct facts_os *os, const struct facts_kernel *k, const char *path)
{
	struct p2v_span rest = p2v_span_str(path), part;

	while (rest.n) {
		part = p2v_span_until(rest, '/', &rest);
		if (rest.n && part.n && !p2v_span_eq(part, k->release) && is_release(os, part))
			return true;
	}
	return false;
}

/* Paths in a menu may be relative to a partition of their own: the last part has to do, where it
 * says all. */
static bool is_entry(
	const struct facts_os *os, const struct facts_kernel *k, const struct boot_entry *e)
{
	const char *initrd = initrd_of(e);

	return same_name(k->path, e->kernel) && !is_of_another(os, k, e->kernel) &&
	       (!*initrd || same_name(k->initramfs.path, initrd));
}

static const struct facts_kernel *find(const struct facts_os *os, const struct boot_entry *e)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (is_entry(os, &os->kernels[i], e) ||
			(os->kernels[i].rescue && same_name(os->kernels[i].path, e->kernel)))
			return &os->kernels[i];
	return NULL;
}

/* The file in the guest that a menu's path means; *ret stays NULL where there is none. It may be
 * relative to a partition of its own, or begin with a subvolume's name: "/@/boot/vmlinuz". */
static int locate(struct inspection *in, const char *path, char **ret)
{
	static const char *const tops[] = {
		"", "/boot", "/efi", "/boot/efi", "/boot/extlinux", "/boot/syslinux"};

	for (unsigned cut = 0; path && *path && cut < 4; cut++) {
		for (size_t i = 0; i < P2V_N(tops); i++) {
			p2v_autofree char *full =
				p2v_strf("%s%s%s", tops[i], *path == '/' ? "" : "/", path);

			if (!full)
				return p2v_err_set(in->err, P2V_ENOMEM, "no memory");
			if (guest_is_file(in->g, full)) {
				*ret = p2v_steal(full);
				return 0;
			}
		}
		path = strchr(path + 1, '/');
	}
	return 0;
}

static struct p2v_span image_release(const struct p2v_buf *head)
{
	static const struct p2v_span none = {"", 0};
	struct p2v_rd rd = p2v_rd_init(head->data, head->len);
	const uint8_t *magic;
	uint16_t at;

	p2v_rd_bytes(&rd, 0x202);
	magic = p2v_rd_bytes(&rd, 4);
	p2v_rd_bytes(&rd, 0x20e - 0x206);
	at = p2v_rd_le16(&rd);
	if (rd.failed || memcmp(magic, "HdrS", 4) != 0 || (size_t)at + 0x200 >= head->len)
		return none;
	return p2v_span_until(
		p2v_span_until(
			p2v_span_of(head->data + 0x200 + at, head->len - 0x200 - at), '\0', NULL),
		' ', NULL);
}

/* The kernel whose module tree is of that release; one without an image comes first. */
static struct facts_kernel *by_release(struct facts_os *os, struct p2v_span release)
{
	struct facts_kernel *found = NULL;

	for (size_t i = 0; i < os->n_kernels; i++) {
		struct facts_kernel *k = &os->kernels[i];

		if (k->rescue || !p2v_span_eq(release, k->release))
			continue;
		if (!k->path || !*k->path)
			return k;
		found = found ? found : k;
	}
	return found;
}

/* A kernel without modules: all that it drives is built in. */
static struct facts_kernel *add_alone(struct inspection *in, struct p2v_span release)
{
	struct facts_kernel *k;

	if (!release.n || release.n > 200 || p2v_span_has(release, '/'))
		return NULL;
	k = inspect_grow(in, (void **)&in->os->kernels, &in->os->n_kernels, sizeof(*k));
	if (!k || inspect_set_span(in, &k->release, release) < 0 ||
		inspect_set(in, &k->modules_dir, "") < 0 ||
		inspect_set(in, &k->arch, in->os->arch) < 0)
		return NULL;
	return k;
}

/* The release: as the entry says, as the image says, or a directory of the path is called so. */
static struct facts_kernel *kernel_of(
	struct inspection *in, const struct boot_entry *e, const char *path)
{
	p2v_autobuf struct p2v_buf head = {0};
	struct p2v_span rest = p2v_span_str(path), part;
	struct facts_kernel *k = NULL;

	if (*e->version)
		k = by_release(in->os, p2v_span_str(e->version));
	if (!k && !e->unified && guest_read_start(in->g, path, HEAD_BYTES, &head, NULL) == 0)
		k = by_release(in->os, image_release(&head));
	while (!k && rest.n) {
		part = p2v_span_until(rest, '/', &rest);
		k = part.n ? by_release(in->os, part) : NULL;
	}
	/* An image that does not say what it is, and one module tree that has none. */
	if (!k && e->unified && in->os->n_kernels == 1)
		k = &in->os->kernels[0];
	return k || e->unified ? k : add_alone(in, image_release(&head));
}

/* A kernel of that release once more, with nothing known but that. */
static struct facts_kernel *add_again(struct inspection *in, const struct facts_kernel *like)
{
	const size_t at = (size_t)(like - in->os->kernels);
	struct facts_kernel *k =
		inspect_grow(in, (void **)&in->os->kernels, &in->os->n_kernels, sizeof(*k));
	const struct facts_kernel *old = &in->os->kernels[at];

	if (!k || inspect_set(in, &k->release, old->release) < 0 ||
		inspect_set(in, &k->modules_dir, old->modules_dir ? old->modules_dir : "") < 0 ||
		inspect_set(in, &k->arch, old->arch ? old->arch : "") < 0)
		return NULL;
	return k;
}

static int attach(struct inspection *in, const struct boot_entry *e)
{
	p2v_autofree char *path = NULL, *initrd = NULL;
	struct facts_kernel *k;
	int r = locate(in, e->kernel, &path);

	if (r == 0 && path)
		r = locate(in, initrd_of(e), &initrd);
	/* An entry that is of another system, or that would not start. */
	if (r < 0 || !path || (*initrd_of(e) && !initrd))
		return r;
	k = kernel_of(in, e, path);
	if (!k)
		return r;
	/* By its full path it may be one that is known. */
	if (k->path && *k->path) {
		if (strcmp(k->path, path) == 0 && !strcmp(k->initramfs.path, initrd ? initrd : ""))
			return 0;
		k = add_again(in, k);
		if (!k)
			return P2V_ENOMEM;
	}
	r = inspect_set(in, &k->path, path);
	if (r == 0)
		r = inspect_set(in, &k->initramfs.path, initrd ? initrd : "");
	if (r < 0)
		return r;
	k->unified = e->unified;
	return inspect_kernel_read(in, k);
}

/* "linux" of "vmlinuz-linux" and "vmlinuz-linux.efi"; false: a name that no kernel has. */
static bool read_kernel_name(const char *name, struct p2v_span *ret_suffix)
{
	static const char *const prefixes[] = {"vmlinuz", "kernel", "bzImage", "vmlinux"};

	for (size_t i = 0; i < P2V_N(prefixes); i++) {
		struct p2v_span rest = p2v_span_skip(p2v_span_str(name), strlen(prefixes[i]));

		if (strncmp(name, prefixes[i], strlen(prefixes[i])) != 0)
			continue;
		if (p2v_span_ends(rest, ".efi"))
			rest.n -= strlen(".efi");
		*ret_suffix = p2v_span_starts(rest, "-") ? p2v_span_skip(rest, 1) : rest;
		return true;
	}
	return false;
}

/* What is called as belongs to such a kernel, beside it. */
static int find_loose_initramfs(
	struct inspection *in, const char *dir, struct p2v_span suffix, char **to)
{
	static const char *const forms[][2] = {{"initramfs", ".img"}, {"initrd", ".img"},
		{"initrd.img", ""}, {"initrd", ""}, {"initramfs", ""}, {"booster", ".img"}};

	for (size_t i = 0; i < P2V_N(forms); i++) {
		p2v_autofree char *path = p2v_strf("%s/%s%s%.*s%s", dir, forms[i][0],
			suffix.n ? "-" : "", (int)suffix.n, suffix.p, forms[i][1]);

		if (!path)
			return p2v_err_set(in->err, P2V_ENOMEM, "no memory");
		if (guest_is_file(in->g, path))
			return inspect_set(in, to, path);
	}
	return inspect_set(in, to, "");
}

static bool is_known(const struct facts_os *os, const char *path)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (os->kernels[i].path && strcmp(os->kernels[i].path, path) == 0)
			return true;
	return false;
}

/* ret_found: it is a kernel, and was not known before. */
static int attach_loose(struct inspection *in, const char *path, bool *ret_found)
{
	p2v_autofree char *dir = strndup(path, (size_t)(base_name(path) - path - 1));
	p2v_autobuf struct p2v_buf head = {0};
	struct facts_kernel *k;
	struct p2v_span suffix;
	int r;

	if (!dir || !read_kernel_name(base_name(path), &suffix) || is_known(in->os, path) ||
		guest_read_start(in->g, path, HEAD_BYTES, &head, NULL) < 0)
		return 0;
	k = by_release(in->os, image_release(&head));
	if (k && k->path && *k->path)
		k = add_again(in, k);
	if (!k)
		return 0;
	*ret_found = true;
	r = inspect_set(in, &k->path, path);
	if (r == 0)
		r = find_loose_initramfs(in, dir, suffix, &k->initramfs.path);
	return r == 0 ? inspect_kernel_read(in, k) : r;
}

int inspect_loose_kernels(struct inspection *in)
{
	/* On the EFI system partition, where the firmware finds them; else in /boot. */
	static const char *const places[] = {
		"/boot/efi/EFI/*/*", "/efi/EFI/*/*", "/boot/EFI/*/*", "/boot/*"};
	char **kind = &in->os->bootloader.kind;
	bool found = false;
	int r = 0;

	if (strcmp(*kind, "unknown") != 0 && strcmp(*kind, "efi-stub") != 0)
		return 0;
	for (size_t i = 0; r == 0 && i < P2V_N(places) && !found; i++) {
		struct inspect_paths paths = {0};

		r = inspect_glob(in, places[i], &paths);
		for (size_t k = 0; r == 0 && k < paths.n_items; k++)
			r = attach_loose(in, paths.items[k], &found);
		inspect_paths_finish(&paths);
		if (r == 0 && found && strstr(places[i], "/EFI/"))
			r = inspect_set(in, kind, "efi-stub");
	}
	return r;
}

static void mark_default(struct facts_os *os, const struct boot_entry *e)
{
	const struct facts_kernel *k = find(os, e);

	if (k)
		os->kernels[k - os->kernels].default_entry = true;
}

int inspect_entries(struct inspection *in, const struct boot_menu *menu)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < menu->n_entries; i++)
		if (!find(in->os, &menu->entries[i]))
			r = attach(in, &menu->entries[i]);
	if (r == 0 && menu->default_entry < menu->n_entries)
		mark_default(in->os, &menu->entries[menu->default_entry]);
	return r;
}
