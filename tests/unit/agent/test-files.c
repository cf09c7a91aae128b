/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which files lie where a disk could not be read. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#include "agent/map/files.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

#define PART_AT	   P2V_MIB
#define PART_BYTES (24 * P2V_MIB)

static char *base, *disk;
static char **lines;
static size_t n_lines;

static void noise(uint32_t seed, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

static void file_make(const char *dir, const char *name, uint32_t seed, size_t n)
{
	p2v_autofree uint8_t *bytes = malloc(n);

	assert_non_null(bytes);
	noise(seed, bytes, n);
	assert_int_equal(p2v_publish_bytes(dir, name, bytes, n, 0600, NULL), 0);
}

/* A disk with ext4 as its partition 3, 1 MiB from the start: two large files and small ones. */
static int disk_make(void **state)
{
	p2v_autofree char *tree = NULL, *logs = NULL, *var = NULL;

	(void)state;
	assert_int_equal(p2v_dir_temp("test-files", &base, NULL), 0);
	tree = p2v_path_join(base, "tree");
	var = p2v_path_join(tree, "var");
	logs = p2v_path_join(var, "lo\x1b[2Jgs");
	disk = p2v_path_join(base, "disk");
	assert_int_equal(p2v_dir_make(logs, 0700, NULL), 0);
	file_make(tree, "first", 1, 6 * P2V_MIB);
	file_make(logs, "second", 2, 6 * P2V_MIB);
	for (int i = 0; i < 20; i++) {
		p2v_autofree char *name = p2v_strf("small%d", i);

		file_make(var, name, 3, 3000);
	}
	const char *const argv[] = {"mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E",
		"offset=1048576", "-d", tree, disk, "24M", NULL};

	assert_int_equal(p2v_proc_run(argv, NULL, 0, 60000, NULL, NULL), 0);
	return truncate(disk, PART_AT + PART_BYTES + P2V_MIB);
}

static int disk_remove(void **state)
{
	(void)state;
	p2v_dir_remove(base);
	free(base);
	free(disk);
	return 0;
}

static void ask(const struct map_span *spans, size_t n, const char *type)
{
	p2v_auto(block_io_free) struct block_io *io = NULL;
	const struct map_part parts[] = {
		{1, 0, PART_AT, NULL, false}, {3, PART_AT, PART_BYTES, type, false}};

	for (size_t i = 0; i < n_lines; i++)
		free(lines[i]);
	free(lines);
	lines = NULL;
	n_lines = 0;
	assert_int_equal(block_io_file_open(disk, false, &io, NULL), 0);
	assert_int_equal(map_files_at(io, parts, 2, spans, n, &lines, &n_lines, NULL), 0);
}

static bool said(const char *line)
{
	for (size_t i = 0; i < n_lines; i++)
		if (strcmp(lines[i], line) == 0)
			return true;
	return false;
}

/* Where on the disk these bytes lie. */
static uint64_t find_bytes(const void *want, size_t n)
{
	p2v_autofree uint8_t *bytes = malloc(PART_AT + PART_BYTES);
	p2v_autoclose int fd = open(disk, O_RDONLY | O_CLOEXEC);
	const uint8_t *found;

	assert_true(fd >= 0 && bytes && pread(fd, bytes, PART_AT + PART_BYTES, 0) > 0);
	found = memmem(bytes, PART_AT + PART_BYTES, want, n);
	assert_non_null(found);
	return (uint64_t)(found - bytes);
}

/* Where the file of this seed begins. */
static uint64_t find(uint32_t seed)
{
	uint8_t want[4096];

	noise(seed, want, sizeof(want));
	return find_bytes(want, sizeof(want));
}

static void waste(uint64_t at)
{
	static const uint8_t zeros[2048];
	p2v_autoclose int fd = open(disk, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)at), sizeof(zeros));
}

static void test_names(void **state)
{
	struct map_span spans[2] = {{find(1) + 512, 512}, {0, 512}};

	(void)state;
	ask(spans, 2, "ext4");
	assert_int_equal(n_lines, 2);
	assert_true(said("partition 1: in content that nothing here knows"));
	assert_true(said("partition 3: /first"));
	spans[1] = (struct map_span){find(2), 512};
	ask(spans, 2, "ext4");
	assert_int_equal(n_lines, 2);
	assert_true(said("partition 3: /first"));
	assert_true(said("partition 3: /var/lo?[2Jgs/second"));
}

static void test_no_file(void **state)
{
	/* What is bad is not read, so its copy of the superblock is taken. */
	const struct map_span superblock = {PART_AT + 1024, 512}, gap = {PART_AT + PART_BYTES, 512};

	(void)state;
	ask(&superblock, 1, "ext4");
	assert_int_equal(n_lines, 1);
	assert_true(said("partition 3: in no file (metadata or free space)"));
	ask(&gap, 1, "ext4");
	assert_int_equal(n_lines, 1);
	assert_true(said("outside of partitions"));
	ask(&superblock, 1, "xfs");
	assert_int_equal(n_lines, 1);
	assert_true(said("partition 3: which files these are is not known for xfs"));
	ask(NULL, 0, "ext4");
	assert_int_equal(n_lines, 0);
}

static void test_folders(void **state)
{
	const struct map_span folders[] = {
		{find_bytes("lost+found", 10), 1}, {find_bytes("second", 6), 1}};
	const struct map_span above = {find_bytes("small19", 7), 1};

	(void)state;
	ask(folders, 2, "ext4");
	assert_true(said("partition 3: /"));
	ask(&folders[1], 1, "ext4");
	assert_int_equal(n_lines, 1);
	assert_true(said("partition 3: /var/lo?[2Jgs"));
	ask(&above, 1, "ext4");
	assert_int_equal(n_lines, 1);
	assert_true(said("partition 3: /var"));
}

static void test_damaged(void **state)
{
	const struct map_span span = {find(1), 512};

	(void)state;
	waste(PART_AT);
	ask(&span, 1, "ext4");
	assert_int_equal(n_lines, 1);
	assert_true(said("partition 3: /first"));
	waste(PART_AT + 8193 * P2V_KIB);
	ask(&span, 1, "ext4");
	assert_int_equal(n_lines, 1);
	assert_true(said("partition 3: which files these are is not known for ext4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, disk_make, disk_remove);
}
