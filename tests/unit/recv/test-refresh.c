/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/block/io.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"
#include "tests/unit/recv/scene.h"

static void say_same(struct scripted *s, const uint8_t *of, uint64_t grain)
{
	struct wire_msg same = {
		WIRE_CHUNK, .chunk = {0, WIRE_CHUNK_SAME, 0, grain * GRAIN, GRAIN, NULL, 16}};
	struct digest leaf;

	block_digest_leaf(of, GRAIN, &leaf);
	same.chunk.body = leaf.bytes;
	scripted_say(s, &same);
}

static struct wire_admit second_pass(struct scripted *s, const char *name)
{
	scripted_start(s, scene_base, "qcow2");
	s->more = WIRE_FEATURE_REFRESH;
	return scripted_admitted(s, name, UUID, DISK_BYTES);
}

/* A second pass into a finished job: nothing is taken away before the first chunk; once it has
 * come, only a second pass can complete it. */
static void test_refresh(void **state)
{
	const struct wire_msg checkpoint = {.type = WIRE_CHECKPOINT};
	const struct wire_msg open = {WIRE_OPEN,
		.open = {0, DISK_BYTES, 512, GRAIN, WIRE_DIGEST_XXH3_128, WIRE_PASS_COPY, 0}};
	struct scripted s;

	(void)state;
	scene_whole_job("ref01", "qcow2");
	assert_int_equal(second_pass(&s, "ref01").how, WIRE_HOW_REFRESH);
	assert_int_equal(scripted_open_refresh(&s, DISK_BYTES), 21);
	say_same(&s, scene_disk + 3 * GRAIN, 3);
	scripted_hear_taken(&s, 1);
	say_same(&s, scene_disk + 4 * GRAIN, 3);
	scripted_hear(&s, WIRE_RESEND);
	scripted_hear_taken(&s, 2);
	assert_true(scene_has("ref01", STORE_IMAGE));
	scene_disk[3 * GRAIN] ^= 1;
	memset(scene_disk + 7 * GRAIN, 0, GRAIN);
	scripted_send(&s, scene_disk, 3 * GRAIN, GRAIN);
	scripted_hear_taken(&s, 3);
	assert_false(scene_has("ref01", STORE_IMAGE));
	assert_false(scene_has("ref01", STORE_RECEIPT));
	scripted_say(&s, &checkpoint);
	scripted_hear(&s, WIRE_DURABLE);
	assert_int_equal(scripted_end(&s), P2V_ELINK);

	assert_int_equal(second_pass(&s, "ref01").how, WIRE_HOW_REFRESH);
	scripted_say(&s, &open);
	scripted_hear(&s, WIRE_REFUSE);
	assert_non_null(strstr(s.last, "--refresh"));
	assert_int_equal(scripted_end(&s), P2V_EREFUSED);

	assert_int_equal(second_pass(&s, "ref01").how, WIRE_HOW_REFRESH);
	assert_int_equal(scripted_open_refresh(&s, DISK_BYTES), 21);
	say_same(&s, scene_disk + 3 * GRAIN, 3);
	scripted_hear_taken(&s, 1);
	scripted_send(&s, scene_disk, 7 * GRAIN, GRAIN);
	scripted_hear_taken(&s, 2);
	scene_end_verified(&s);
	assert_true(scene_has("ref01", STORE_IMAGE));
	scene_image_is("ref01", "qcow2");
	scene_paint();
}

static void flip(const char *path, uint64_t at)
{
	struct block_io *io = NULL;
	uint8_t byte;

	assert_int_equal(block_io_file_open(path, true, &io, NULL), 0);
	assert_int_equal(block_read(io, at, &byte, 1, NULL), 0);
	byte ^= 1;
	assert_int_equal(block_write(io, at, &byte, 1, NULL), 0);
	assert_int_equal(block_flush(io, NULL), 0);
	block_io_free(io);
}

/* A second pass reads back what it wrote; all of it where somebody wrote the image meanwhile. */
static void test_refresh_reads_back(void **state)
{
	p2v_autofree char *image = p2v_strf("%s/ref03/image/disk0.raw", scene_base);
	struct scripted s;
	struct wire_msg msg;

	(void)state;
	scene_whole_job("ref03", "raw");
	flip(image, 5 * GRAIN + 9); /* the image is younger than its journal now */
	for (int round = 0; round < 2; round++) {
		scripted_start(&s, scene_base, "raw");
		s.more = WIRE_FEATURE_REFRESH;
		scripted_admitted(&s, "ref03", UUID, DISK_BYTES);
		scripted_open_refresh(&s, DISK_BYTES);
		scene_disk[3 * GRAIN] ^= 1;
		scripted_send(&s, scene_disk, 3 * GRAIN, GRAIN);
		scripted_hear_taken(&s, 1);
		if (round == 1)
			flip(image, 3 * GRAIN + 9);
		scripted_done(&s, scene_disk, DISK_BYTES);
		scripted_hear(&s, WIRE_DURABLE);
		msg = scripted_hear(&s, WIRE_MISMATCH);
		assert_int_equal(msg.mismatch.ranges.n, 1);
		assert_int_equal(
			wire_range_at(&msg.mismatch.ranges, 0).offset, (round ? 3 : 5) * GRAIN);
		scripted_send(&s, scene_disk, (round ? 3 : 5) * GRAIN, GRAIN);
		scripted_hear_taken(&s, 2);
		scripted_done(&s, scene_disk, DISK_BYTES);
		scripted_hear(&s, WIRE_DURABLE);
		scripted_hear(&s, WIRE_VERIFIED);
		scene_finish(&s);
		assert_int_equal(scripted_end(&s), 0);
		scene_image_is("ref03", "raw");
	}
	scene_paint();
}

static void test_converted_is_not_refreshed(void **state)
{
	p2v_autofree char *dir = p2v_path_join(scene_base, "ref02");
	struct scripted s;

	(void)state;
	scene_whole_job("ref02", "qcow2");
	assert_int_equal(p2v_publish_bytes(dir, STORE_OUTPUT, "{}", 2, 0600, NULL), 0);
	scripted_start(&s, scene_base, "qcow2");
	s.more = WIRE_FEATURE_REFRESH;
	scripted_greet(&s);
	scripted_inventory(&s, "ref02", UUID, DISK_BYTES);
	assert_int_equal(scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_RULE);
	assert_non_null(strstr(s.last, "convert --undo"));
	assert_int_equal(scripted_end(&s), P2V_EREFUSED);
	assert_true(scene_has("ref02", STORE_IMAGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_refresh_reads_back),
		cmocka_unit_test(test_converted_is_not_refreshed),
	};

	return cmocka_run_group_tests(tests, scene_make, scene_remove);
}
