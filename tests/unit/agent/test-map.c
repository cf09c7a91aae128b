/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>
#include <errno.h>

#include "agent/map/map.h"
#include "p2v/core/num.h"

#define DISK_BYTES (16 * P2V_MIB)
#define SWAP_AT	   (4 * P2V_MIB)
#define SWAP_BYTES (8 * P2V_MIB)

static const struct map_part parts[] = {
	{2, SWAP_AT, SWAP_BYTES, "swap"},
	{1, P2V_MIB, 3 * P2V_MIB, "ext4"},
};

/* What mkswap writes. */
static struct block_io *swap_disk(const char *signature, uint32_t version, uint32_t last_page)
{
	struct block_io *io;
	uint8_t *page;

	assert_int_equal(block_io_memory_new("/dev/sda", DISK_BYTES, &io, NULL), 0);
	page = (uint8_t *)block_io_memory_bytes(io) + SWAP_AT;
	page[1024] = (uint8_t)version;
	for (int i = 0; i < 4; i++)
		page[1028 + i] = (uint8_t)(last_page >> (8 * i));
	memcpy(page + 4086, signature, 10);
	return io;
}

static void test_unknown_is_used(void **state)
{
	static const struct map_part odd[] = {{1, 0, P2V_MIB, NULL}, {2, P2V_MIB / 2, P2V_MIB, "x"},
		{3, DISK_BYTES - 512, 1024, "swap"}};
	struct block_io *io = swap_disk("SWAPSPACE2", 1, 2047);
	map_auto struct map map = {0}, other = {0};

	(void)state;
	assert_int_equal(map_disk(io, NULL, 0, NULL, &map, NULL), 0);
	assert_int_equal(block_extents_sum(&map.extents, EXTENT_USED), DISK_BYTES);
	assert_int_equal(map.n_regions, 1);
	/* Parts that overlap, or lie beyond the disk, are nobody's. */
	assert_int_equal(map_disk(io, odd, 3, NULL, &other, NULL), 0);
	assert_int_equal(block_extents_sum(&other.extents, EXTENT_USED), DISK_BYTES);
	block_io_free(io);
}

/* What one of two that overlap calls free may be the other's data, whichever comes first. */
static void test_overlap_is_used(void **state)
{
	static const struct map_part pairs[][3] = {
		{{1, SWAP_AT, SWAP_BYTES, "swap"}, {2, SWAP_AT + P2V_MIB, SWAP_BYTES, "x"}},
		{{1, P2V_MIB, SWAP_AT, "x"}, {2, SWAP_AT, SWAP_BYTES, "swap"}},
		{{1, 0, DISK_BYTES, NULL}, {2, P2V_MIB, P2V_MIB, NULL},
			{3, SWAP_AT, SWAP_BYTES, "swap"}},
		{{1, SWAP_AT, SWAP_BYTES, "swap"}, {2, SWAP_AT, SWAP_BYTES, "swap"}},
		/* Cut off at the end of the disk, it still lies there. */
		{{1, SWAP_AT, SWAP_BYTES, "swap"}, {2, SWAP_AT + P2V_MIB, DISK_BYTES, "x"}},
	};
	struct block_io *io = swap_disk("SWAPSPACE2", 1, 2047);

	(void)state;
	for (size_t i = 0; i < P2V_N(pairs); i++) {
		map_auto struct map map = {0};

		assert_int_equal(map_disk(io, pairs[i], 3, NULL, &map, NULL), 0);
		assert_int_equal(block_extents_sum(&map.extents, EXTENT_USED), DISK_BYTES);
	}
	block_io_free(io);
}

static void test_swap_keeps_its_header(void **state)
{
	struct block_io *io = swap_disk("SWAPSPACE2", 1, 1999);
	map_auto struct map map = {0};
	uint64_t at = 0;

	(void)state;
	assert_int_equal(map_disk(io, parts, 2, NULL, &map, NULL), 0);
	assert_int_equal(block_extents_sum(&map.extents, EXTENT_FREE), 1999 * 4096);
	/* Beyond its last page swap is not swap. */
	assert_int_equal(map.extents.n_items, 3);
	assert_int_equal(map.extents.items[1].offset_bytes, SWAP_AT + 4096);
	assert_int_equal(map.extents.items[1].kind, EXTENT_FREE);
	for (size_t i = 0; i < map.n_regions; i++) {
		assert_int_equal(map.regions[i].offset_bytes, at);
		at += map.regions[i].length_bytes;
		assert_non_null(map.regions[i].why_used);
	}
	assert_int_equal(at, DISK_BYTES);
	assert_string_equal(map.regions[1].what, "partition 1 (ext4)");
	assert_string_equal(map.regions[2].what, "partition 2 (swap)");
	assert_string_equal(map.regions[2].why_free, "contents of swap space");
	assert_int_equal(map.regions[2].free_bytes, 1999 * 4096);
	assert_int_equal(map.regions[2].used_bytes, SWAP_BYTES - 1999 * 4096);
	block_io_free(io);
}

static void test_odd_swap_is_used(void **state)
{
	static const struct {
		const char *signature;
		uint32_t version, last_page;
	} cases[] = {
		{"SWAP-SPACE", 1, 2047},
		{"SWAPSPACE2", 2, 2047},
		{"SWAPSPACE2", 1, 2048}, /* a page more than the partition has */
		{"SWAPSPACE2", 1, UINT32_MAX},
		{"SWAPSPACE2", 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct block_io *io =
			swap_disk(cases[i].signature, cases[i].version, cases[i].last_page);
		map_auto struct map map = {0};

		assert_int_equal(map_disk(io, parts, 2, NULL, &map, NULL), 0);
		assert_int_equal(block_extents_sum(&map.extents, EXTENT_USED), DISK_BYTES);
		block_io_free(io);
	}
}

static void test_sleeping_system_is_refused(void **state)
{
	static const char *const signatures[] = {
		"S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct block_io *io = swap_disk(signatures[i], 1, 2047);
		struct map map = {0};
		struct p2v_err err;

		assert_int_equal(map_disk(io, parts, 2, NULL, &map, &err), P2V_EREFUSED);
		assert_non_null(strstr(err.text, "/dev/sda"));
		assert_non_null(strstr(err.text, "sleeping"));
		block_io_free(io);
	}
}

static void test_unreadable_header_is_used(void **state)
{
	const struct block_io_faults faults = {
		.errnum = EIO, .bad_offset = SWAP_AT, .bad_length = 512};
	struct block_io *io = swap_disk("SWAPSPACE2", 1, 2047), *bad;
	map_auto struct map map = {0};

	(void)state;
	assert_int_equal(block_io_fault_new(io, &faults, &bad, NULL), 0);
	assert_int_equal(map_disk(bad, parts, 2, NULL, &map, NULL), 0);
	assert_int_equal(block_extents_sum(&map.extents, EXTENT_USED), DISK_BYTES);
	block_io_free(bad);
}

/* Who writes to it now may use what is free now; swap has no content worth keeping in any case. */
static void test_busy_is_used(void **state)
{
	struct map_part busy[] = {{1, P2V_MIB, 3 * P2V_MIB, "ext4", true},
		{2, SWAP_AT, SWAP_BYTES, "swap", true},
		{3, SWAP_AT + SWAP_BYTES, P2V_MIB, "crypto_LUKS", false},
		{4, SWAP_AT + SWAP_BYTES + P2V_MIB, P2V_MIB, "doubtful", false}};
	struct block_io *io = swap_disk("SWAPSPACE2", 1, 1999);
	map_auto struct map map = {0};

	(void)state;
	assert_int_equal(map_disk(io, busy, 4, NULL, &map, NULL), 0);
	assert_int_equal(block_extents_sum(&map.extents, EXTENT_FREE), 1999 * 4096);
	assert_non_null(strstr(map.regions[1].why_used, "in use on this machine"));
	assert_null(map.regions[1].why_free);
	assert_non_null(strstr(map.regions[3].why_used, "encrypted"));
	assert_non_null(strstr(map.regions[4].why_used, "as a whole"));
	block_io_free(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_is_used),
		cmocka_unit_test(test_overlap_is_used),
		cmocka_unit_test(test_swap_keeps_its_header),
		cmocka_unit_test(test_odd_swap_is_used),
		cmocka_unit_test(test_sleeping_system_is_refused),
		cmocka_unit_test(test_unreadable_header_is_used),
		cmocka_unit_test(test_busy_is_used),
	};

	return cmocka_run_group_tests_name("agent-map", tests, NULL, NULL);
}
