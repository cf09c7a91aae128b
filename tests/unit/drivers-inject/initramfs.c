/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest in a directory: two modules, and an image without them. The module files are copies of
 * this program: depmod reads any ELF file's .modinfo.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers-inject/linux/initramfs.h"
#include "drivers-inject/linux/modules.h"
#include "p2v/archive/cpio.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/guest/write.h"

#define KV	"6.1.0-test"
#define IMAGE	"/boot/initrd.img-" KV
#define TREE	"/usr/lib/modules/" KV
#define FMODE	(S_IFREG | 0644)
#define DMODE	(S_IFDIR | 0755)
#define DEP	"kernel/virtio.ko:\nkernel/virtio_blk.ko: kernel/virtio.ko\nkernel/sd_mod.ko:\n"
#define BUILTIN "kernel/fs/ext4/ext4.ko\n"

__attribute__((section(".modinfo"), used)) static const char modinfo[] =
	"alias=virtio:d00000002v*\0name=x";

static const char *const wanted[] = {"virtio-blk", "ext4", "nonsense", "sd_mod"};

struct scene {
	char *root;
	struct guest *g;
	struct p2v_err err;
	struct linux_initramfs_request rq;
};

static void put(struct scene *s, const char *path, const void *bytes, size_t n)
{
	p2v_autofree char *p = p2v_strf("%s%s", s->root, path);
	char *slash = strrchr(p, '/');

	*slash = '\0';
	assert_int_equal(p2v_dir_make(p, 0755, &s->err), 0);
	assert_int_equal(p2v_publish_bytes(p, slash + 1, bytes, n, 0644, &s->err), 0);
}

static void put_text(struct scene *s, const char *path, const char *text)
{
	put(s, path, text, strlen(text));
}

/* Debian's shape: merged /usr, sd_mod inside, its index too. */
static void put_image(struct scene *s, enum archive_packing packing, const char *mark)
{
	static const char index[] = "\xb0\x07\xf4\x57 kernel/sd_mod.ko:";
	const struct archive_file files[] = {
		{"usr", DMODE, NULL, 0},
		{"usr/lib", DMODE, NULL, 0},
		{"lib", S_IFLNK | 0777, "usr/lib", 7},
		{"usr/lib/modules", DMODE, NULL, 0},
		{"usr/lib/modules/" KV, DMODE, NULL, 0},
		{"usr/lib/modules/" KV "/kernel", DMODE, NULL, 0},
		{"usr/lib/modules/" KV "/kernel/sd_mod.ko", FMODE, "x", 1},
		{"usr/lib/modules/" KV "/modules.dep.bin", FMODE, index, sizeof(index)},
		{"usr/lib/modules/" KV "/modules.alias.bin", FMODE, "x", 1},
		{"init", FMODE, "#!/bin/sh\n", 10},
		{mark, FMODE, "", 0},
	};
	p2v_autobuf struct p2v_buf image = {0};

	assert_int_equal(archive_cpio_pack(files, P2V_N(files), packing, &image, &s->err), 0);
	put(s, IMAGE, image.data, image.len);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	p2v_autobuf struct p2v_buf self = {0};

	assert_int_equal(p2v_dir_temp("drivers-test", &s->root, &s->err), 0);
	assert_int_equal(p2v_file_read("/proc/self/exe", 60 << 20, &self, &s->err), 0);
	put(s, TREE "/kernel/virtio.ko", self.data, self.len);
	put(s, TREE "/kernel/virtio_blk.ko", self.data, self.len);
	put_text(s, TREE "/modules.dep", DEP);
	put_text(s, TREE "/modules.builtin", BUILTIN);
	put_image(s, ARCHIVE_GZIP, "conf/initramfs.conf");
	{
		p2v_autofree char *lib = p2v_strf("%s/lib", s->root);

		assert_int_equal(symlink("usr/lib", lib), 0);
	}
	assert_int_equal(guest_open_dir(s->root, true, &s->g, &s->err), 0);
	s->rq = (struct linux_initramfs_request){IMAGE, KV, wanted, P2V_N(wanted)};
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	guest_free(s->g);
	p2v_dir_remove(s->root);
	free(s->root);
	free(s);
	return 0;
}

static void expect_info(struct scene *s, size_t present, size_t missing, bool marked)
{
	struct linux_initramfs_info i = {0};

	if (linux_initramfs_inspect(s->g, &s->rq, &i, &s->err) < 0)
		fail_msg("%s", s->err.text);
	assert_int_equal(i.tool, LINUX_TOOL_INITRAMFS_TOOLS);
	assert_int_equal(i.n_present, present);
	assert_int_equal(i.n_missing, missing);
	assert_int_equal(i.n_builtin, 1);
	assert_string_equal(i.builtin[0], "ext4");
	assert_string_equal(i.unknown[0], "nonsense");
	assert_int_equal(i.marked, marked);
	linux_initramfs_info_finish(&i);
}

static void read_list(struct scene *s, struct archive_initramfs *ret)
{
	p2v_autofree char *p = p2v_strf("%s%s", s->root, IMAGE);
	p2v_autofclose FILE *f = fopen(p, "r");

	assert_non_null(f);
	if (archive_initramfs_read(fileno(f), NULL, ret, &s->err) < 0)
		fail_msg("%s", s->err.text);
}

/* The traps: no directory over the link lib, modules under the real directory, a marker. */
static void expect_good_segment(struct scene *s)
{
	struct archive_initramfs a = {0};
	const struct archive_member *m;
	size_t kept;

	read_list(s, &a);
	kept = 11;
	assert_true(a.n_members > kept);
	for (size_t i = kept; i < a.n_members; i++) {
		assert_string_not_equal(a.members[i].path, "lib");
		assert_string_not_equal(a.members[i].path, "usr");
		assert_string_not_equal(a.members[i].path, "usr/lib/modules/" KV "/kernel");
	}
	m = archive_initramfs_find(&a, "lib/modules/" KV "/kernel/virtio_blk.ko");
	assert_non_null(m);
	assert_true(S_ISREG(m->mode));
	assert_non_null(archive_initramfs_find(&a, "lib/modules/" KV "/kernel/virtio.ko"));
	assert_non_null(archive_initramfs_find(&a, LINUX_INITRAMFS_MARKER));
	assert_true(archive_initramfs_find(&a, "lib/modules/" KV "/modules.dep.bin") >
		    &a.members[kept]);
	archive_initramfs_finish(&a);
}

static void inject_twice(struct scene *s)
{
	struct linux_initramfs_result r = {0};

	expect_info(s, 1, 1, false);
	if (linux_initramfs_inject(s->g, &s->rq, &r, &s->err) < 0)
		fail_msg("%s", s->err.text);
	assert_true(r.changed);
	assert_int_equal(r.n_added, 2);
	assert_string_equal(r.added[0], "virtio");
	assert_string_equal(r.added[1], "virtio_blk");
	linux_initramfs_result_finish(&r);
	expect_good_segment(s);
	expect_info(s, 2, 0, true);
	assert_int_equal(guest_changes(s->g).n_items, 1);
	assert_true(guest_changes(s->g).items[0].kept_bytes > 0);
	assert_int_equal(linux_initramfs_inject(s->g, &s->rq, &r, &s->err), 0);
	assert_false(r.changed);
	assert_int_equal(r.n_added, 0);
}

static void test_gzip(void **state)
{
	if (!p2v_proc_exists("depmod"))
		skip();
	inject_twice(*state);
}

static void test_plain(void **state)
{
	struct scene *s = *state;

	if (!p2v_proc_exists("depmod"))
		skip();
	put_image(s, ARCHIVE_PLAIN, "conf/initramfs.conf");
	inject_twice(s);
}

/* Behind lz4 only lz4 may follow. */
static void test_lz4(void **state)
{
	struct scene *s = *state;
	struct archive_initramfs a = {0};

	if (!p2v_proc_exists("lz4") || !p2v_proc_exists("depmod"))
		skip();
	put_image(s, ARCHIVE_LZ4_LEGACY, "conf/initramfs.conf");
	inject_twice(s);
	read_list(s, &a);
	assert_int_equal(a.segments[a.n_segments - 1].compression, ARCHIVE_COMP_LZ4);
	archive_initramfs_finish(&a);
}

static void test_without_depmod(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *path = strdup(getenv("PATH"));
	p2v_autofree char *tool = p2v_strf("%s/sha256sum", s->root);
	struct linux_initramfs_result r = {0};
	struct archive_initramfs a = {0};
	int rc;

	put_text(s, TREE "/modules.dep.bin", "the guest's own /virtio_blk.ko");
	put_text(s, TREE "/modules.alias.bin", "x");
	/* A PATH with the one program that the record needs, and no depmod. */
	assert_int_equal(symlink("/usr/bin/sha256sum", tool), 0);
	setenv("PATH", s->root, 1);
	rc = linux_initramfs_inject(s->g, &s->rq, &r, &s->err);
	setenv("PATH", path, 1);
	assert_int_equal(rc, 0);
	assert_true(r.changed);
	assert_false(r.used_depmod);
	linux_initramfs_result_finish(&r);
	expect_info(s, 1, 1, true);
	read_list(s, &a);
	assert_int_equal(
		archive_initramfs_find(&a, "lib/modules/" KV "/modules.dep.bin")->size_bytes,
		strlen("the guest's own /virtio_blk.ko"));
	archive_initramfs_finish(&a);
}

static void test_refusals(void **state)
{
	struct scene *s = *state;
	struct linux_initramfs_result r = {0};
	struct linux_initramfs_request rq = s->rq;

	put_image(s, ARCHIVE_GZIP, "who/knows");
	assert_int_equal(linux_initramfs_inject(s->g, &rq, &r, &s->err), P2V_EUNSUPPORTED);
	put_image(s, ARCHIVE_GZIP, "etc/booster.init.yaml");
	assert_int_equal(linux_initramfs_inject(s->g, &rq, &r, &s->err), P2V_EUNSUPPORTED);
	put_text(s, IMAGE, "not an image");
	assert_int_equal(linux_initramfs_inject(s->g, &rq, &r, &s->err), P2V_EFORMAT);
	assert_non_null(strstr(s->err.text, IMAGE));
	rq.image = "/boot/none";
	assert_int_equal(linux_initramfs_inject(s->g, &rq, &r, &s->err), P2V_ENOTFOUND);
	rq.kernel = "../../../etc";
	assert_int_equal(linux_initramfs_inject(s->g, &rq, &r, &s->err), P2V_EFORMAT);
	rq.kernel = "5.0-none";
	assert_int_equal(linux_initramfs_inject(s->g, &rq, &r, &s->err), P2V_ENOTFOUND);
	assert_int_equal(guest_changes(s->g).n_items, 0);
	assert_true(modinfo[0] == 'a');
}

static int parse(const char *dep, const char *builtin, struct linux_modules *m, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf d = {0}, b = {0};

	p2v_buf_add_str(&d, dep);
	p2v_buf_add_str(&b, builtin);
	return linux_modules_parse(&d, &b, m, err);
}

static void test_modules_dep(void **state)
{
	struct linux_modules m = {0};
	struct p2v_err err = {0};
	static const char *const names[] = {"c-c", "none"};
	bool in[8] = {false};

	(void)state;
	assert_int_equal(parse("k/a.ko.xz:\nk/b.ko.zst: k/a.ko.xz\nk/c_c.ko: k/b.ko.zst\n",
				 "k/a.ko\nk/d.ko\n", &m, &err),
		0);
	assert_int_equal(m.n_items, 5);
	assert_string_equal(linux_modules_find(&m, "c-c")->path, "k/c_c.ko");
	assert_null(linux_modules_find(&m, "d")->path);
	assert_null(linux_modules_find(&m, "e"));
	assert_int_equal(linux_modules_closure(&m, names, 2, in, &err), 0);
	assert_true(in[linux_modules_find(&m, "c_c") - m.items]);
	assert_true(in[linux_modules_find(&m, "b") - m.items]);
	linux_modules_finish(&m);
	assert_int_equal(parse("../../etc/x.ko:\n", "", &m, &err), P2V_EFORMAT);
	assert_int_equal(parse("/etc/x.ko:\n", "", &m, &err), P2V_EFORMAT);
	assert_int_equal(parse("k/x.ko\n", "", &m, &err), P2V_EFORMAT);
	assert_int_equal(parse("k/x.ko: k/y.ko\n", "", &m, &err), P2V_EFORMAT);
	assert_int_equal(parse("k/x.so:\n", "", &m, &err), P2V_EFORMAT);
	assert_int_equal(parse("", "", &m, &err), 0);
	assert_null(linux_modules_find(&m, "x"));
	linux_modules_finish(&m);
}

#define scene_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(test_gzip),
		scene_test(test_plain),
		scene_test(test_lz4),
		scene_test(test_without_depmod),
		scene_test(test_refusals),
		cmocka_unit_test(test_modules_dep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
