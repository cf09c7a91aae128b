/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "p2v/block/io.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "tests/unit/recv/scene.h"

/* A flipped bit on the way, then a bomb: both are asked for again, and the job goes on. */
static void test_damaged_chunks(void **state)
{
	p2v_autobuf struct p2v_buf out = {0}, bomb = {0};
	struct wire_msg chunk = {.type = WIRE_CHUNK};
	struct scripted s;
	struct wire_msg msg;
	uint8_t kind;

	(void)state;
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "dmg01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	wire_chunk_pack(s.codec, 0, 0, scene_disk, 8 * GRAIN, NULL, WIRE_FRAME_MAX, &out, NULL,
		&kind, NULL);
	out.data[out.len - 5] ^= 4;
	assert_int_equal(link_write(s.link, out.data, out.len, NULL), 0);
	msg = scripted_hear(&s, WIRE_RESEND);
	assert_int_equal(msg.resend.offset, 0);
	assert_int_equal(msg.resend.length, 8 * GRAIN);
	assert_non_null(strstr(s.last, "digest"));
	scripted_hear_taken(&s, 1);

	p2v_buf_reset(&out);
	wire_chunk_pack(s.codec, 0, 0, scene_disk + 15 * GRAIN, 5 * GRAIN, NULL, WIRE_FRAME_MAX,
		&out, NULL, &kind, NULL);
	p2v_buf_add(&bomb, out.data + 28, 16);
	p2v_buf_add(&bomb, out.data + 28 + 5 * 16, out.len - 28 - 5 * 16);
	chunk.chunk = (struct wire_chunk){
		0, WIRE_CHUNK_DATA, WIRE_ENCODING_ZSTD, 0, GRAIN, bomb.data, bomb.len};
	scripted_say(&s, &chunk);
	scripted_hear(&s, WIRE_RESEND);
	scripted_hear_taken(&s, 2);

	for (uint64_t at = 0; at < DISK_BYTES; at += GRAIN)
		scripted_send(&s, scene_disk, at, at + GRAIN > DISK_BYTES ? 512 : GRAIN);
	for (uint64_t seq = 3; seq < 3 + 21; seq++)
		scripted_hear_taken(&s, seq);
	scene_end_verified(&s);
	scene_image_is("dmg01", "qcow2");
}

static void send_repeat(struct scripted *s, uint64_t offset, uint64_t n, uint64_t from)
{
	const struct block_repeat item = {0, (uint32_t)n, from};
	const struct wire_repeats repeats = {&item, 1};
	p2v_autobuf struct p2v_buf out = {0};
	uint8_t kind;

	assert_int_equal(wire_chunk_pack(s->codec, 0, offset, scene_disk + offset, n, &repeats,
				 WIRE_FRAME_MAX, &out, NULL, &kind, NULL),
		0);
	assert_int_equal(link_write(s->link, out.data, out.len, NULL), 0);
}

/* What lies elsewhere is taken from there, also out of the chunk just before; where it is another
 * thing, or nothing yet, it has to come. */
static void test_repeats(void **state)
{
	struct scripted s;
	struct wire_msg msg;

	(void)state;
	memcpy(scene_disk + 5 * GRAIN, scene_disk, 4 * GRAIN);
	scripted_start(&s, scene_base, "qcow2");
	s.more = WIRE_FEATURE_REPEAT;
	scripted_admitted(&s, "rep01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	send_repeat(&s, 5 * GRAIN, GRAIN, 0); /* before there is anything */
	msg = scripted_hear(&s, WIRE_RESEND);
	assert_int_equal(msg.resend.offset, 5 * GRAIN);
	assert_int_equal(msg.resend.length, GRAIN);
	scripted_hear_taken(&s, 1);
	for (unsigned i = 0; i < 4; i++) {
		scripted_send(&s, scene_disk, i * GRAIN, GRAIN);
		send_repeat(&s, (5 + i) * GRAIN, GRAIN, i * GRAIN);
	}
	for (uint64_t seq = 2; seq < 10; seq++)
		scripted_hear_taken(&s, seq);
	send_repeat(&s, 4 * GRAIN, GRAIN, 0); /* not the same */
	scripted_hear(&s, WIRE_RESEND);
	scripted_hear_taken(&s, 10);
	scripted_send(&s, scene_disk, 4 * GRAIN, GRAIN);
	scripted_send(&s, scene_disk, 9 * GRAIN, DISK_BYTES - 9 * GRAIN);
	scripted_hear_taken(&s, 11);
	scripted_hear_taken(&s, 12);
	scene_end_verified(&s);
	scene_image_is("rep01", "qcow2");

	/* Who did not say that he would, may not. */
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "rep02", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	send_repeat(&s, 5 * GRAIN, GRAIN, 0);
	scripted_hear(&s, WIRE_ERROR);
	assert_int_equal(scripted_end(&s), P2V_EFORMAT);
	scene_paint();
}

/* DONE with a hole: the hole is named; then content that changed under way: last one wins. */
static void test_mismatch(void **state)
{
	static uint8_t other[GRAIN];
	struct scripted s;
	struct wire_msg msg;
	struct wire_range range;

	(void)state;
	memset(other, 'o', sizeof(other));
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "mis01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scripted_send(&s, scene_disk, 0, 8 * GRAIN);
	scripted_send(&s, other, 0, GRAIN);
	scripted_send(&s, scene_disk, 10 * GRAIN, DISK_BYTES - 10 * GRAIN);
	for (uint64_t seq = 1; seq <= 3; seq++)
		scripted_hear_taken(&s, seq);
	scripted_done(&s, scene_disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	msg = scripted_hear(&s, WIRE_MISMATCH);
	assert_int_equal(msg.mismatch.ranges.n, 1);
	range = wire_range_at(&msg.mismatch.ranges, 0);
	assert_int_equal(range.offset, 8 * GRAIN);
	assert_int_equal(range.length, 2 * GRAIN);

	scripted_send(&s, scene_disk, 8 * GRAIN, 2 * GRAIN);
	scripted_send(&s, scene_disk, 0, GRAIN);
	scripted_hear_taken(&s, 4);
	scripted_hear_taken(&s, 5);
	scene_end_verified(&s);
	scene_image_is("mis01", "qcow2");
}

/* Chunks of one range are written in their order, though several are written at once. */
static void test_last_one_wins(void **state)
{
	static uint8_t other[8 * GRAIN];
	struct scripted s;
	uint64_t seq = 0;

	(void)state;
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "last01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	for (int i = 0; i < 40; i++) {
		memset(other, i + 1, sizeof(other));
		scripted_send(&s, other, 0, sizeof(other));
	}
	scripted_send(&s, scene_disk, 0, 8 * GRAIN);
	scripted_send(&s, scene_disk, 8 * GRAIN, DISK_BYTES - 8 * GRAIN);
	while (seq < 42)
		scripted_hear_taken(&s, ++seq);
	scene_end_verified(&s);
	scene_image_is("last01", "qcow2");
}

/* A bit that flips on the server's disk between write and read-back is found, by its grain. */
static void test_bit_rot(void **state)
{
	p2v_autofree char *path = p2v_strf("%s/rot01/image/disk0.raw", scene_base);
	struct block_io *io = NULL;
	struct scripted s;
	struct wire_msg msg;

	(void)state;
	scripted_start(&s, scene_base, "raw");
	scripted_admitted(&s, "rot01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scene_send_all(&s);
	assert_int_equal(block_io_file_open(path, true, &io, NULL), 0);
	assert_int_equal(block_write(io, 3 * GRAIN + 77, "X", 1, NULL), 0);
	assert_int_equal(block_flush(io, NULL), 0);
	block_io_free(io);
	scripted_done(&s, scene_disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	msg = scripted_hear(&s, WIRE_MISMATCH);
	assert_int_equal(msg.mismatch.ranges.n, 1);
	assert_int_equal(wire_range_at(&msg.mismatch.ranges, 0).offset, 3 * GRAIN);
	assert_int_equal(wire_range_at(&msg.mismatch.ranges, 0).length, GRAIN);
	scripted_send(&s, scene_disk, 3 * GRAIN, GRAIN);
	scripted_hear_taken(&s, 5);
	scene_end_verified(&s);
	scene_image_is("rot01", "raw");
}

/* An image in memory whose flush takes until the test lets it go on, or 20 s. */
static sem_t flush_goes_on;

static int slow_flush(struct block_io *io, struct p2v_err *err)
{
	struct timespec until;

	(void)io;
	(void)err;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	sem_timedwait(&flush_goes_on, &until);
	return 0;
}

static int slow_create(
	void *ctx, const char *path, const char *format, uint64_t size_bytes, struct p2v_err *err)
{
	p2v_autoclose int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)ctx;
	(void)format;
	(void)size_bytes;
	return fd < 0 ? p2v_err_errno(err, errno, "%s", path) : 0;
}

static int slow_open(void *ctx, const char *path, const char *format, bool writable,
	struct block_io **ret, struct p2v_err *err)
{
	static struct block_io_ops ops;
	int r = block_io_memory_new(path, DISK_BYTES, ret, err);

	(void)ctx;
	(void)format;
	(void)writable;
	if (r < 0)
		return r;
	ops = *(*ret)->ops;
	ops.flush = slow_flush;
	(*ret)->ops = &ops;
	return 0;
}

/* A server whose disk takes its time is not taken for a dead link: it goes on saying so. */
static void test_slow_flush(void **state)
{
	static const struct recv_images slow = {slow_create, slow_open, NULL, NULL};
	const struct wire_msg checkpoint = {.type = WIRE_CHECKPOINT};
	struct scripted s;

	(void)state;
	sem_init(&flush_goes_on, 0, 0);
	scripted_start(&s, scene_base, "raw");
	s.spec.images = &slow;
	scripted_admitted(&s, "slow01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scripted_send(&s, scene_disk, 0, 4 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_say(&s, &checkpoint);
	scripted_hear(&s, WIRE_PING);
	sem_post(&flush_goes_on);
	assert_int_equal(scripted_hear(&s, WIRE_DURABLE).durable.seq, 1);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
	sem_destroy(&flush_goes_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_chunks),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_last_one_wins),
		cmocka_unit_test(test_bit_rot),
		cmocka_unit_test(test_slow_flush),
	};

	return cmocka_run_group_tests(tests, scene_make, scene_remove);
}
