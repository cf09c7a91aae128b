/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/model/receipt.h"
#include "p2v/store/jobdir.h"
#include "p2v/wire/greet.h"
#include "tests/unit/recv/scene.h"

/* A pipe beside the control connection, opened as an agent does; HELLO is said. */
static void data_start(struct scripted *s, const struct digest *token)
{
	struct wire_msg hello = {.type = WIRE_HELLO};

	scripted_start(s, scene_base, "qcow2");
	wire_hello_make("scripted", WIRE_FEATURE_ZSTD | WIRE_FEATURE_DATA, token, &hello.hello);
	scripted_say(s, &hello);
}

/* A job that takes data connections, with its disk open. */
static struct digest data_job(struct scripted *s, const char *name)
{
	struct digest token;

	scripted_start(s, scene_base, "qcow2");
	s->more = WIRE_FEATURE_DATA;
	token = scripted_admitted(s, name, UUID, DISK_BYTES).token;
	assert_false(block_digest_is_zero(&token));
	scripted_open(s, DISK_BYTES);
	return token;
}

static void test_data_connection(void **state)
{
	const struct wire_msg checkpoint = {.type = WIRE_CHECKPOINT};
	p2v_autofree char *receipt_file = p2v_strf("%s/data01/" STORE_RECEIPT, scene_base);
	p2v_auto_receipt struct receipt receipt = {0};
	struct scripted s, d;
	struct digest token;

	(void)state;
	token = data_job(&s, "data01");
	data_start(&d, &token);
	scripted_hear(&d, WIRE_WELCOME);
	scripted_send(&d, scene_disk, 0, 8 * GRAIN);
	scripted_hear_taken(&d, 1);
	scripted_send(&s, scene_disk, 8 * GRAIN, 8 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_send(&d, scene_disk, 16 * GRAIN, DISK_BYTES - 16 * GRAIN);
	scripted_hear_taken(&d, 2);
	/* A sync covers all of them, and tells each its own number. */
	scripted_say(&s, &checkpoint);
	assert_int_equal(scripted_hear(&s, WIRE_DURABLE).durable.seq, 1);
	assert_int_equal(scripted_hear(&d, WIRE_DURABLE).durable.seq, 2);
	assert_int_equal(scripted_end(&d), 0);
	scene_end_verified(&s);
	scene_image_is("data01", "qcow2");
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
	scripted_send(&s, scene_disk, 0, 16 * GRAIN);
	scripted_hear_taken(&s, 1);
	scripted_send(&d, scene_disk, 16 * GRAIN, DISK_BYTES - 16 * GRAIN);
	scripted_hear_taken(&d, 1);
	scripted_done(&s, scene_disk, DISK_BYTES);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_VERIFIED);
	assert_int_equal(scripted_end(&d), 0);
	scene_finish(&s);
	assert_int_equal(scripted_end(&s), 0);
	scene_image_is("data02", "qcow2");
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
	scripted_done(&d, scene_disk, DISK_BYTES);
	scripted_hear(&s, WIRE_ERROR);
	assert_non_null(strstr(s.last, "DONE cannot come from the agent in state DATA"));
	assert_int_equal(scripted_end(&d), 0);
	assert_int_equal(scripted_end(&s), P2V_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_connection),
		cmocka_unit_test(test_data_connection_left_open),
		cmocka_unit_test(test_data_connection_of_nobody),
		cmocka_unit_test(test_data_connection_out_of_turn),
	};

	return cmocka_run_group_tests(tests, scene_make, scene_remove);
}
