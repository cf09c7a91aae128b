/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Each tool that makes an initramfs, in each packing, with and without microcode before it, and
 * with a /lib that is a link or none:
 *
 *	images tests/golden     TAP, one test for each
 *
 * The image holds no driver of a virtual machine's disk. It is to hold them after the conversion,
 * to begin with all that it was, and to be left alone by a second one.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drivers-inject/linux/initramfs.h"
#include "golden.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static const struct {
	const char *name;
	bool split; /* it is of a time when no /lib was a link */
} tools[] = {{"initramfs-tools", false}, {"dracut", false}, {"dracut-004", true},
	{"mkinitcpio", false}, {"mkinitfs", false}};
static const char *const packings[] = {"none", "gzip", "bzip2", "lzma", "xz", "lz4", "zstd"};

#define IMAGE	"/boot/initrd.img-6.1.0"
#define RELEASE "6.1.0"

static void read_image(const char *root, struct p2v_buf *out)
{
	p2v_autofree char *path = p2v_strf("%s" IMAGE, root);

	golden_need(p2v_file_read(path, 16 << 20, out, &golden_err), path);
}

/* The drivers are there, with what they need and an index that knows them. */
static bool holds_drivers(const char *root)
{
	static const char *const wanted[] = {"virtio_pci", "virtio_blk", "virtio_scsi"};
	const struct linux_initramfs_request rq = {
		.image = IMAGE, .kernel = RELEASE, .modules = wanted, .n_modules = P2V_N(wanted)};
	struct linux_initramfs_info info = {0};
	struct guest *g;
	bool ok;

	golden_need(guest_open_dir(root, false, &g, &golden_err), root);
	golden_need(linux_initramfs_inspect(g, &rq, &info, &golden_err), IMAGE);
	ok = info.n_present == P2V_N(wanted);
	linux_initramfs_info_finish(&info);
	guest_free(g);
	return ok;
}

static const char *judge(const struct golden_scene *scene, const char *top, const char *root)
{
	p2v_autobuf struct p2v_buf before = {0}, after = {0};

	read_image(root, &before);
	if (holds_drivers(root))
		return "it held the drivers before";
	golden_convert(scene, top, root);
	read_image(root, &after);
	if (!holds_drivers(root))
		return "the drivers are not in it";
	if (after.len <= before.len || memcmp(before.data, after.data, before.len) != 0)
		return "it does not begin with what it was";
	return golden_convert(scene, top, root) ? "a second conversion changes it again" : NULL;
}

static const char *run(const char *dir, struct golden_kernel *kernel)
{
	p2v_autofree char *case_dir = p2v_path_join(dir, "base-debian");
	p2v_autofree char *top = NULL;
	p2v_autofree char *root = NULL;
	struct golden_scene scene;
	const char *why;

	golden_scene_load(case_dir, &scene);
	golden_need(p2v_dir_temp("images", &top, &golden_err), "temp");
	root = p2v_path_join(top, "root");
	golden_make(&scene, root);
	golden_make_kernel(root, kernel);
	why = judge(&scene, top, root);
	golden_scene_finish(&scene);
	p2v_dir_remove(top);
	return why;
}

static int number, failed;

static void test(const char *dir, const char *tool, const char *packing, bool early, bool flat)
{
	struct golden_kernel kernel = {.release = strdup(RELEASE),
		.path = strdup("/boot/vmlinuz-" RELEASE),
		.initramfs = strdup(IMAGE),
		.tool = strdup(tool),
		.compression = strdup(packing),
		.early = early,
		.flat = flat};
	const char *why = run(dir, &kernel);

	printf("%s %d - %s, %s%s%s\n", why ? "not ok" : "ok", ++number, tool, packing,
		early ? ", microcode" : "", flat ? ", /lib of its own" : "");
	if (why)
		fprintf(stderr, "%s, %s: %s\n", tool, packing, why);
	failed += why != NULL;
	free(kernel.release);
	free(kernel.path);
	free(kernel.initramfs);
	free(kernel.tool);
	free(kernel.compression);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	golden_begin();
	for (size_t i = 0; i < P2V_N(tools); i++)
		for (size_t k = 0; k < P2V_N(packings); k++)
			for (int way = tools[i].split ? 2 : 0; way < 4; way++)
				test(argv[1], tools[i].name, packings[k], way & 1, way & 2);
	printf("1..%d\n", number);
	return failed || !number;
}
