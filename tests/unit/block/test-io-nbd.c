/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks behind qemu-storage-daemon. Skipped (77) where QEMU's tools are not installed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "p2v/block/digest.h"
#include "p2v/block/io.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "tests/unit/block/disk.h"

#define SIZE ((size_t)64 << 20)

static char *dir;

static char *image_make(const char *name, const char *size)
{
	char *path = p2v_path_join(dir, name);
	const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", path, size, NULL};
	struct p2v_err err = {0};

	if (p2v_proc_run(argv, NULL, 0, 20000, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return path;
}

static struct block_io *image_open(const char *path, bool writable, unsigned connections)
{
	struct block_io_nbd_spec spec = {path, "qcow2", writable, connections};
	struct block_io *io = NULL;
	struct p2v_err err = {0};

	if (block_io_nbd_open(&spec, &io, &err) < 0)
		fail_msg("%s", err.text);
	return io;
}

/* Writes pieces, closes, reopens read-only: the same bytes, the same digest, most of it known to be
 * zero. The name has what a careless command line would trip over. */
static void test_disk_survives_qcow2(void **state)
{
	p2v_autofree char *path = image_make("a ,b=\"c\".qcow2", "64M");
	p2v_autofree uint8_t *model = calloc(1, SIZE), *buf = malloc(SIZE);
	struct block_io *io = image_open(path, true, 3), *mem;
	struct digest in_image, in_memory;
	struct extent_list list;
	uint64_t seed = 5;

	(void)state;
	assert_int_equal(io->size_bytes, SIZE);
	for (int i = 0; i < 60; i++) {
		uint64_t from = rnd(&seed) % SIZE;
		size_t n = rnd(&seed) % p2v_min_u64(SIZE - from, 100000);

		rnd_fill(&seed, model + from, n);
		assert_int_equal(block_write(io, from, model + from, n, NULL), 0);
	}
	assert_int_equal(block_write_zeroes(io, 1000, 20 * P2V_MIB, NULL), 0);
	memset(model + 1000, 0, 20 * P2V_MIB);
	assert_int_equal(block_flush(io, NULL), 0);
	block_io_free(io);

	io = image_open(path, false, 1);
	assert_int_equal(block_read(io, 0, buf, SIZE, NULL), 0);
	assert_memory_equal(buf, model, SIZE);
	assert_int_equal(block_write(io, 0, "x", 1, NULL), P2V_EREFUSED);
	assert_int_equal(block_extents_init(&list, SIZE, NULL), 0);
	assert_int_equal(block_extents_from_io(io, &list, NULL), 0);
	assert_true(block_extents_sum(&list, EXTENT_ZERO) > SIZE / 2);
	for (size_t i = 0; i < list.n_items; i++)
		if (list.items[i].kind == EXTENT_ZERO)
			for (uint64_t k = 0; k < list.items[i].length_bytes; k++)
				assert_int_equal(model[list.items[i].offset_bytes + k], 0);
	block_extents_finish(&list);
	assert_int_equal(block_io_memory_new("mem", SIZE, &mem, NULL), 0);
	assert_int_equal(block_write(mem, 0, model, SIZE, NULL), 0);
	assert_int_equal(block_io_digest(io, NULL, NULL, &in_image, NULL), 0);
	assert_int_equal(block_io_digest(mem, NULL, NULL, &in_memory, NULL), 0);
	assert_true(block_digest_equal(&in_image, &in_memory));
	block_io_free(mem);
	block_io_free(io);
	unlink(path);
}

/* The answers about extents are remembered: writing has to make them forgotten. */
static void test_extents_follow_writes(void **state)
{
	p2v_autofree char *path = image_make("extents.qcow2", "64M");
	struct block_io *io = image_open(path, true, 1);
	struct extent e;

	(void)state;
	assert_int_equal(block_extent(io, 0, SIZE, &e, NULL), 0);
	assert_int_equal(e.kind, EXTENT_ZERO);
	assert_int_equal(e.length_bytes, SIZE);
	assert_int_equal(block_write(io, P2V_MIB, "x", 1, NULL), 0);
	assert_int_equal(block_extent(io, P2V_MIB, 100, &e, NULL), 0);
	assert_int_equal(e.kind, EXTENT_USED);
	assert_int_equal(e.length_bytes, 100);
	block_io_free(io);
	unlink(path);
}

static void test_no_such_image_and_wrong_format(void **state)
{
	p2v_autofree char *path = p2v_path_join(dir, "text");
	struct block_io_nbd_spec missing = {"/nowhere/x.qcow2", "qcow2", false, 1};
	struct block_io_nbd_spec wrong = {path, "qcow2", false, 1};
	struct block_io *io = NULL;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_publish_bytes(dir, "text", "no image", 8, 0600, NULL), 0);
	assert_true(block_io_nbd_open(&missing, &io, &err) < 0);
	assert_non_null(strstr(err.text, "/nowhere/x.qcow2: "));
	assert_non_null(strstr(err.text, "No such file or directory"));
	assert_true(block_io_nbd_open(&wrong, &io, &err) < 0);
	assert_non_null(strstr(err.text, "qcow2 format"));
	assert_null(io);
	unlink(path);
}

/* The child of this process that runs the storage daemon. */
static pid_t daemon_find(void)
{
	p2v_autofree char *path = p2v_strf("/proc/self/task/%d/children", getpid());
	struct p2v_buf text = {0};
	pid_t pid = 0;

	assert_int_equal(p2v_file_read(path, 4096, &text, NULL), 0);
	if (text.len)
		pid = atoi((char *)text.data);
	p2v_buf_finish(&text);
	return pid;
}

static void test_killed_server_is_a_lost_link(void **state)
{
	p2v_autofree char *path = image_make("killed.qcow2", "64M");
	struct block_io *io = image_open(path, true, 2);
	struct p2v_err err = {0};
	pid_t pid = daemon_find();
	int r = 0;

	(void)state;
	assert_true(pid > 0);
	assert_int_equal(block_write(io, 0, "x", 1, NULL), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	for (int i = 0; i < 100 && r == 0; i++)
		r = block_write(io, 0, "x", 1, &err);
	assert_int_equal(r, P2V_ELINK);
	assert_non_null(strstr(err.text, "killed.qcow2: write at 0: the NBD server went away"));
	assert_true(block_flush(io, NULL) < 0);
	block_io_free(io);
	unlink(path);
}

/* No room below the image: a tmpfs of 1 MiB, which only root can make. */
static void test_full_disk(void **state)
{
	p2v_autofree char *small = p2v_path_join(dir, "small");
	p2v_autofree char *path = NULL;
	p2v_autofree uint8_t *data = malloc(4 * P2V_MIB);
	uint64_t seed = 9;
	struct p2v_err err = {0};
	struct block_io *io;

	(void)state;
	assert_int_equal(mkdir(small, 0700), 0);
	if (mount("tmpfs", small, "tmpfs", MS_NODEV | MS_NOSUID, "size=1m") < 0) {
		print_message("a tmpfs cannot be mounted here (needs root)\n");
		skip();
	}
	path = image_make("small/full.qcow2", "64M");
	io = image_open(path, true, 1);
	rnd_fill(&seed, data, 4 * P2V_MIB);
	assert_int_equal(block_write(io, 0, data, 4 * P2V_MIB, &err), P2V_ENOSPC);
	assert_non_null(strstr(err.text, "full.qcow2: write at 0: No space left on device"));
	block_io_free(io);
	assert_int_equal(umount(small), 0);
}

static int group_setup(void **state)
{
	(void)state;
	return p2v_dir_temp("test-nbd", &dir, NULL);
}

static void snapshot_make(const char *path, const char *name)
{
	const char *const argv[] = {"qemu-img", "snapshot", "-c", name, path, NULL};
	struct p2v_err err = {0};

	if (p2v_proc_run(argv, NULL, 0, 20000, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

/* What was there when it was taken is read, by several connections, and never written. */
static void test_snapshot_inside(void **state)
{
	p2v_autofree char *path = image_make("old ,b=c.qcow2", "64M");
	struct block_io_nbd_spec spec = {
		.path = path, .format = "qcow2", .connections = 3, .snapshot = "as,it was"};
	struct block_io *io = image_open(path, true, 1);
	struct p2v_err err = {0};
	char buf[4] = "";

	(void)state;
	assert_int_equal(block_write(io, 12345, "old", 4, NULL), 0);
	block_io_free(io);
	snapshot_make(path, "as,it was");
	io = image_open(path, true, 1);
	assert_int_equal(block_write(io, 12345, "new", 4, NULL), 0);
	block_io_free(io);
	assert_int_equal(block_io_nbd_open(&spec, &io, &err), 0);
	assert_int_equal(io->size_bytes, SIZE);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(block_read(io, 12345, buf, 4, NULL), 0);
		assert_string_equal(buf, "old");
	}
	assert_int_equal(block_write(io, 0, "x", 1, NULL), P2V_EREFUSED);
	block_io_free(io);
	spec.snapshot = "another";
	assert_true(block_io_nbd_open(&spec, &io, &err) < 0);
	assert_non_null(strstr(err.text, "snapshot"));
}

static int group_teardown(void **state)
{
	(void)state;
	p2v_dir_remove(dir);
	free(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk_survives_qcow2),
		cmocka_unit_test(test_extents_follow_writes),
		cmocka_unit_test(test_no_such_image_and_wrong_format),
		cmocka_unit_test(test_killed_server_is_a_lost_link),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_snapshot_inside),
	};

	if (!p2v_proc_exists("qemu-storage-daemon") || !p2v_proc_exists("qemu-img")) {
		print_message("qemu-storage-daemon or qemu-img is not installed\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
