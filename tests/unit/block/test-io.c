/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "p2v/block/digest.h"
#include "p2v/block/io.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "tests/unit/block/disk.h"

#define SIZE ((size_t)4 << 20)

/* Random writes, zeros and reads against plain bytes: the same for each kind of disk. */
static void io_exercise(struct block_io *io, int rounds)
{
	p2v_autofree uint8_t *model = calloc(1, SIZE), *buf = malloc(SIZE);
	uint64_t seed = 11;

	assert_int_equal(io->size_bytes, SIZE);
	for (int i = 0; i < rounds; i++) {
		uint64_t from = rnd(&seed) % SIZE;
		size_t n = rnd(&seed) % (p2v_min_u64(SIZE - from, 300000) + 1);
		struct p2v_err err = {0};

		switch (rnd(&seed) % 3) {
		case 0:
			rnd_fill(&seed, model + from, n);
			assert_int_equal(block_write(io, from, model + from, n, &err), 0);
			break;
		case 1:
			memset(model + from, 0, n);
			assert_int_equal(block_write_zeroes(io, from, n, &err), 0);
			break;
		default:
			assert_int_equal(block_read(io, from, buf, n, &err), 0);
			assert_memory_equal(buf, model + from, n);
		}
	}
	assert_int_equal(block_flush(io, NULL), 0);
	assert_int_equal(block_read(io, 0, buf, SIZE, NULL), 0);
	assert_memory_equal(buf, model, SIZE);
}

/* What a disk calls zero must read as zero, and the digest must not depend on being told. */
static void zeros_check(struct block_io *io, uint64_t at_least)
{
	struct extent_list list;
	struct block_io *plain;
	struct digest told, read;
	p2v_autofree uint8_t *buf = malloc(SIZE);

	assert_int_equal(block_extents_init(&list, io->size_bytes, NULL), 0);
	assert_int_equal(block_extents_from_io(io, &list, NULL), 0);
	assert_true(block_extents_sum(&list, EXTENT_ZERO) >= at_least);
	assert_int_equal(block_read(io, 0, buf, SIZE, NULL), 0);
	for (size_t i = 0; i < list.n_items; i++)
		if (list.items[i].kind == EXTENT_ZERO)
			for (uint64_t k = 0; k < list.items[i].length_bytes; k++)
				assert_int_equal(buf[list.items[i].offset_bytes + k], 0);
	block_extents_finish(&list);

	assert_int_equal(block_io_memory_new("copy", SIZE, &plain, NULL), 0);
	assert_int_equal(block_write(plain, 0, buf, SIZE, NULL), 0);
	assert_int_equal(block_io_digest(io, NULL, NULL, &told, NULL), 0);
	assert_int_equal(block_io_digest(plain, NULL, NULL, &read, NULL), 0);
	assert_true(block_digest_equal(&told, &read));
	block_io_free(plain);
}

static void test_memory(void **state)
{
	struct block_io *io;

	(void)state;
	assert_int_equal(block_io_memory_new("mem", SIZE, &io, NULL), 0);
	io_exercise(io, 200);
	zeros_check(io, 0);
	block_io_free(io);
}

static void test_file(void **state)
{
	struct block_io *io;
	char path[64];
	int fd = temp_file(path, SIZE);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(block_io_file_open(path, true, &io, NULL), 0);
	zeros_check(io, SIZE);
	io_exercise(io, 200);
	assert_int_equal(block_write_zeroes(io, SIZE / 2, SIZE / 4, NULL), 0);
	zeros_check(io, 0);
	block_io_free(io);
	close(fd);
	unlink(path);
}

/* A loop device is a real block device: O_DIRECT, sectors, bounce. Needs root and /dev/loop*. */
static void test_block_device(void **state)
{
	char path[64], *device, line[64] = "";
	struct block_io *io = NULL;
	struct p2v_buf out = {0};
	int fd = temp_file(path, SIZE);
	const char *const attach[] = {"losetup", "--find", "--show", path, NULL};

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	if (geteuid() != 0 || p2v_proc_run(attach, NULL, 0, 10000, &out, NULL) < 0) {
		p2v_buf_finish(&out);
		unlink(path);
		print_message("no loop device can be made here (needs root)\n");
		skip();
	}
	device = strncpy(line, (char *)out.data, sizeof(line) - 1);
	device[strcspn(device, "\n")] = '\0';
	p2v_buf_finish(&out);
	assert_int_equal(block_io_file_open(device, true, &io, NULL), 0);
	assert_int_equal(io->logical_sector_bytes, 512);
	io_exercise(io, 200);
	block_io_free(io);

	const char *const detach[] = {"losetup", "--detach", device, NULL};

	assert_int_equal(p2v_proc_run(detach, NULL, 0, 10000, NULL, NULL), 0);
	unlink(path);
}

static void test_not_a_disk(void **state)
{
	static const struct {
		const char *path, *words;
		int kind;
	} rows[] = {
		{"/", "/: is not a disk: it is a directory", P2V_EREFUSED},
		{"/dev/null", "/dev/null: is not a disk: it is a character device", P2V_EREFUSED},
		{"/nowhere/disk", "/nowhere/disk: No such file or directory", P2V_ENOTFOUND},
	};
	struct block_io *io = NULL;
	char path[64], want[128];
	struct p2v_err err = {0};
	int fd = temp_file(path, 0);

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		assert_int_equal(block_io_file_open(rows[i].path, false, &io, &err), rows[i].kind);
		assert_string_equal(err.text, rows[i].words);
	}
	assert_int_equal(block_io_file_open(path, false, &io, &err), P2V_EREFUSED);
	snprintf(want, sizeof(want), "%s: is not a disk: it is empty", path);
	assert_string_equal(err.text, want);
	close(fd);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(block_io_file_open(path, false, &io, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "it is a pipe"));
	unlink(path);
	assert_null(io);
}

static void test_contract(void **state)
{
	struct block_io *io;
	char path[64], buf[8], want[128];
	struct p2v_err err = {0};
	struct extent e = {7, 7, EXTENT_FREE};
	int fd = temp_file(path, 1000);

	(void)state;
	assert_int_equal(block_io_file_open(path, false, &io, &err), 0);
	assert_int_equal(block_read(io, 996, buf, 4, &err), 0);
	assert_int_equal(block_read(io, 1000, buf, 0, &err), 0);
	assert_int_equal(block_read(io, 996, buf, 5, &err), P2V_EINVAL);
	assert_int_equal(block_read(io, UINT64_MAX, buf, 8, &err), P2V_EINVAL);
	assert_int_equal(block_extent(io, 996, 5, &e, &err), P2V_EINVAL);
	assert_int_equal(e.offset_bytes, 7);
	assert_int_equal(block_write(io, 0, "x", 1, &err), P2V_EREFUSED);
	snprintf(want, sizeof(want), "%s: is open for reading only", path);
	assert_string_equal(err.text, want);
	assert_int_equal(block_write_zeroes(io, 0, 1, &err), P2V_EREFUSED);
	/* Somebody cuts the file while it is read. */
	assert_int_equal(ftruncate(fd, 10), 0);
	assert_int_equal(block_read(io, 8, buf, 8, &err), P2V_EIO);
	snprintf(want, sizeof(want), "%s: read at 10: it ends there: it became shorter", path);
	assert_string_equal(err.text, want);
	block_io_free(io);
	close(fd);
	unlink(path);
}

/* The n-th read fails at each n: the digest stops there with the right sentence, and the first n
 * that is not reached gives the digest. */
static void test_nth_read_fails(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct block_io_faults faults = {.errnum = EIO, .nth_read = nth};
		struct digest d = {{1}};
		struct p2v_err err = {0};
		struct block_io *inner, *io;
		char want[64];
		int r;

		assert_int_equal(block_io_memory_new("mem", SIZE, &inner, NULL), 0);
		assert_int_equal(block_io_fault_new(inner, &faults, &io, NULL), 0);
		r = block_io_digest(io, NULL, NULL, &d, &err);
		block_io_free(io);
		if (r == 0) {
			assert_int_equal(nth, SIZE / P2V_MIB + 1);
			break;
		}
		snprintf(want, sizeof(want), "mem: read at %llu: Input/output error",
			(unsigned long long)((nth - 1) * P2V_MIB));
		assert_int_equal(r, P2V_EIO);
		assert_string_equal(err.text, want);
		assert_int_equal(d.bytes[0], 1);
	}
}

static void test_bad_range_and_no_space(void **state)
{
	struct block_io_faults faults = {.errnum = ENOSPC,
		.nth_write = 3,
		.nth_flush = 2,
		.bad_offset = 4096,
		.bad_length = 512};
	struct p2v_err err = {0};
	struct block_io *inner, *io;
	char buf[512];

	(void)state;
	assert_int_equal(block_io_memory_new("mem", SIZE, &inner, NULL), 0);
	assert_int_equal(block_io_fault_new(inner, &faults, &io, NULL), 0);
	assert_int_equal(block_read(io, 4096 - 512, buf, 512, &err), 0);
	assert_int_equal(block_read(io, 4096 + 512, buf, 512, &err), 0);
	assert_int_equal(block_read(io, 4096 + 511, buf, 1, &err), P2V_ENOSPC);
	assert_int_equal(block_write(io, 0, buf, 512, &err), 0);
	assert_int_equal(block_write_zeroes(io, 0, 512, &err), 0);
	assert_int_equal(block_write_zeroes(io, 0, 512, &err), P2V_ENOSPC);
	assert_string_equal(err.text, "mem: write of zeros at 0: No space left on device");
	assert_int_equal(block_write(io, 0, buf, 512, &err), 0);
	assert_int_equal(block_flush(io, &err), 0);
	assert_int_equal(block_flush(io, &err), P2V_ENOSPC);
	assert_string_equal(err.text, "mem: flush: No space left on device");
	block_io_free(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_block_device),
		cmocka_unit_test(test_not_a_disk),
		cmocka_unit_test(test_contract),
		cmocka_unit_test(test_nth_read_fails),
		cmocka_unit_test(test_bad_range_and_no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
