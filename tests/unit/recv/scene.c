/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#include "p2v/block/io.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/model/image.h"
#include "p2v/model/receipt.h"
#include "p2v/store/jobdir.h"
#include "tests/unit/recv/scene.h"

char *scene_base;
uint8_t scene_disk[DISK_BYTES];

/* Grains 0 to 9 random, 10 to 14 zero, the rest text; the last is short. */
void scene_paint(void)
{
	uint32_t v = 7;

	memset(scene_disk, 0, sizeof(scene_disk));
	for (size_t i = 0; i < 10 * GRAIN; i++) {
		v = v * 1664525 + 1013904223;
		scene_disk[i] = (uint8_t)(v >> 24);
	}
	memset(scene_disk + 15 * GRAIN, 'p', sizeof(scene_disk) - 15 * GRAIN);
}

int scene_make(void **state)
{
	(void)state;
	scene_paint();
	return p2v_dir_temp("test-recv", &scene_base, NULL);
}

int scene_remove(void **state)
{
	(void)state;
	p2v_dir_remove(scene_base);
	free(scene_base);
	return 0;
}

bool scene_has(const char *job, const char *file)
{
	p2v_autofree char *path = p2v_strf("%s/%s/%s", scene_base, job, file);

	return p2v_file_exists(path);
}

/* What the job's image holds is what the disk held. */
void scene_image_is(const char *job, const char *format)
{
	p2v_autofree char *path = p2v_strf("%s/%s/image/disk0.%s", scene_base, job, format);
	const struct block_io_nbd_spec spec = {.path = path, .format = format};
	p2v_auto(block_io_free) struct block_io *io = NULL;
	p2v_autofree uint8_t *got = malloc(DISK_BYTES);

	assert_int_equal(block_io_nbd_open(&spec, &io, NULL), 0);
	assert_int_equal(io->size_bytes, DISK_BYTES);
	assert_int_equal(block_read(io, 0, got, DISK_BYTES, NULL), 0);
	assert_memory_equal(got, scene_disk, DISK_BYTES);
}

void scene_finish(struct scripted *s)
{
	const struct wire_msg msg = {.type = WIRE_FINISH};

	scripted_say(s, &msg);
	scripted_hear(s, WIRE_FINISHED);
}

void scene_end_verified(struct scripted *s)
{
	scripted_done(s, scene_disk, DISK_BYTES);
	scripted_hear(s, WIRE_DURABLE);
	scripted_hear(s, WIRE_VERIFIED);
	scene_finish(s);
	assert_int_equal(scripted_end(s), 0);
}

/* All 21 grains in four chunks, one of them zeros that were never packed. */
void scene_send_all(struct scripted *s)
{
	const struct wire_msg zero = {
		WIRE_CHUNK, .chunk = {0, WIRE_CHUNK_ZERO, 0, 10 * GRAIN, 5 * GRAIN, NULL, 0}};

	scripted_send(s, scene_disk, 16 * GRAIN, DISK_BYTES - 16 * GRAIN);
	scripted_send(s, scene_disk, 0, 8 * GRAIN);
	scripted_send(s, scene_disk, 8 * GRAIN, 8 * GRAIN);
	scripted_say(s, &zero);
	for (uint64_t seq = 1; seq <= 4; seq++)
		scripted_hear_taken(s, seq);
}

void scene_whole_job(const char *name, const char *format)
{
	p2v_autofree char *dir = p2v_path_join(scene_base, name);
	p2v_autofree char *image_json = p2v_path_join(dir, STORE_IMAGE);
	p2v_autofree char *receipt_file = p2v_path_join(dir, STORE_RECEIPT);
	p2v_auto_receipt struct receipt receipt = {0};
	p2v_auto_image struct image image = {0};
	struct digest root = scripted_root(scene_disk, DISK_BYTES);
	char text[BLOCK_DIGEST_HEX];
	struct scripted s;
	struct wire_msg msg;

	scripted_start(&s, scene_base, format);
	assert_int_equal(scripted_admitted(&s, name, UUID, DISK_BYTES).how, WIRE_HOW_NEW);
	assert_int_equal(scripted_open(&s, DISK_BYTES), 0);
	scene_send_all(&s);
	scripted_done(&s, scene_disk, DISK_BYTES);
	assert_int_equal(scripted_hear(&s, WIRE_DURABLE).durable.seq, 4);
	msg = scripted_hear(&s, WIRE_VERIFIED);
	assert_true(block_digest_equal(&msg.verified.root, &root));
	assert_false(scene_has(name, STORE_IMAGE));
	scene_finish(&s);
	assert_int_equal(scripted_end(&s), 0);

	assert_int_equal(model_image_load(image_json, &image, NULL), 0);
	assert_int_equal(image.n_disks, 1);
	assert_string_equal(image.disks[0].digest, block_digest_text(&root, text));
	assert_string_equal(image.disks[0].format, format);
	assert_true(image.disks[0].owned);
	assert_int_equal(model_receipt_load(receipt_file, &receipt, NULL), 0);
	assert_true(receipt.disks[0].verified);
	assert_int_equal(receipt.disks[0].skipped_bytes, 44);
	assert_int_equal(receipt.disks[0].written_bytes, DISK_BYTES - 5 * GRAIN);
	assert_int_equal(receipt.disks[0].resumed, 0);
	scene_image_is(name, format);
}
