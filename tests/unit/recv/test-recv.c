/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/block/io.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/model/receipt.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/queue.h"
#include "p2v/store/status.h"
#include "tests/unit/recv/scene.h"

static void test_whole_qcow2(void **state)
{
	(void)state;
	scene_whole_job("web01", "qcow2");
}

static void test_whole_raw(void **state)
{
	(void)state;
	scene_whole_job("web02", "raw");
}

/* Each as QEMU itself reads it. */
static void test_whole_others(void **state)
{
	(void)state;
	scene_whole_job("web03", "vmdk");
	scene_whole_job("web04", "vdi");
}

static void test_finished_is_refused(void **state)
{
	struct scripted s;

	(void)state;
	scene_whole_job("done01", "qcow2");
	scripted_start(&s, scene_base, "qcow2");
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
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "res01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scripted_send(&s, scene_disk, 0, 4 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_say(&s, &checkpoint);
	assert_int_equal(scripted_hear(&s, WIRE_DURABLE).durable.seq, 1);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
	assert_false(scene_has("res01", STORE_RECEIPT));

	scripted_start(&s, scene_base, "qcow2");
	assert_int_equal(scripted_admitted(&s, "res01", UUID, DISK_BYTES).how, WIRE_HOW_CONTINUED);
	assert_int_equal(scripted_open(&s, DISK_BYTES), 4);
	scripted_say(&s, &ask);
	have = scripted_hear(&s, WIRE_HAVE);
	assert_int_equal(have.have.count, 21);
	for (size_t i = 0; i < 21; i++)
		assert_int_equal(have.have.states[i], i < 4);
	wire_leaf_at(have.have.leaves, 3, &leaf);
	block_digest_leaf(scene_disk + 3 * GRAIN, GRAIN, &want);
	assert_true(block_digest_equal(&leaf, &want));
	scripted_send(&s, scene_disk, 4 * GRAIN, 8 * GRAIN);
	scripted_send(&s, scene_disk, 12 * GRAIN, DISK_BYTES - 12 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_hear_taken(&s, 2);
	scripted_done(&s, scene_disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	/* Cut between VERIFIED and FINISH: the disk is not wanted any more. */
	assert_int_equal(scripted_end(&s), P2V_ELINK);

	scripted_start(&s, scene_base, "qcow2");
	scripted_greet(&s);
	scripted_inventory(&s, "res01", UUID, DISK_BYTES);
	have = scripted_hear(&s, WIRE_ADMIT);
	assert_false(wire_admit_wants(&have.admit, 0));
	scene_finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	scene_image_is("res01", "qcow2");
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
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "same", UUID, DISK_BYTES);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
	for (size_t i = 0; i < 2; i++) {
		scripted_start(&s, scene_base, "qcow2");
		scripted_greet(&s);
		scripted_inventory(&s, "same", rows[i].uuid, rows[i].bytes);
		assert_int_equal(scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_RULE);
		assert_non_null(strstr(s.last, rows[i].word));
		assert_int_equal(scripted_end(&s), P2V_EREFUSED);
	}
}

/* The daemon of a killed receiver still holds the image for a while. */
static void test_locked_image(void **state)
{
	p2v_autofree char *path = p2v_strf("%s/lck01/image/disk0.qcow2", scene_base);
	const struct block_io_nbd_spec spec = {.path = path, .format = "qcow2", .writable = true};
	const struct wire_msg open = {WIRE_OPEN,
		.open = {0, DISK_BYTES, 512, GRAIN, WIRE_DIGEST_XXH3_128, WIRE_PASS_COPY, 0}};
	struct block_io *io = NULL;
	struct scripted s;

	(void)state;
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "lck01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
	assert_int_equal(block_io_nbd_open(&spec, &io, NULL), 0);
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "lck01", UUID, DISK_BYTES);
	scripted_say(&s, &open);
	assert_int_equal(link_wait(s.link, 1000, NULL), P2V_ETIMEDOUT);
	block_io_free(io);
	scripted_hear(&s, WIRE_READY);
	assert_int_equal(scripted_end(&s), P2V_ELINK);
}

static void status_put(const char *name, const char *state, const char *step, uint64_t done)
{
	const struct store_status status = {
		.state = state, .running = step != NULL, .step = step, .done = done, .total = 4};
	p2v_autofree char *dir = p2v_path_join(scene_base, name);

	assert_int_equal(store_status_write(dir, &status, NULL), 0);
}

/* After FINISHED, what p2vd writes down is said; the directory is free for it meanwhile. */
static void test_follow(void **state)
{
	const struct wire_msg log = {WIRE_LOG, .log = {6, wire_text("sda: \x1b[31mread error")}};
	p2v_autofree char *log_path = p2v_strf("%s/follow01/" STORE_AGENT_LOG, scene_base);
	p2v_autofree char *dir = p2v_path_join(scene_base, "follow01");
	p2v_autobuf struct p2v_buf text = {0};
	struct scripted s;
	struct wire_msg msg;

	(void)state;
	scripted_start(&s, scene_base, "qcow2");
	s.more = WIRE_FEATURE_STATUS;
	scripted_admitted(&s, "follow01", UUID, DISK_BYTES);
	scripted_say(&s, &log);
	scripted_open(&s, DISK_BYTES);
	scene_send_all(&s);
	scripted_done(&s, scene_disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	status_put("follow01", "planned", "converting", 1);
	scene_finish(&s);
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
	p2v_autofree char *path = p2v_strf("%s/bad01/" STORE_RECEIPT, scene_base);
	struct receipt receipt = {0};
	struct scripted s;

	(void)state;
	scripted_start(&s, scene_base, "qcow2");
	scripted_admitted(&s, "bad01", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scene_send_all(&s);
	scripted_done(&s, scene_disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	for (size_t i = 0; i < 4; i++) {
		const struct wire_msg log = {WIRE_LOG, .log = {4, wire_text(said[i])}};

		scripted_say(&s, &log);
	}
	scene_finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	assert_int_equal(model_receipt_load(path, &receipt, NULL), 0);
	assert_int_equal(receipt.disks[0].n_bad_files, 1);
	assert_string_equal(receipt.disks[0].bad_files[0], "partition 1: /etc/?[2Jhosts");
	model_receipt_finish(&receipt);
}

static void test_busy_waits(void **state)
{
	p2v_autofree char *dir = p2v_path_join(scene_base, "busy01");
	struct scripted s;
	int lock = -1;

	(void)state;
	assert_int_equal(store_jobdir_open(dir, &lock, NULL), 0);
	scripted_start(&s, scene_base, "qcow2");
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
	p2v_autofree char *path = p2v_path_join(scene_base, STORE_LIMITS);
	struct scripted first, second;

	(void)state;
	assert_int_equal(store_limits_save(scene_base, &limits, NULL), 0);
	scripted_start(&first, scene_base, "qcow2");
	scripted_admitted(&first, "queue01", UUID, DISK_BYTES);
	scripted_start(&second, scene_base, "qcow2");
	scripted_greet(&second);
	scripted_inventory(&second, "queue02", UUID, DISK_BYTES);
	assert_int_equal(scripted_hear(&second, WIRE_WAIT).wait.position, 1);
	assert_int_equal(scripted_end(&first), P2V_ELINK);
	scripted_hear(&second, WIRE_ADMIT);
	assert_int_equal(scripted_end(&second), P2V_ELINK);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_qcow2),
		cmocka_unit_test(test_whole_raw),
		cmocka_unit_test(test_whole_others),
		cmocka_unit_test(test_finished_is_refused),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_other_machine_is_refused),
		cmocka_unit_test(test_locked_image),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_busy_waits),
		cmocka_unit_test(test_queue),
	};

	return cmocka_run_group_tests(tests, scene_make, scene_remove);
}
