/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/cli/given.h"
#include "p2v/core/cleanup.h"

/* A raw disk of `bytes` whose GPT headers stand at these places. */
static uint32_t sector_of(off_t bytes, const off_t *headers, size_t n)
{
	char path[] = "/tmp/p2v-test-given.XXXXXX";
	const char *paths[] = {path};
	p2v_autoclose int fd = mkstemp(path);
	p2v_auto_image struct image image = {0};
	struct p2v_err err = {0};
	int r;

	assert_true(fd >= 0);
	assert_return_code(ftruncate(fd, bytes), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pwrite(fd, "EFI PART", 8, headers[i]), 8);
	r = cli_given_disks(paths, 1, "raw", &image, &err);
	unlink(path);
	if (r < 0)
		fail_msg("%s", err.text);
	return image.disks[0].logical_sector_bytes;
}

static void a_gpt_tells_the_sectors(void **state)
{
	static const off_t both[] = {512, 4096}, large[] = {4096};

	(void)state;
	assert_int_equal(sector_of(1 << 20, large, 1), 4096);
	assert_int_equal(sector_of(1 << 20, both, 1), 512);
	/* What was once another disk's. */
	assert_int_equal(sector_of(1 << 20, both, 2), 512);
	assert_int_equal(sector_of(1 << 20, NULL, 0), 512);
	assert_int_equal(sector_of(512, NULL, 0), 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_gpt_tells_the_sectors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
