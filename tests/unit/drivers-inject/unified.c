/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A section of an EFI program that grows: what else the program holds stays what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers-inject/linux/unified.h"
#include "p2v/core/cleanup.h"

#define HEAD	 1024
#define OPTIONAL 0x98
#define TABLE	 (OPTIONAL + 240)

static const struct part {
	const char *name;
	uint32_t bytes, address;
} parts[] = {{".cmdline", 20, 0x1000}, {".initrd", 700, 0x2000}, {".linux", 3000, 0x3000}};

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t get32(int fd, off_t at)
{
	uint8_t b[4];

	assert_int_equal(pread(fd, b, 4, at), 4);
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("unified", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

/* Each section holds its number; behind them is a signature. */
static int make_program(void)
{
	uint8_t image[HEAD + 512 + 1024 + 3072 + 16] = {'M', 'Z'}, *optional = image + OPTIONAL;
	uint32_t at = HEAD;

	put32(image + 0x3c, 0x80);
	memcpy(image + 0x80, "PE\0\0", 4);
	image[0x86] = P2V_N(parts);
	image[0x94] = 240;
	optional[0] = 0x0b;
	optional[1] = 0x02;
	put32(optional + 32, 0x1000);
	put32(optional + 36, 512);
	put32(optional + 56, 0x4000);
	put32(optional + 60, HEAD);
	put32(optional + 64, 12345);
	for (size_t i = 0; i < P2V_N(parts); i++) {
		uint8_t *row = image + TABLE + 40 * i;
		uint32_t stored = (parts[i].bytes + 511) / 512 * 512;

		memcpy(row, parts[i].name, strlen(parts[i].name));
		put32(row + 8, parts[i].bytes);
		put32(row + 12, parts[i].address);
		put32(row + 16, stored);
		put32(row + 20, at);
		memset(image + at, (int)i + 1, parts[i].bytes);
		at += stored;
	}
	put32(optional + 144, at);
	put32(optional + 148, 16);
	memset(image + at, 0xee, 16);
	return file_of(image, at + 16);
}

static void expect_section(int fd, const char *name, uint8_t fill, uint64_t bytes)
{
	uint8_t found[65536];
	uint64_t at, n;

	assert_int_equal(linux_unified_find(fd, name, &at, &n, NULL), 1);
	assert_int_equal(n, bytes);
	assert_int_equal(pread(fd, found, n, (off_t)at), n);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(found[i], fill);
}

static void test_grows(void **state)
{
	p2v_autoclose int program = make_program(), out = file_of("", 0), content = -1;
	uint8_t more[10000];

	(void)state;
	memset(more, 9, sizeof(more));
	content = file_of(more, sizeof(more));
	assert_int_equal(linux_unified_put(program, ".initrd", content, out, NULL), 0);
	expect_section(out, ".cmdline", 1, 20);
	expect_section(out, ".initrd", 9, sizeof(more));
	expect_section(out, ".linux", 3, 3000);
	/* Into memory it does not fit before .linux any more: behind it. */
	assert_int_equal(get32(out, TABLE + 12), 0x1000);
	assert_int_equal(get32(out, TABLE + 40 + 12), 0x4000);
	assert_int_equal(get32(out, TABLE + 80 + 12), 0x3000);
	assert_int_equal(get32(out, OPTIONAL + 56), 0x7000);
	/* Neither signature nor checksum are right any more. */
	assert_int_equal(get32(out, OPTIONAL + 64), 0);
	assert_int_equal(get32(out, OPTIONAL + 144), 0);
	assert_int_equal(lseek(out, 0, SEEK_END), HEAD + 512 + 10240 + 3072);
}

static void test_shrinks(void **state)
{
	p2v_autoclose int program = make_program(), out = file_of("", 0);
	p2v_autoclose int content = file_of("\7", 1);

	(void)state;
	assert_int_equal(linux_unified_put(program, ".initrd", content, out, NULL), 0);
	expect_section(out, ".initrd", 7, 1);
	expect_section(out, ".linux", 3, 3000);
	assert_int_equal(get32(out, TABLE + 40 + 12), 0x2000);
}

static void test_what_is_none(void **state)
{
	p2v_autoclose int program = make_program(), text = file_of("070701", 6);
	p2v_autoclose int out = file_of("", 0);
	uint64_t at, n;

	(void)state;
	assert_int_equal(linux_unified_find(text, ".initrd", &at, &n, NULL), 0);
	assert_int_equal(linux_unified_find(program, ".osrel", &at, &n, NULL), P2V_ENOTFOUND);
	assert_int_equal(linux_unified_put(text, ".initrd", text, out, NULL), P2V_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
