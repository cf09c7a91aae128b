/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Agents that lie, break off or say what they must not: a sentence, and nothing under a final name.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/publish.h"
#include "tests/unit/recv/scripted.h"

#define DISK_BYTES (4 * (uint64_t)GRAIN)
#define UUID	   "11111111-2222-3333-4444-555555555555"

static char *base;
static uint8_t zeros[DISK_BYTES];

static int base_make(void **state)
{
	(void)state;
	return p2v_dir_temp("test-hostile", &base, NULL);
}

static int base_remove(void **state)
{
	(void)state;
	p2v_dir_remove(base);
	free(base);
	return 0;
}

/* Says msg in the state before OPEN, or after READY, and hears what comes of it. */
static void one_message(const struct wire_msg *msg, bool opened, enum wire_type answer,
	uint8_t reason, const char *words)
{
	struct scripted s;
	struct wire_msg got;

	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "evil", UUID, DISK_BYTES);
	if (opened)
		scripted_open(&s, DISK_BYTES);
	scripted_say(&s, msg);
	got = scripted_hear(&s, answer);
	assert_int_equal(answer == WIRE_ERROR ? got.error.kind : got.refuse.reason, reason);
	if (!strstr(s.last, words))
		fail_msg("'%s' does not say '%s'", s.last, words);
	assert_true(scripted_end(&s) < 0);
	assert_string_equal(s.err.text, s.last);
}

static void test_messages(void **state)
{
	static const uint8_t body[16 + 8];
	static const struct {
		struct wire_msg msg;
		bool opened;
		enum wire_type answer;
		uint8_t reason;
		const char *words;
	} rows[] = {
		{{WIRE_CHUNK, .chunk = {0, 1, 0, 0, GRAIN, NULL, 0}}, false, WIRE_ERROR,
			WIRE_ERROR_PROTOCOL, "CHUNK cannot come from the agent in state ADMITTED"},
		{{WIRE_OPEN, .open = {0, DISK_BYTES, 512, GRAIN, 1, 0, 0}}, true, WIRE_ERROR,
			WIRE_ERROR_PROTOCOL, "OPEN cannot come from the agent in state SENDING"},
		{{WIRE_FINISH, {{0}}}, false, WIRE_ERROR, WIRE_ERROR_PROTOCOL,
			"disk0 is not verified"},
		{{WIRE_CHUNK, .chunk = {0, 1, 0, 4 * GRAIN, GRAIN, NULL, 0}}, true, WIRE_ERROR,
			WIRE_ERROR_PROTOCOL, "beyond the end of the disk"},
		{{WIRE_CHUNK, .chunk = {0, 1, 0, UINT64_MAX - 65535, GRAIN, NULL, 0}}, true,
			WIRE_ERROR, WIRE_ERROR_PROTOCOL, "beyond the end of the disk"},
		{{WIRE_CHUNK, .chunk = {0, 0, 0, 512, GRAIN, body, 24}}, true, WIRE_ERROR,
			WIRE_ERROR_PROTOCOL, "grains"},
		{{WIRE_CHUNK, .chunk = {0, 0, 0, 0, GRAIN, body, 24}}, true, WIRE_ERROR,
			WIRE_ERROR_PROTOCOL, "another length"},
		{{WIRE_CHUNK, .chunk = {0, 3, 0, 0, GRAIN, body, 16}}, true, WIRE_ERROR,
			WIRE_ERROR_PROTOCOL, "SAME was not offered"},
		{{WIRE_CHUNK, .chunk = {7, 1, 0, 0, GRAIN, NULL, 0}}, true, WIRE_ERROR,
			WIRE_ERROR_PROTOCOL, "disk 7"},
		{{WIRE_HAVE_ASK, .have_ask = {0, 1, 4}}, true, WIRE_ERROR, WIRE_ERROR_PROTOCOL,
			"HAVE_ASK"},
		{{WIRE_DONE, .done = {0, {{0}}, 0, 0, 0, 0,
				     {1, (const uint8_t *)"\377\377\377\377\377\377\377\377"
							  "\0\0\0\0\0\0\0\2"}}},
			true, WIRE_ERROR, WIRE_ERROR_PROTOCOL, "bad range"},
		{{WIRE_OPEN, .open = {0, DISK_BYTES + 512, 512, GRAIN, 1, 0, 0}}, false,
			WIRE_REFUSE, WIRE_REFUSE_PROTOCOL, "not in the inventory"},
		{{WIRE_OPEN, .open = {1, DISK_BYTES, 512, GRAIN, 1, 0, 0}}, false, WIRE_REFUSE,
			WIRE_REFUSE_PROTOCOL, "not in the inventory"},
		{{WIRE_OPEN, .open = {0, DISK_BYTES, 512, 4096, 1, 0, 0}}, false, WIRE_REFUSE,
			WIRE_REFUSE_UNSUPPORTED, "grain of 4096"},
		{{WIRE_OPEN, .open = {0, DISK_BYTES, 512, GRAIN, 1, WIRE_PASS_REFRESH, 0}}, false,
			WIRE_REFUSE, WIRE_REFUSE_UNSUPPORTED, "second pass"},
		{{WIRE_CANCEL, .cancel = {{"x", 1}}}, false, WIRE_TYPE_END, 0, ""},
	};

	(void)state;
	for (size_t i = 0; rows[i].answer != WIRE_TYPE_END; i++)
		one_message(&rows[i].msg, rows[i].opened, rows[i].answer, rows[i].reason,
			rows[i].words);
}

/* All chunks are fine, and the root is another one's. */
static void test_wrong_root(void **state)
{
	const struct wire_msg zero = {WIRE_CHUNK, .chunk = {0, 1, 0, 0, DISK_BYTES, NULL, 0}};
	const struct wire_msg done = {WIRE_DONE, .done = {0, {{1}}, 0, 0, 0, 0, {0, NULL}}};
	p2v_autofree char *image = p2v_strf("%s/liar/image.json", base);
	struct scripted s;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "liar", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	scripted_say(&s, &zero);
	scripted_hear_taken(&s, 1);
	scripted_say(&s, &done);
	scripted_hear(&s, WIRE_DURABLE);
	scripted_hear(&s, WIRE_ERROR);
	assert_non_null(strstr(s.last, "digest of the whole disk"));
	assert_int_equal(scripted_end(&s), P2V_EFORMAT);
	assert_false(p2v_file_exists(image));
}

static void test_no_space(void **state)
{
	const uint64_t huge = UINT64_C(1) << 50;
	const struct wire_msg open = {WIRE_OPEN, .open = {0, huge, 512, GRAIN, 1, 0, huge}};
	p2v_autofree char *image = p2v_strf("%s/big/image/disk0.qcow2", base);
	struct scripted s;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "big", UUID, huge);
	scripted_say(&s, &open);
	assert_int_equal(scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_NO_SPACE);
	assert_non_null(strstr(s.last, "/big: "));
	assert_non_null(strstr(s.last, "make room"));
	assert_int_equal(scripted_end(&s), P2V_ENOSPC);
	assert_false(p2v_file_exists(image));
}

static void test_newer_protocol(void **state)
{
	const struct wire_msg hello = {
		WIRE_HELLO, .hello = {2, 4, 0, WIRE_FRAME_MAX, 0, {{0}}, {"future", 6}}};
	struct scripted s;

	(void)state;
	scripted_start(&s, base, "qcow2");
	scripted_say(&s, &hello);
	assert_int_equal(scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_VERSION);
	assert_non_null(strstr(s.last, "protocol 2 to 4"));
	assert_int_equal(scripted_end(&s), P2V_EUNSUPPORTED);
}

static void test_bad_inventory(void **state)
{
	static const struct {
		const char *json, *words;
	} rows[] = {
		{"{", "machine"},
		{"{\"version\":1,\"name\":\"../../"
		 "etc\",\"firmware\":\"bios\",\"memory_bytes\":1048576,\"arch\":\"x86_64\","
		 "\"disks\":[]}",
			"name"},
		{"{\"version\":1,\"name\":\"ok\",\"firmware\":\"bios\",\"memory_bytes\":1048576,"
		 "\"arch\":\"x86_64\","
		 "\"disks\":[]}",
			"0 disks"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct wire_msg msg = {
			WIRE_INVENTORY, .inventory = {(const uint8_t *)rows[i].json,
						(uint32_t)strlen(rows[i].json)}};
		struct scripted s;

		scripted_start(&s, base, "qcow2");
		scripted_greet(&s);
		scripted_say(&s, &msg);
		assert_int_equal(
			scripted_hear(&s, WIRE_REFUSE).refuse.reason, WIRE_REFUSE_INVENTORY);
		if (!strstr(s.last, rows[i].words))
			fail_msg("'%s' does not say '%s'", s.last, rows[i].words);
		assert_int_equal(scripted_end(&s), P2V_EFORMAT);
	}
}

/* The stream ends within a frame, at each of some places, and with a frame that is too long. */
static void test_cut_stream(void **state)
{
	static const uint8_t too_long[] = {0, 11, 0, 0, 0x10, 0, 0, 0};
	p2v_autobuf struct p2v_buf out = {0};
	struct scripted s;
	uint8_t kind;

	(void)state;
	memset(zeros, 'z', sizeof(zeros));
	for (size_t cut = 1; cut < 60; cut += 11) {
		scripted_start(&s, base, "qcow2");
		scripted_admitted(&s, "cut", UUID, DISK_BYTES);
		scripted_open(&s, DISK_BYTES);
		p2v_buf_reset(&out);
		wire_chunk_pack(s.codec, 0, 0, zeros, sizeof(zeros), NULL, WIRE_FRAME_MAX, &out,
			NULL, &kind, NULL);
		assert_int_equal(link_write(s.link, out.data, cut, NULL), 0);
		assert_int_equal(scripted_end(&s), P2V_ELINK);
	}
	scripted_start(&s, base, "qcow2");
	scripted_admitted(&s, "cut", UUID, DISK_BYTES);
	scripted_open(&s, DISK_BYTES);
	assert_int_equal(link_write(s.link, too_long, sizeof(too_long), NULL), 0);
	assert_int_equal(scripted_hear(&s, WIRE_ERROR).error.kind, WIRE_ERROR_PROTOCOL);
	assert_non_null(strstr(s.last, "more than the agreed"));
	assert_int_equal(scripted_end(&s), P2V_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_wrong_root),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_newer_protocol),
		cmocka_unit_test(test_bad_inventory),
		cmocka_unit_test(test_cut_stream),
	};

	return cmocka_run_group_tests(tests, base_make, base_remove);
}
