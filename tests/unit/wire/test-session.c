/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/wire/greet.h"
#include "p2v/wire/session.h"

/* Both ends see the message; returns what the one who got it says. */
static int pass(struct wire_session *from, struct wire_session *to, enum wire_type type)
{
	const struct wire_msg msg = {.type = type};
	struct p2v_err err;
	int sent = wire_session_sent(from, &msg, &err);
	int r = wire_session_received(to, &msg, &err);

	assert_int_equal(sent, r);
	assert_int_equal(from->state, to->state);
	return r;
}

static void test_ladder(void **state)
{
	static const struct {
		char from;
		enum wire_type type;
	} walk[] = {{'A', WIRE_HELLO}, {'R', WIRE_WELCOME}, {'A', WIRE_INVENTORY}, {'R', WIRE_WAIT},
		{'R', WIRE_PING}, {'A', WIRE_PONG}, {'R', WIRE_WAIT}, {'R', WIRE_ADMIT},
		{'A', WIRE_OPEN}, {'R', WIRE_READY}, {'A', WIRE_HAVE_ASK}, {'R', WIRE_HAVE},
		{'A', WIRE_CHUNK}, {'A', WIRE_PROGRESS}, {'A', WIRE_CHECKPOINT}, {'R', WIRE_TAKEN},
		{'R', WIRE_DURABLE}, {'R', WIRE_RESEND}, {'A', WIRE_CHUNK}, {'R', WIRE_PULL},
		{'A', WIRE_DONE}, {'R', WIRE_PROGRESS}, {'R', WIRE_MISMATCH}, {'A', WIRE_CHUNK},
		{'A', WIRE_DONE}, {'R', WIRE_DURABLE}, {'R', WIRE_VERIFIED}, {'A', WIRE_OPEN},
		{'R', WIRE_READY}, {'A', WIRE_DONE}, {'R', WIRE_VERIFIED}, {'A', WIRE_FINISH},
		{'R', WIRE_FINISHED}, {'R', WIRE_STATUS}, {'A', WIRE_CANCEL}};
	struct wire_session a, r;

	(void)state;
	wire_session_init(&a, WIRE_AGENT);
	wire_session_init(&r, WIRE_RECEIVER);
	for (size_t i = 0; i < sizeof(walk) / sizeof(walk[0]); i++) {
		bool by_agent = walk[i].from == 'A';

		assert_int_equal(pass(by_agent ? &a : &r, by_agent ? &r : &a, walk[i].type), 0);
	}
	assert_int_equal(a.state, WIRE_STATE_CLOSED);
	assert_int_equal(pass(&a, &r, WIRE_PING), P2V_EFORMAT);
}

/* How many types each side may send in each state: the table of PROTOCOL.md, counted. */
static void test_counts(void **state)
{
	static const struct {
		enum wire_state state;
		int agent, receiver;
	} rows[] = {
		{WIRE_STATE_START, 1, 1},
		{WIRE_STATE_HELLO, 0, 2},
		{WIRE_STATE_GREETED, 8, 7},
		{WIRE_STATE_OFFERED, 7, 10},
		{WIRE_STATE_ADMITTED, 9, 7},
		{WIRE_STATE_OPENING, 7, 9},
		{WIRE_STATE_SENDING, 11, 12},
		{WIRE_STATE_VERIFYING, 7, 12},
		{WIRE_STATE_FINISHING, 7, 9},
		{WIRE_STATE_FINISHED, 7, 8},
		{WIRE_STATE_DATA, 9, 11},
		{WIRE_STATE_CLOSED, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int agent = 0, receiver = 0;

		for (unsigned type = WIRE_HELLO; type < WIRE_TYPE_END; type++) {
			const struct wire_msg msg = {.type = type};
			struct wire_session s = {WIRE_AGENT, rows[i].state, false};

			agent += wire_session_sent(&s, &msg, NULL) == 0;
			s.state = rows[i].state;
			receiver += wire_session_received(&s, &msg, NULL) == 0;
		}
		assert_int_equal(agent, rows[i].agent);
		assert_int_equal(receiver, rows[i].receiver);
	}
}

static void test_sentence(void **state)
{
	const struct wire_msg chunk = {.type = WIRE_CHUNK};
	struct wire_session s = {WIRE_RECEIVER, WIRE_STATE_ADMITTED, false};
	struct p2v_err err;

	(void)state;
	assert_int_equal(wire_session_received(&s, &chunk, &err), P2V_EFORMAT);
	assert_string_equal(err.text, "CHUNK cannot come from the agent in state ADMITTED");
	assert_int_equal(s.state, WIRE_STATE_ADMITTED);
}

static void test_data_connection(void **state)
{
	struct wire_msg hello = {.type = WIRE_HELLO}, welcome = {.type = WIRE_WELCOME};
	struct wire_session r;

	(void)state;
	hello.hello.role = WIRE_ROLE_DATA;
	wire_session_init(&r, WIRE_RECEIVER);
	assert_int_equal(wire_session_received(&r, &hello, NULL), 0);
	assert_int_equal(wire_session_sent(&r, &welcome, NULL), 0);
	assert_int_equal(r.state, WIRE_STATE_DATA);
}

static void test_greeting(void **state)
{
	struct wire_hello hello;
	struct wire_welcome welcome;
	struct wire_terms ours, theirs;
	struct p2v_err err;

	(void)state;
	wire_hello_make("agent", WIRE_FEATURE_ZSTD | WIRE_FEATURE_PULL, NULL, &hello);
	assert_int_equal(wire_welcome_make(&hello, "recv", WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME,
				 1 << 24, &ours, &welcome, &err),
		0);
	assert_int_equal(wire_welcome_check(&hello, &welcome, &theirs, &err), 0);
	assert_int_equal(ours.features, WIRE_FEATURE_ZSTD);
	assert_int_equal(theirs.features, WIRE_FEATURE_ZSTD);
	assert_int_equal(ours.max_frame, theirs.max_frame);
	assert_int_equal(ours.window, theirs.window);
	assert_int_equal(ours.keepalive_ms, theirs.keepalive_ms);

	/* A newer agent that still knows version 1, and one that does not. */
	hello.version_max = 9;
	assert_int_equal(wire_welcome_make(&hello, "r", 0, 1 << 24, &ours, &welcome, &err), 0);
	assert_int_equal(ours.version, 1);
	hello.version_min = 2;
	assert_int_equal(wire_welcome_make(&hello, "r", 0, 1 << 24, &ours, &welcome, &err),
		P2V_EUNSUPPORTED);
	assert_non_null(strstr(err.text, "protocol 2 to 9"));
	assert_non_null(strstr(err.text, "1 to 1"));
	welcome.version = 3;
	hello.version_min = hello.version_max = 1;
	assert_int_equal(wire_welcome_check(&hello, &welcome, &theirs, &err), P2V_EUNSUPPORTED);
	welcome.version = 1;
	welcome.window = WIRE_WINDOW_MAX + 1;
	assert_int_equal(wire_welcome_check(&hello, &welcome, &theirs, &err), P2V_EFORMAT);
	hello.max_frame = 65536;
	assert_int_equal(
		wire_welcome_make(&hello, "r", 0, 1 << 24, &ours, &welcome, &err), P2V_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ladder),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_sentence),
		cmocka_unit_test(test_data_connection),
		cmocka_unit_test(test_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
