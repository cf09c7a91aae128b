/* SPDX-License-Identifier: GPL-3.0-or-later */
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

#include "p2v/archive/cpio.h"
#include "p2v/archive/initramfs.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"

#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE  (S_IFDIR | 0755)
#define LINK_MODE (S_IFLNK | 0777)

/* Compresses badly, as a module does: more than one block of every compressor. */
static uint8_t noise[300000];

static void fill_noise(void)
{
	uint32_t v = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		v = v * 1664525 + 1013904223;
		noise[i] = (uint8_t)(v >> 24);
	}
}

static const struct archive_file main_files[] = {
	{"usr", DIR_MODE, NULL, 0},
	{"usr/lib", DIR_MODE, NULL, 0},
	{"lib", LINK_MODE, "usr/lib", 7},
	{"usr/lib/noise", FILE_MODE, noise, sizeof(noise)},
	{"init", S_IFREG | 0755, "#!/bin/sh\n", 10},
};
static const struct archive_file more_files[] = {
	{"lib/added.ko", FILE_MODE, "module", 6},
	{"etc/p2v-injected", FILE_MODE, "p2v 1\n", 6},
};

static void pack(const struct archive_file *files, size_t n, enum archive_packing packing,
	struct p2v_buf *out)
{
	struct p2v_err err = {0};

	if (archive_cpio_pack(files, n, packing, out, &err) < 0)
		fail_msg("%s", err.text);
}

static int read_image(const struct p2v_buf *image, const struct archive_wanted *wanted,
	struct archive_initramfs *ret, struct p2v_err *err)
{
	p2v_autofclose FILE *f = tmpfile();

	assert_non_null(f);
	assert_int_equal(pwrite(fileno(f), image->data, image->len, 0), (ssize_t)image->len);
	return archive_initramfs_read(fileno(f), wanted, ret, err);
}

static void expect_found(const struct archive_initramfs *a, const char *path, const char *real)
{
	const struct archive_member *m = archive_initramfs_find(a, path);

	if (!m)
		fail_msg("%s: not found", path);
	assert_string_equal(m->path, real);
}

static void test_pack_is_deterministic(void **state)
{
	p2v_autobuf struct p2v_buf a = {0}, b = {0}, plain = {0};

	(void)state;
	pack(main_files, P2V_N(main_files), ARCHIVE_GZIP, &a);
	sleep(1);
	pack(main_files, P2V_N(main_files), ARCHIVE_GZIP, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	/* gzip, deflate, no flags, no time */
	assert_memory_equal(a.data, "\x1f\x8b\x08\0\0\0\0\0", 8);
	pack(more_files, P2V_N(more_files), ARCHIVE_PLAIN, &plain);
	assert_int_equal(plain.len % 512, 0);
	assert_memory_equal(plain.data, "070701", 6);
	assert_non_null(memmem(plain.data, plain.len, "TRAILER!!!", 10));
}

static void test_plain(void **state)
{
	p2v_autobuf struct p2v_buf image = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};
	const struct archive_member *m;

	(void)state;
	pack(main_files, P2V_N(main_files), ARCHIVE_PLAIN, &image);
	assert_int_equal(read_image(&image, NULL, &a, &err), 0);
	assert_int_equal(a.n_segments, 1);
	assert_int_equal(a.segments[0].compression, ARCHIVE_COMP_NONE);
	assert_int_equal(a.n_members, P2V_N(main_files));
	m = archive_initramfs_find(&a, "lib/noise");
	assert_non_null(m);
	assert_string_equal(m->path, "usr/lib/noise");
	assert_int_equal(m->size_bytes, sizeof(noise));
	assert_int_equal(m->mode, FILE_MODE);
	assert_string_equal(archive_initramfs_find(&a, "usr")->path, "usr");
	expect_found(&a, "/lib/noise", "usr/lib/noise");
	assert_null(archive_initramfs_find(&a, "lib/none"));
	archive_initramfs_finish(&a);
}

static void test_early_and_main(void **state)
{
	static const struct archive_file early[] = {
		{"kernel/x86/microcode/GenuineIntel.bin", FILE_MODE, "ucode", 5}};
	p2v_autobuf struct p2v_buf image = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};
	size_t main_at;

	(void)state;
	pack(early, 1, ARCHIVE_PLAIN, &image);
	p2v_buf_add_zeros(&image, 1536);
	main_at = image.len;
	pack(main_files, P2V_N(main_files), ARCHIVE_GZIP, &image);
	assert_int_equal(read_image(&image, NULL, &a, &err), 0);
	assert_int_equal(a.n_segments, 2);
	assert_int_equal(a.segments[0].n_entries, 1);
	assert_int_equal(a.segments[1].offset, main_at);
	assert_int_equal(a.segments[1].length, image.len - main_at);
	assert_int_equal(a.segments[1].first_entry, 1);
	archive_initramfs_finish(&a);
}

/* The compressors of the wild, each with what may follow it (facts: concatenation matrix). */
static const struct packer {
	const char *argv[8];
	enum archive_compression compression;
} packers[] = {
	{{"gzip", "-9nc", NULL}, ARCHIVE_COMP_GZIP},
	{{"bzip2", "-c", NULL}, ARCHIVE_COMP_BZIP2},
	{{"xz", "--format=lzma", "-1c", NULL}, ARCHIVE_COMP_LZMA},
	{{"xz", "--check=crc32", "-1c", NULL}, ARCHIVE_COMP_XZ},
	{{"zstd", "-1", "-q", "-c", NULL}, ARCHIVE_COMP_ZSTD},
	{{"zstd", "-1", "-q", "--no-check", "-c", NULL}, ARCHIVE_COMP_ZSTD},
	{{"lz4", "-l", "-q", "-c", "-z", "-", NULL}, ARCHIVE_COMP_LZ4},
};

static void compress_with(const struct packer *p, const struct p2v_buf *in, struct p2v_buf *out)
{
	struct p2v_err err = {0};

	if (p2v_proc_run(p->argv, in->data, in->len, 60000, out, &err) < 0)
		fail_msg("%s", err.text);
}

/* how: what stands between and in which form the second segment comes. */
static void check_pair(const struct packer *p, int how)
{
	p2v_autobuf struct p2v_buf plain = {0}, second = {0}, image = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};

	pack(main_files, P2V_N(main_files), ARCHIVE_PLAIN, &plain);
	pack(more_files, P2V_N(more_files), how == 1 ? ARCHIVE_PLAIN : ARCHIVE_GZIP, &second);
	compress_with(p, &plain, &image);
	if (how == 3) {
		p2v_buf_reset(&plain);
		p2v_buf_reset(&second);
		pack(more_files, P2V_N(more_files), ARCHIVE_PLAIN, &plain);
		compress_with(p, &plain, &second);
	}
	p2v_buf_add_zeros(&image, how == 1 ? (4 - image.len % 4) % 4 : how == 2 ? 512 : 0);
	p2v_buf_add(&image, second.data, second.len);
	if (read_image(&image, NULL, &a, &err) < 0)
		fail_msg("%s %s, case %d: %s", p->argv[0], p->argv[3], how, err.text);
	assert_int_equal(a.segments[0].compression, p->compression);
	assert_int_equal(a.n_members, P2V_N(main_files) + P2V_N(more_files));
	expect_found(&a, "etc/p2v-injected", "etc/p2v-injected");
	expect_found(&a, "usr/lib/noise", "usr/lib/noise");
	archive_initramfs_finish(&a);
}

static void test_every_compressor(void **state)
{
	(void)state;
	for (size_t i = 0; i < P2V_N(packers); i++) {
		if (!p2v_proc_exists(packers[i].argv[0])) {
			print_message("%s is not installed: skipped\n", packers[i].argv[0]);
			continue;
		}
		for (int how = 0; how < 4; how++)
			check_pair(&packers[i], how);
	}
}

/* What cannot be compressed stands in the data as it is: here headers of archives, at a multiple of
 * 4 and beside one, as between two modules that are compressed themselves. */
static void test_headers_inside(void **state)
{
	static uint8_t body[sizeof(noise)];
	const struct archive_file file = {"lib/module.ko.xz", FILE_MODE, body, sizeof(body)};
	p2v_autobuf struct p2v_buf plain = {0}, image = {0}, whole = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};

	(void)state;
	pack(more_files, P2V_N(more_files), ARCHIVE_PLAIN, &plain);
	memcpy(body, noise, sizeof(body));
	for (size_t at = 20001; at + 110 < sizeof(body); at += 66001)
		memcpy(body + at, plain.data, 110);
	pack(&file, 1, ARCHIVE_PLAIN, &whole);
	for (size_t i = 0; i < P2V_N(packers); i++) {
		if (!p2v_proc_exists(packers[i].argv[0]))
			continue;
		p2v_buf_reset(&image);
		compress_with(&packers[i], &whole, &image);
		if (read_image(&image, NULL, &a, &err) < 0)
			fail_msg("%s: %s", packers[i].argv[0], err.text);
		assert_int_equal(a.n_segments, 1);
		assert_int_equal(a.n_members, 1);
		assert_int_equal(a.segments[0].length, image.len);
		archive_initramfs_finish(&a);
	}
}

static void test_lz4_segment(void **state)
{
	p2v_autobuf struct p2v_buf image = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};

	(void)state;
	if (!p2v_proc_exists("lz4"))
		skip();
	pack(main_files, P2V_N(main_files), ARCHIVE_LZ4_LEGACY, &image);
	assert_memory_equal(image.data, "\x02\x21\x4c\x18", 4);
	pack(more_files, P2V_N(more_files), ARCHIVE_LZ4_LEGACY, &image);
	assert_int_equal(read_image(&image, NULL, &a, &err), 0);
	assert_int_equal(a.n_members, P2V_N(main_files) + P2V_N(more_files));
	archive_initramfs_finish(&a);
}

struct kept {
	char text[32];
	size_t n_calls;
	int rc;
};

static bool want_init(void *opaque, const struct archive_member *m)
{
	(void)opaque;
	return strcmp(m->path, "init") == 0;
}

static int take_init(void *opaque, const struct archive_member *m, const void *bytes, size_t n,
	struct p2v_err *err)
{
	struct kept *k = opaque;

	(void)m;
	k->n_calls++;
	memcpy(k->text, bytes, n < sizeof(k->text) ? n : 0);
	return k->rc < 0 ? p2v_err_set(err, k->rc, "taker says no") : 0;
}

static void test_bodies(void **state)
{
	p2v_autobuf struct p2v_buf image = {0};
	struct kept k = {.rc = 0};
	struct archive_wanted w = {&k, want_init, take_init};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};

	(void)state;
	pack(main_files, P2V_N(main_files), ARCHIVE_GZIP, &image);
	assert_int_equal(read_image(&image, &w, &a, &err), 0);
	assert_int_equal(k.n_calls, 1);
	assert_memory_equal(k.text, "#!/bin/sh\n", 10);
	archive_initramfs_finish(&a);
	k.rc = P2V_ENOSPC;
	assert_int_equal(read_image(&image, &w, &a, &err), P2V_ENOSPC);
	assert_non_null(strstr(err.text, "taker says no"));
}

static void test_overrides_and_loops(void **state)
{
	static const struct archive_file files[] = {
		{"a", LINK_MODE, "b", 1},
		{"b", LINK_MODE, "a", 1},
		{"x", FILE_MODE, "1", 1},
		{"grow", LINK_MODE, "grow/grow", 9},
		{"x", LINK_MODE, "none", 4},
		{"up", LINK_MODE, "../../../etc", 12},
		{"etc/f", FILE_MODE, "1", 1},
	};
	p2v_autobuf struct p2v_buf image = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};

	(void)state;
	pack(files, P2V_N(files), ARCHIVE_PLAIN, &image);
	assert_int_equal(read_image(&image, NULL, &a, &err), 0);
	assert_null(archive_initramfs_find(&a, "a"));
	assert_null(archive_initramfs_find(&a, "a/x"));
	assert_null(archive_initramfs_find(&a, "grow/x"));
	assert_null(archive_initramfs_find(&a, "x"));
	expect_found(&a, "up/f", "etc/f");
	archive_initramfs_finish(&a);
}

static void test_missing_trailer(void **state)
{
	p2v_autobuf struct p2v_buf image = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};
	uint8_t *trailer;

	(void)state;
	pack(more_files, P2V_N(more_files), ARCHIVE_PLAIN, &image);
	trailer = memmem(image.data, image.len, "TRAILER!!!", 10);
	assert_non_null(trailer);
	image.len = (size_t)(trailer - image.data) - 110;
	assert_int_equal(read_image(&image, NULL, &a, &err), 0);
	assert_int_equal(a.n_members, P2V_N(more_files));
	archive_initramfs_finish(&a);
}

/* Cut anywhere: an error or fewer members, never a crash, never success with a broken body. */
static void test_truncated(void **state)
{
	p2v_autobuf struct p2v_buf gz = {0}, plain = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};
	size_t full;

	(void)state;
	pack(main_files, P2V_N(main_files), ARCHIVE_PLAIN, &plain);
	full = plain.len;
	for (plain.len = full / 2; plain.len > 100000; plain.len -= 50001)
		assert_int_equal(read_image(&plain, NULL, &a, &err), P2V_EFORMAT);
	plain.len = full;
	for (size_t i = 0; i < P2V_N(packers); i++) {
		if (!p2v_proc_exists(packers[i].argv[0]))
			continue;
		p2v_buf_reset(&gz);
		compress_with(&packers[i], &plain, &gz);
		gz.len /= 2;
		assert_int_equal(read_image(&gz, NULL, &a, &err), P2V_EFORMAT);
	}
}

static void test_no_initramfs(void **state)
{
	p2v_autobuf struct p2v_buf image = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};

	(void)state;
	p2v_buf_add(&image, "", 0);
	assert_int_equal(read_image(&image, NULL, &a, &err), P2V_EFORMAT);
	assert_string_equal(err.text, "is empty");
	p2v_buf_add_zeros(&image, 8192);
	assert_int_equal(read_image(&image, NULL, &a, &err), P2V_EFORMAT);
	p2v_buf_add_str(&image, "hello");
	assert_int_equal(read_image(&image, NULL, &a, &err), P2V_EFORMAT);
	assert_string_equal(err.text, "at byte 8192: neither a cpio archive nor compressed data");
	p2v_buf_reset(&image);
	p2v_buf_add(&image, "\x89LZO\x00\x0d\x0a", 7);
	assert_int_equal(read_image(&image, NULL, &a, &err), P2V_EUNSUPPORTED);
	p2v_buf_reset(&image);
	pack(more_files, P2V_N(more_files), ARCHIVE_GZIP, &image);
	p2v_buf_add(&image, "junk", 4);
	assert_int_equal(read_image(&image, NULL, &a, &err), P2V_EFORMAT);
}

/* A file full of beginnings must end soon. */
static void test_many_false_beginnings(void **state)
{
	p2v_autobuf struct p2v_buf image = {0}, plain = {0};
	struct archive_initramfs a = {0};
	struct p2v_err err = {0};

	(void)state;
	if (!p2v_proc_exists("zstd"))
		skip();
	pack(more_files, P2V_N(more_files), ARCHIVE_PLAIN, &plain);
	compress_with(&packers[4], &plain, &image);
	for (int i = 0; i < 100000; i++)
		p2v_buf_add(&image, "\x1f\x8b\x08\0", 4);
	assert_int_equal(read_image(&image, NULL, &a, &err), P2V_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack_is_deterministic),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_early_and_main),
		cmocka_unit_test(test_every_compressor),
		cmocka_unit_test(test_headers_inside),
		cmocka_unit_test(test_lz4_segment),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_overrides_and_loops),
		cmocka_unit_test(test_missing_trailer),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_no_initramfs),
		cmocka_unit_test(test_many_false_beginnings),
	};

	fill_noise();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
