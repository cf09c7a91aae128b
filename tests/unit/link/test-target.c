/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/link/ssh-target.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *user, *host, *back;
		uint16_t port;
	} rows[] = {
		{"server", NULL, "server", "server:22", 22},
		{"p2v@10.0.0.5", "p2v", "10.0.0.5", "p2v@10.0.0.5:22", 22},
		{"server:2222", NULL, "server", "server:2222", 2222},
		{"a.b@server.example:65535", "a.b", "server.example", "a.b@server.example:65535",
			65535},
		{"::1", NULL, "::1", "[::1]:22", 22},
		{"p2v@fe80::1%eth0", "p2v", "fe80::1%eth0", "p2v@[fe80::1%eth0]:22", 22},
		{"[::1]", NULL, "::1", "[::1]:22", 22},
		{"p2v@[fe80::1%eth0]:22000", "p2v", "fe80::1%eth0", "p2v@[fe80::1%eth0]:22000",
			22000},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct link_ssh_target t, again;
		p2v_autofree char *back = NULL;

		assert_int_equal(link_ssh_target_parse(rows[i].text, &t, NULL), 0);
		assert_string_equal(t.host, rows[i].host);
		assert_int_equal(t.port, rows[i].port);
		assert_true(!t.user == !rows[i].user);
		if (t.user)
			assert_string_equal(t.user, rows[i].user);
		back = link_ssh_target_text(&t);
		assert_string_equal(back, rows[i].back);
		assert_int_equal(link_ssh_target_parse(back, &again, NULL), 0);
		assert_string_equal(again.host, t.host);
		link_ssh_target_finish(&again);
		link_ssh_target_finish(&t);
	}
}

static void test_bad(void **state)
{
	static const char *const rows[] = {"", "@", "@host", "user@", ":22", "host:", "host:0",
		"host:65536", "host:22x", "host:-1", "[::1", "[]", "[::1]22", "[::1]x:22",
		"-oProxy", "-l@host", "user@-host", "a b", "host\n", "us/er@host", "a@b@host",
		"h\xc3\xb6st", "host]:22", "user@[::1]:", "host/path"};
	struct link_ssh_target t = {.port = 7};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct p2v_err err = {0};

		assert_int_equal(link_ssh_target_parse(rows[i], &t, &err), P2V_EINVAL);
		assert_int_equal(t.port, 7);
		assert_true(err.text[0] == '\'');
	}
}

static void test_too_long(void **state)
{
	char text[600];
	struct link_ssh_target t;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(link_ssh_target_parse(text, &t, NULL), P2V_EINVAL);
	text[300] = '@';
	assert_int_equal(link_ssh_target_parse(text, &t, NULL), P2V_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
