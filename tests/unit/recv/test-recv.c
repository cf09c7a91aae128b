/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/block/io.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/image.h"
#include "p2v/model/receipt.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/queue.h"
#include "p2v/store/status.h"
#include "p2v/wire/greet.h"
#include "tests/unit/recv/scripted.h"

#define DISK_BYTES (20 * (uint64_t)GRAIN + 512)
#define UUID	   "11111111-2222-3333-4444-555555555555"

static char *base;
static uint8_t disk[DISK_BYTES];

/* Grains 0 to 9 random, 10 to 14 zero, the rest text; the last is short. */
static void disk_paint(void)
{
	uint32_t v = 7;

	memset(disk, 0, sizeof(disk));
	for (size_t i = 0; i < 10 * GRAIN; i++) {
		v = v * 1664525 + 1013904223;
		disk[i] = (uint8_t)(v >> 24);
	}
	memset(disk + 15 * GRAIN, 'p', sizeof(disk) - 15 * GRAIN);
}

static int base_make(void **state)
{
	(void)state;
	disk_paint();
	return p2v_dir_temp("test-recv", &base, NULL);
}

static int base_remove(void **state)
{
	(void)state;
	p2v_dir_remove(base);
	free(base);
	return 0;
}

static bool job_has(const char *job, const char *file)
{
	p2v_autofree char *path = p2v_strf("%s/%s/%s", base, job, file);

	return p2v_file_exists(path);
}

/* What the job's image holds is what the disk held. */
static void image_equals(const char *job, const char *format)
{
	p2v_autofree char *path = p2v_strf("%s/%s/image/disk0.%s", base, job, format);
	const struct block_io_nbd_spec spec = {.path = path, .format = format};
	p2v_auto(block_io_free) struct block_io *io = NULL;
	p2v_autofree uint8_t *got = malloc(DISK_BYTES);

	assert_int_equal(block_io_nbd_open(&spec, &io, NULL), 0);
	assert_int_equal(io->size_bytes, DISK_BYTES);
	assert_int_equal(block_read(io, 0, got, DISK_BYTES, NULL), 0);
	assert_memory_equal(got, disk, DISK_BYTES);
}

static void finish(struct scripted *s)
{
	const struct wire_msg msg = {.type = WIRE_FINISH};

	scripted_say(s, &msg);
	scripted_hear(s, WIRE_FINISHED);
}

/* All 21 grains in four chunks, one of them zeros that were never packed. */
static void send_all(struct scripted *s)
{
	const struct wire_msg zero = {
		WIRE_CHUNK, .chunk = {0, WIRE_CHUNK_ZERO, 0, 10 * GRAIN, 5 * GRAIN, NULL, 0}};

	scripted_send(s, disk, 16 * GRAIN, DISK_BYTES - 16 * GRAIN);
	scripted_send(s, disk, 0, 8 * GRAIN);
	scripted_send(s, disk, 8 * GRAIN, 8 * GRAIN);
	scripted_say(s, &zero);
	for (uint64_t seq = 1; seq <= 4; seq++)
		scripted_hear_taken(s, seq);
}

static void whole_job(const char *name, const char *format)
{
	p2v_autofree char *dir = p2v_path_join(base, name);
	p2v_autofree char *image_json = p2v_path_join(dir, STORE_IMAGE);
	p2v_autofree char *receipt_file = p2v_path_join(dir, STORE_RECEIPT);
	p2v_auto_receipt struct receipt receipt = {0};
	p2v_auto_image struct image image = {0};
	struct digest root = scripted_root(disk, DISK_BYTES);
	char text[BLOCK_DIGEST_HEX];
	struct scripted s;
	struct wire_msg msg;

	scripted_start(&s, base, format);
	assert_int_equal(scripted_admitted(&s, name, UUID, DISK_BYTES).how, WIRE_HOW_NEW);
	assert_int_equal(scripted_open(&s, DISK_BYTES), 0);
	send_all(&s);
	scripted_done(&s, disk, DISK_BYTES);
	assert_int_equal(scripted_hear(&s, WIRE_DURABLE).durable.seq, 4);
	msg = scripted_hear(&s, WIRE_VERIFIED);
	assert_true(block_digest_equal(&msg.verified.root, &root));
	assert_false(job_has(name, STORE_IMAGE));
	finish(&s);
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
	image_equals(name, format);
}

static void test_whole_qcow2(void **state)
{
	(void)state;
	whole_job("web01", "qcow2");
}

static void test_whole_raw(void **state)
{
	(void)state;
	whole_job("web02", "raw");
}

static void test_finished_is_refused(void **state)
{
	struct scripted s;

	(void)state;
	whole_job("done01", "qcow2");
	scripted_start(&s, base, "qcow2");
	scripted_greet(&s);
	scripted_inventory(&s, "done01", UUID, DISK_BYTES);
	assert_int_equal(scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_RULE);
	assert_non_null(strstr(s.last, "job done01 is finished"));
	assert_non_null(strstr(s.last, "remove"));
	assert_int_equal(scripted_end(&s), P2V_EREFUSED);
}

static void test_resume(void **state)
{
	const struct wire_msg checkpoint = {.type = WIRE_CHECKPOINT};
	const struct wire_msg ask = {WIRE_HAVE_ASK, .have_ask = {0, 0, 21}};
	struct scripted s;
	struct wire_msg have;
	struct digest leaf, want;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "res01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scripted_send(&s, disk, 0, 4 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_say(&s, &checkpoint);
	assert_int_equal(scripted_hear(&s, WIRE_DURABLE).durable.seq, 1);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
	assert_false(job_has("res01", STORE_RECEIPT));

	scripted_start(&s, base, "qcow2");
	assert_int_equal(scripted_admitted(&s, "res01", UUID, DISK_BYTES).how, WIRE_HOW_CONTINUED);
	assert_int_equal(scripted_open(&s, DISK_BYTES), 4);
	scripted_say(&s, &ask);
	have = scripted_hear(&s, WIRE_HAVE);
	assert_int_equal(have.have.count, 21);
	for (size_t i = 0; i < 21; i++)
		assert_int_equal(have.have.states[i], i < 4);
	wire_leaf_at(have.have.leaves, 3, &leaf);
	block_digest_leaf(disk + 3 * GRAIN, GRAIN, &want);
	assert_true(block_digest_equal(&leaf, &want));
	scripted_send(&s, disk, 4 * GRAIN, 8 * GRAIN);
	scripted_send(&s, disk, 12 * GRAIN, DISK_BYTES - 12 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_hear_taken(&s, 2);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	/* Cut between VERIFIED and FINISH: the disk is not wanted any more. */
	assert_int_equal(scripted_end(&s), P2V_ELINK);

	scripted_start(&s, base, "qcow2");
	scripted_greet(&s);
	scripted_inventory(&s, "res01", UUID, DISK_BYTES);
	have = scripted_hear(&s, WIRE_ADMIT);
	assert_false(wire_admit_wants(&have.admit, 0));
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("res01", "qcow2");
}

static void test_other_machine_is_refused(void **state)
{
	static const struct {
		const char *uuid;
		uint64_t bytes;
		const char *word;
	} rows[] = {
		{"99999999-2222-3333-4444-555555555555", DISK_BYTES, "another UUID"},
		{UUID, DISK_BYTES + 512, "disks of another size"},
	};
	struct scripted s;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "same", UUID, DISK_BYTES);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
	for (size_t i = 0; i < 2; i++) {
		scripted_start(&s, base, "qcow2");
		scripted_greet(&s);
		scripted_inventory(&s, "same", rows[i].uuid, rows[i].bytes);
		assert_int_equal(scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_RULE);
		assert_non_null(strstr(s.last, rows[i].word));
		assert_int_equal(scripted_end(&s), P2V_EREFUSED);
	}
}

/* A flipped bit on the way, then a bomb: both are asked for again, and the job goes on. */
static void test_damaged_chunks(void **state)
{
	p2v_autobuf struct p2v_buf out = {0}, bomb = {0};
	struct wire_msg chunk = {.type = WIRE_CHUNK};
	struct scripted s;
	struct wire_msg msg;
	uint8_t kind;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "dmg01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	wire_chunk_pack(
		s.codec, 0, 0, disk, 8 * GRAIN, NULL, WIRE_FRAME_MAX, &out, NULL, &kind, NULL);
	out.data[out.len - 5] ^= 4;
	assert_int_equal(link_write(s.link, out.data, out.len, NULL), 0);
	msg = scripted_hear(&s, WIRE_RESEND);
	assert_int_equal(msg.resend.offset, 0);
	assert_int_equal(msg.resend.length, 8 * GRAIN);
	assert_non_null(strstr(s.last, "digest"));
	scripted_hear_taken(&s, 1);

	p2v_buf_reset(&out);
	wire_chunk_pack(s.codec, 0, 0, disk + 15 * GRAIN, 5 * GRAIN, NULL, WIRE_FRAME_MAX, &out,
		NULL, &kind, NULL);
	p2v_buf_add(&bomb, out.data + 28, 16);
	p2v_buf_add(&bomb, out.data + 28 + 5 * 16, out.len - 28 - 5 * 16);
	chunk.chunk = (struct wire_chunk){
		0, WIRE_CHUNK_DATA, WIRE_ENCODING_ZSTD, 0, GRAIN, bomb.data, bomb.len};
	scripted_say(&s, &chunk);
	scripted_hear(&s, WIRE_RESEND);
	scripted_hear_taken(&s, 2);

	for (uint64_t at = 0; at < DISK_BYTES; at += GRAIN)
		scripted_send(&s, disk, at, at + GRAIN > DISK_BYTES ? 512 : GRAIN);
	for (uint64_t seq = 3; seq < 3 + 21; seq++)
		scripted_hear_taken(&s, seq);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("dmg01", "qcow2");
}

static void send_repeat(struct scripted *s, uint64_t offset, uint64_t n, uint64_t from)
{
	const struct block_repeat item = {0, (uint32_t)n, from};
	const struct wire_repeats repeats = {&item, 1};
	p2v_autobuf struct p2v_buf out = {0};
	uint8_t kind;

	assert_int_equal(wire_chunk_pack(s->codec, 0, offset, disk + offset, n, &repeats,
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
	memcpy(disk + 5 * GRAIN, disk, 4 * GRAIN);
	scripted_start(&s, base, "qcow2");
	s.more = WIRE_FEATURE_REPEAT;
	scripted_admitted(&s, "rep01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	send_repeat(&s, 5 * GRAIN, GRAIN, 0); /* before there is anything */
	msg = scripted_hear(&s, WIRE_RESEND);
	assert_int_equal(msg.resend.offset, 5 * GRAIN);
	assert_int_equal(msg.resend.length, GRAIN);
	scripted_hear_taken(&s, 1);
	for (unsigned i = 0; i < 4; i++) {
		scripted_send(&s, disk, i * GRAIN, GRAIN);
		send_repeat(&s, (5 + i) * GRAIN, GRAIN, i * GRAIN);
	}
	for (uint64_t seq = 2; seq < 10; seq++)
		scripted_hear_taken(&s, seq);
	send_repeat(&s, 4 * GRAIN, GRAIN, 0); /* not the same */
	scripted_hear(&s, WIRE_RESEND);
	scripted_hear_taken(&s, 10);
	scripted_send(&s, disk, 4 * GRAIN, GRAIN);
	scripted_send(&s, disk, 9 * GRAIN, DISK_BYTES - 9 * GRAIN);
	scripted_hear_taken(&s, 11);
	scripted_hear_taken(&s, 12);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("rep01", "qcow2");

	/* Who did not say that he would, may not. */
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "rep02", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	send_repeat(&s, 5 * GRAIN, GRAIN, 0);
	scripted_hear(&s, WIRE_ERROR);
	assert_int_equal(scripted_end(&s), P2V_EFORMAT);
	disk_paint();
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
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "mis01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scripted_send(&s, disk, 0, 8 * GRAIN);
	scripted_send(&s, other, 0, GRAIN);
	scripted_send(&s, disk, 10 * GRAIN, DISK_BYTES - 10 * GRAIN);
	for (uint64_t seq = 1; seq <= 3; seq++)
		scripted_hear_taken(&s, seq);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	msg = scripted_hear(&s, WIRE_MISMATCH);
	assert_int_equal(msg.mismatch.ranges.n, 1);
	range = wire_range_at(&msg.mismatch.ranges, 0);
	assert_int_equal(range.offset, 8 * GRAIN);
	assert_int_equal(range.length, 2 * GRAIN);

	scripted_send(&s, disk, 8 * GRAIN, 2 * GRAIN);
	scripted_send(&s, disk, 0, GRAIN);
	scripted_hear_taken(&s, 4);
	scripted_hear_taken(&s, 5);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("mis01", "qcow2");
}

/* Chunks of one range are written in their order, though several are written at once. */
static void test_last_one_wins(void **state)
{
	static uint8_t other[8 * GRAIN];
	struct scripted s;
	uint64_t seq = 0;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "last01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	for (int i = 0; i < 40; i++) {
		memset(other, i + 1, sizeof(other));
		scripted_send(&s, other, 0, sizeof(other));
	}
	scripted_send(&s, disk, 0, 8 * GRAIN);
	scripted_send(&s, disk, 8 * GRAIN, DISK_BYTES - 8 * GRAIN);
	while (seq < 42)
		scripted_hear_taken(&s, ++seq);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("last01", "qcow2");
}

/* The daemon of a killed receiver still holds the image for a while. */
static void test_locked_image(void **state)
{
	p2v_autofree char *path = p2v_strf("%s/lck01/image/disk0.qcow2", base);
	const struct block_io_nbd_spec spec = {.path = path, .format = "qcow2", .writable = true};
	const struct wire_msg open = {WIRE_OPEN,
		.open = {0, DISK_BYTES, 512, GRAIN, WIRE_DIGEST_XXH3_128, WIRE_PASS_COPY, 0}};
	struct block_io *io = NULL;
	struct scripted s;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "lck01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
	assert_int_equal(block_io_nbd_open(&spec, &io, NULL), 0);
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "lck01", UUID, DISK_BYTES);
	scripted_say(&s, &open);
	assert_int_equal(link_wait(s.link, 1000, NULL), P2V_ETIMEDOUT);
	block_io_free(io);
	scripted_hear(&s, WIRE_READY);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
}

/* A bit that flips on the server's disk between write and read-back is found, by its grain. */
static void test_bit_rot(void **state)
{
	p2v_autofree char *path = p2v_strf("%s/rot01/image/disk0.raw", base);
	struct block_io *io = NULL;
	struct scripted s;
	struct wire_msg msg;

	(void)state;
	scripted_start(&s, base, "raw");
	scripted_admitted(&s, "rot01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	send_all(&s);
	assert_int_equal(block_io_file_open(path, true, &io, NULL), 0);
	assert_int_equal(block_write(io, 3 * GRAIN + 77, "X", 1, NULL), 0);
	assert_int_equal(block_flush(io, NULL), 0);
	block_io_free(io);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	msg = scripted_hear(&s, WIRE_MISMATCH);
	assert_int_equal(msg.mismatch.ranges.n, 1);
	assert_int_equal(wire_range_at(&msg.mismatch.ranges, 0).offset, 3 * GRAIN);
	assert_int_equal(wire_range_at(&msg.mismatch.ranges, 0).length, GRAIN);
	scripted_send(&s, disk, 3 * GRAIN, GRAIN);
	scripted_hear_taken(&s, 5);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("rot01", "raw");
}

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
	scripted_start(s, base, "qcow2");
	s->more = WIRE_FEATURE_REFRESH;
	return scripted_admitted(s, name, UUID, DISK_BYTES);
}

/* A second pass into a finished job: nothing is taken away before the first chunk; once it has
 * come, only a second pass can complete it. */
static void status_put(const char *name, const char *state, const char *step, uint64_t done)
{
	const struct store_status status = {
		.state = state, .running = step != NULL, .step = step, .done = done, .total = 4};
	p2v_autofree char *dir = p2v_path_join(base, name);

	assert_int_equal(store_status_write(dir, &status, NULL), 0);
}

/* After FINISHED, what p2vd writes down is said; the directory is free for it meanwhile. */
static void test_follow(void **state)
{
	const struct wire_msg log = {WIRE_LOG, .log = {6, wire_text("sda: \x1b[31mread error")}};
	p2v_autofree char *log_path = p2v_strf("%s/follow01/" STORE_AGENT_LOG, base);
	p2v_autofree char *dir = p2v_path_join(base, "follow01");
	p2v_autobuf struct p2v_buf text = {0};
	struct scripted s;
	struct wire_msg msg;

	(void)state;
	scripted_start(&s, base, "qcow2");
	s.more = WIRE_FEATURE_STATUS;
	scripted_admitted(&s, "follow01", UUID, DISK_BYTES);
	scripted_say(&s, &log);
	scripted_open(&s, DISK_BYTES);
	send_all(&s);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	status_put("follow01", "planned", "converting", 1);
	finish(&s);
	msg = scripted_hear(&s, WIRE_STATUS);
	assert_memory_equal(msg.status.stage.bytes, "planned", 7);
	assert_int_equal(msg.status.permille, 250);
	assert_false(store_jobdir_busy(dir));
	status_put("follow01", "failed", NULL, 0);
	msg = scripted_hear(&s, WIRE_STATUS);
	assert_memory_equal(msg.status.stage.bytes, "failed", 6);
	assert_int_equal(scripted_end(&s), 0);
	assert_int_equal(p2v_file_read(log_path, 4096, &text, NULL), 0);
	assert_non_null(strstr((char *)text.data, "sda: ?[31mread error"));
}

/* What the agent says of files that it could not read goes into the receipt, to its disk. */
static void test_unreadable(void **state)
{
	static const char *const said[] = {"unreadable: disk0: partition 1: /etc/\x1b[2Jhosts",
		"unreadable: disk1: partition 1: /no/such/disk", "disk0: no such word",
		"unreadable: disk00: another one"};
	p2v_autofree char *path = p2v_strf("%s/bad01/" STORE_RECEIPT, base);
	struct receipt receipt = {0};
	struct scripted s;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "bad01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	send_all(&s);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	for (size_t i = 0; i < 4; i++) {
		const struct wire_msg log = {WIRE_LOG, .log = {4, wire_text(said[i])}};

		scripted_say(&s, &log);
	}
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	assert_int_equal(model_receipt_load(path, &receipt, NULL), 0);
	assert_int_equal(receipt.disks[0].n_bad_files, 1);
	assert_string_equal(receipt.disks[0].bad_files[0], "partition 1: /etc/?[2Jhosts");
	model_receipt_finish(&receipt);
}

static void test_refresh(void **state)
{
	const struct wire_msg checkpoint = {.type = WIRE_CHECKPOINT};
	const struct wire_msg open = {WIRE_OPEN,
		.open = {0, DISK_BYTES, 512, GRAIN, WIRE_DIGEST_XXH3_128, WIRE_PASS_COPY, 0}};
	struct scripted s;

	(void)state;
	whole_job("ref01", "qcow2");
	assert_int_equal(second_pass(&s, "ref01").how, WIRE_HOW_REFRESH);
	assert_int_equal(scripted_open_refresh(&s, DISK_BYTES), 21);
	say_same(&s, disk + 3 * GRAIN, 3);
	scripted_hear_taken(&s, 1);
	say_same(&s, disk + 4 * GRAIN, 3);
	scripted_hear(&s, WIRE_RESEND);
	scripted_hear_taken(&s, 2);
	assert_true(job_has("ref01", STORE_IMAGE));
	disk[3 * GRAIN] ^= 1;
	memset(disk + 7 * GRAIN, 0, GRAIN);
	scripted_send(&s, disk, 3 * GRAIN, GRAIN);
	scripted_hear_taken(&s, 3);
	assert_false(job_has("ref01", STORE_IMAGE));
	assert_false(job_has("ref01", STORE_RECEIPT));
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
	say_same(&s, disk + 3 * GRAIN, 3);
	scripted_hear_taken(&s, 1);
	scripted_send(&s, disk, 7 * GRAIN, GRAIN);
	scripted_hear_taken(&s, 2);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	assert_true(job_has("ref01", STORE_IMAGE));
	image_equals("ref01", "qcow2");
	disk_paint();
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
	p2v_autofree char *image = p2v_strf("%s/ref03/image/disk0.raw", base);
	struct scripted s;
	struct wire_msg msg;

	(void)state;
	whole_job("ref03", "raw");
	flip(image, 5 * GRAIN + 9); /* the image is younger than its journal now */
	for (int round = 0; round < 2; round++) {
		scripted_start(&s, base, "raw");
		s.more = WIRE_FEATURE_REFRESH;
		scripted_admitted(&s, "ref03", UUID, DISK_BYTES);
		scripted_open_refresh(&s, DISK_BYTES);
		disk[3 * GRAIN] ^= 1;
		scripted_send(&s, disk, 3 * GRAIN, GRAIN);
		scripted_hear_taken(&s, 1);
		if (round == 1)
			flip(image, 3 * GRAIN + 9);
		scripted_done(&s, disk, DISK_BYTES);
		scripted_hear(&s, WIRE_DURABLE);
		msg = scripted_hear(&s, WIRE_MISMATCH);
		assert_int_equal(msg.mismatch.ranges.n, 1);
		assert_int_equal(
			wire_range_at(&msg.mismatch.ranges, 0).offset, (round ? 3 : 5) * GRAIN);
		scripted_send(&s, disk, (round ? 3 : 5) * GRAIN, GRAIN);
		scripted_hear_taken(&s, 2);
		scripted_done(&s, disk, DISK_BYTES);
		scripted_hear(&s, WIRE_DURABLE);
		scripted_hear(&s, WIRE_VERIFIED);
		finish(&s);
		assert_int_equal(scripted_end(&s), 0);
		image_equals("ref03", "raw");
	}
	disk_paint();
}

static void test_converted_is_not_refreshed(void **state)
{
	p2v_autofree char *dir = p2v_path_join(base, "ref02");
	struct scripted s;

	(void)state;
	whole_job("ref02", "qcow2");
	assert_int_equal(p2v_publish_bytes(dir, STORE_OUTPUT, "{}", 2, 0600, NULL), 0);
	scripted_start(&s, base, "qcow2");
	s.more = WIRE_FEATURE_REFRESH;
	scripted_greet(&s);
	scripted_inventory(&s, "ref02", UUID, DISK_BYTES);
	assert_int_equal(scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_RULE);
	assert_non_null(strstr(s.last, "convert --undo"));
	assert_int_equal(scripted_end(&s), P2V_EREFUSED);
	assert_true(job_has("ref02", STORE_IMAGE));
}

static void test_busy_waits(void **state)
{
	p2v_autofree char *dir = p2v_path_join(base, "busy01");
	struct scripted s;
	int lock = -1;

	(void)state;
	assert_int_equal(store_jobdir_open(dir, &lock, NULL), 0);
	scripted_start(&s, base, "qcow2");
	scripted_greet(&s);
	scripted_inventory(&s, "busy01", UUID, DISK_BYTES);
	scripted_hear(&s, WIRE_WAIT);
	close(lock);
	scripted_hear(&s, WIRE_ADMIT);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
}

/* Where there are limits, who comes second waits, and is told his place. */
static void test_queue(void **state)
{
	const struct store_limits limits = {.receivers = 1};
	p2v_autofree char *path = p2v_path_join(base, STORE_LIMITS);
	struct scripted first, second;

	(void)state;
	assert_int_equal(store_limits_save(base, &limits, NULL), 0);
	scripted_start(&first, base, "qcow2");
	scripted_admitted(&first, "queue01", UUID, DISK_BYTES);
	scripted_start(&second, base, "qcow2");
	scripted_greet(&second);
	scripted_inventory(&second, "queue02", UUID, DISK_BYTES);
	assert_int_equal(scripted_hear(&second, WIRE_WAIT).wait.position, 1);
	assert_int_equal(scripted_end(&first), P2V_ELINK);
	scripted_hear(&second, WIRE_ADMIT);
	assert_int_equal(scripted_end(&second), P2V_ELINK);
	assert_int_equal(unlink(path), 0);
}

/* A pipe beside the control connection, opened as an agent does; HELLO is said. */
static void data_start(struct scripted *s, const struct digest *token)
{
	struct wire_msg hello = {.type = WIRE_HELLO};

	scripted_start(s, base, "qcow2");
	wire_hello_make("scripted", WIRE_FEATURE_ZSTD | WIRE_FEATURE_DATA, token, &hello.hello);
	scripted_say(s, &hello);
}

/* A job that takes data connections, with its disk open. */
static struct digest data_job(struct scripted *s, const char *name)
{
	struct digest token;

	scripted_start(s, base, "qcow2");
	s->more = WIRE_FEATURE_DATA;
	token = scripted_admitted(s, name, UUID, DISK_BYTES).token;
	assert_false(block_digest_is_zero(&token));
	scripted_open(s, DISK_BYTES);
	return token;
}

static void test_data_connection(void **state)
{
	const struct wire_msg checkpoint = {.type = WIRE_CHECKPOINT};
	p2v_autofree char *receipt_file = p2v_strf("%s/data01/" STORE_RECEIPT, base);
	p2v_auto_receipt struct receipt receipt = {0};
	struct scripted s, d;
	struct digest token;

	(void)state;
	token = data_job(&s, "data01");
	data_start(&d, &token);
	scripted_hear(&d, WIRE_WELCOME);
	scripted_send(&d, disk, 0, 8 * GRAIN);
	scripted_hear_taken(&d, 1);
	scripted_send(&s, disk, 8 * GRAIN, 8 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_send(&d, disk, 16 * GRAIN, DISK_BYTES - 16 * GRAIN);
	scripted_hear_taken(&d, 2);
	/* A sync covers all of them, and tells each its own number. */
	scripted_say(&s, &checkpoint);
	assert_int_equal(scripted_hear(&s, WIRE_DURABLE).durable.seq, 1);
	assert_int_equal(scripted_hear(&d, WIRE_DURABLE).durable.seq, 2);
	assert_int_equal(scripted_end(&d), 0);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("data01", "qcow2");
	assert_int_equal(model_receipt_load(receipt_file, &receipt, NULL), 0);
	assert_int_equal(receipt.streams, 2);
}

/* With DONE the others end; what was not sent before does not count. */
static void test_data_connection_left_open(void **state)
{
	struct scripted s, d;
	struct digest token;

	(void)state;
	token = data_job(&s, "data02");
	data_start(&d, &token);
	scripted_hear(&d, WIRE_WELCOME);
	scripted_send(&s, disk, 0, 16 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_send(&d, disk, 16 * GRAIN, DISK_BYTES - 16 * GRAIN);
	scripted_hear_taken(&d, 1);
	scripted_done(&s, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	assert_int_equal(scripted_end(&d), 0);
	finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	image_equals("data02", "qcow2");
}

static void test_data_connection_of_nobody(void **state)
{
	const struct digest none = {{0}}, wrong = {{1, 2, 3}};
	const struct digest *const tokens[] = {&none, &wrong};
	struct scripted s, d;

	(void)state;
	data_job(&s, "data03");
	for (size_t i = 0; i < P2V_N(tokens); i++) {
		data_start(&d, tokens[i]);
		assert_int_equal(
			scripted_hear(&d, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_UNKNOWN_JOB);
		assert_int_equal(scripted_end(&d), P2V_ENOTFOUND);
	}
	assert_int_equal(scripted_end(&s), P2V_ELINK);
}

/* What only the control connection may say ends the job's connection, with the reason. */
static void test_data_connection_out_of_turn(void **state)
{
	struct scripted s, d;
	struct digest token;

	(void)state;
	token = data_job(&s, "data04");
	data_start(&d, &token);
	scripted_hear(&d, WIRE_WELCOME);
	scripted_done(&d, disk, DISK_BYTES);
	scripted_hear(&s, WIRE_ERROR);
	assert_non_null(strstr(s.last, "DONE cannot come from the agent in state DATA"));
	assert_int_equal(scripted_end(&d), 0);
	assert_int_equal(scripted_end(&s), P2V_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_qcow2),
		cmocka_unit_test(test_whole_raw),
		cmocka_unit_test(test_finished_is_refused),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_other_machine_is_refused),
		cmocka_unit_test(test_damaged_chunks),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_last_one_wins),
		cmocka_unit_test(test_bit_rot),
		cmocka_unit_test(test_locked_image),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_refresh_reads_back),
		cmocka_unit_test(test_converted_is_not_refreshed),
		cmocka_unit_test(test_busy_waits),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_data_connection),
		cmocka_unit_test(test_data_connection_left_open),
		cmocka_unit_test(test_data_connection_of_nobody),
		cmocka_unit_test(test_data_connection_out_of_turn),
	};

	return cmocka_run_group_tests(tests, base_make, base_remove);
}
