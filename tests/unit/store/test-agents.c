/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines that ask to be let in: what an operator can rely on, and what a caller cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/agents.h"

#define KEY_A "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA000000000000000000000000000000000000000000"
#define KEY_B "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB000000000000000000000000000000000000000000"

static int base_make(void **state)
{
	char *dir = NULL;

	assert_int_equal(p2v_dir_temp("agents", &dir, NULL), 0);
	*state = dir;
	return 0;
}

static int base_drop(void **state)
{
	p2v_dir_remove(*state);
	free(*state);
	return 0;
}

/* Lent texts: it is never finished. */
static struct machine machine_of(char *name, char *uuid)
{
	static char serial[] = "7B5TM12", vendor[] = "Con\x1b[31mtoso";

	return (struct machine){.name = name, .uuid = uuid, .serial = serial, .vendor = vendor};
}

static char web[] = "web", uuid1[] = "4c4c4544-0042-3510-8054-b7c04f4d3132",
	    uuid2[] = "4c4c4544-0042-3510-8054-b7c04f4d3133";

static void test_code(void **state)
{
	const char *base = *state;
	const struct machine m = machine_of(web, uuid1), twin = machine_of(web, uuid1);
	p2v_auto_agent struct store_agent a = {0}, b = {0}, again = {0}, in = {0}, who = {0};
	p2v_auto_agents struct store_agents all = {0};
	char typed[64];

	assert_int_equal(store_agents_ask(base, &m, KEY_A, "10.0.0.7", &a, NULL), 0);
	assert_int_equal(store_agents_ask(base, &twin, KEY_B, "10.0.0.8", &b, NULL), 0);
	assert_int_equal(strlen(a.code), 9);
	assert_string_not_equal(a.code, b.code);
	assert_null(strchr(a.vendor, '\x1b'));
	/* The same key has the same code. */
	assert_int_equal(store_agents_ask(base, &m, KEY_A, "10.0.0.7", &again, NULL), 0);
	assert_string_equal(again.code, a.code);
	assert_int_equal(store_agents_of_key(base, KEY_A, &who, NULL), P2V_ENOTFOUND);
	/* A twin cannot be picked by what it says of itself. */
	assert_int_equal(store_agents_assign(base, a.id, "web01", "root", &in, NULL), P2V_EREFUSED);
	assert_int_equal(
		store_agents_enroll(base, "AAAA-AAAA", NULL, 0, "root", &in, NULL), P2V_ENOTFOUND);
	assert_int_equal(store_agents_enroll(base, "", NULL, 0, "root", &in, NULL), P2V_ENOTFOUND);
	/* As people type. */
	snprintf(typed, sizeof(typed), "%.4s %s", a.code, a.code + 5);
	for (char *c = typed; *c; c++)
		*c = *c == '0' ? 'o' : *c == '1' ? 'l' : *c >= 'A' ? (char)(*c + 32) : *c;
	assert_int_equal(store_agents_enroll(base, typed, "web01", 0, "root", &in, NULL), 0);
	assert_string_equal(in.id, a.id);
	assert_string_equal(in.name, "web01");
	assert_null(in.code);
	assert_int_equal(store_agents_of_key(base, KEY_A, &who, NULL), 0);
	assert_int_equal(store_agents_of_key(base, KEY_B, &b, NULL), P2V_ENOTFOUND);
	/* Once. */
	store_agent_finish(&in);
	assert_int_equal(
		store_agents_enroll(base, a.code, NULL, 0, "root", &in, NULL), P2V_ENOTFOUND);
	assert_int_equal(store_agents_list(base, &all, NULL), 0);
	assert_int_equal(all.n_agents, 2);
	assert_null(all.agents[0].name);
}

static void test_bound(void **state)
{
	const char *base = *state;
	const struct machine m = machine_of(web, uuid1), other = machine_of(web, uuid2);
	p2v_auto_agent struct store_agent a = {0}, b = {0}, in = {0}, none = {0};
	struct p2v_err err = {0};

	assert_int_equal(store_agents_ask(base, &m, KEY_A, NULL, &a, NULL), 0);
	assert_int_equal(store_agents_enroll(base, a.code, NULL, 0, "root", &in, NULL), 0);
	assert_string_equal(in.name, "web");
	/* The key goes with the machine. */
	assert_int_equal(store_agents_ask(base, &other, KEY_A, NULL, &none, &err), P2V_EREFUSED);
	/* The name, too. */
	assert_int_equal(store_agents_ask(base, &other, KEY_B, NULL, &b, NULL), 0);
	assert_int_equal(
		store_agents_enroll(base, b.code, NULL, 0, "root", &none, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "another machine"));
	assert_int_equal(
		store_agents_enroll(base, b.code, "../x", 0, "root", &none, &err), P2V_EINVAL);
	/* Shut out. */
	assert_int_equal(store_agents_drop(base, "web", &none, &err), P2V_EREFUSED);
	assert_int_equal(store_agents_drop(base, in.id, &none, &err), 0);
	store_agent_finish(&none);
	assert_int_equal(store_agents_of_key(base, KEY_A, &none, NULL), P2V_ENOTFOUND);
}

/* A machine that was booted again has a new key; the old one ends when that is let in. */
static void test_new_key(void **state)
{
	const char *base = *state;
	const struct machine m = machine_of(web, uuid1);
	p2v_auto_agent struct store_agent a = {0}, b = {0}, in = {0}, again = {0}, who = {0};

	assert_int_equal(store_agents_ask(base, &m, KEY_A, NULL, &a, NULL), 0);
	assert_int_equal(store_agents_enroll(base, a.code, NULL, 0, "root", &in, NULL), 0);
	assert_int_equal(store_agents_ask(base, &m, KEY_B, NULL, &b, NULL), 0);
	assert_int_equal(store_agents_enroll(base, b.code, NULL, 0, "root", &again, NULL), 0);
	assert_int_equal(store_agents_of_key(base, KEY_A, &who, NULL), P2V_ENOTFOUND);
	assert_int_equal(store_agents_of_key(base, KEY_B, &who, NULL), 0);
}

static void age(const char *base, const char *id, time_t seconds)
{
	p2v_autofree char *path = p2v_strf("%s/%s/%s", base, STORE_AGENTS_DIR, id);
	const struct utimbuf times = {time(NULL) - seconds, time(NULL) - seconds};

	assert_int_equal(utime(path, &times), 0);
}

static void test_time(void **state)
{
	const char *base = *state;
	const struct machine m = machine_of(web, uuid1);
	p2v_auto_agent struct store_agent a = {0}, in = {0}, who = {0}, gone = {0};

	assert_int_equal(store_agents_ask(base, &m, KEY_A, NULL, &a, NULL), 0);
	assert_int_equal(store_agents_look(base, a.id, &who, NULL), 0);
	assert_true(who.there);
	age(base, a.id, STORE_AGENTS_AWAY_S + 10);
	assert_int_equal(
		store_agents_enroll(base, a.code, NULL, 0, "root", &in, NULL), P2V_ENOTFOUND);
	store_agent_finish(&a);
	/* One second is over soon. */
	assert_int_equal(store_agents_ask(base, &m, KEY_A, NULL, &a, NULL), 0);
	assert_int_equal(store_agents_enroll(base, a.code, NULL, 1, "root", &in, NULL), 0);
	sleep(2);
	assert_int_equal(store_agents_of_key(base, KEY_A, &gone, NULL), P2V_ENOTFOUND);
}

static void test_flood(void **state)
{
	const char *base = *state;
	const struct machine m = machine_of(web, uuid1);
	struct p2v_err err = {0};
	int r = 0;
	unsigned n;

	for (n = 0; r == 0 && n < 200; n++) {
		p2v_auto_agent struct store_agent a = {0};
		p2v_autofree char *key = p2v_strf("ssh-ed25519 key%u", n);
		p2v_autofree char *from = p2v_strf("10.0.0.%u", n / STORE_AGENTS_ONE_PLACE);

		r = store_agents_ask(base, &m, key, from, &a, &err);
	}
	assert_int_equal(r, P2V_EREFUSED);
	assert_int_equal(n, STORE_AGENTS_WAITING + 1);
}

static void test_one_place(void **state)
{
	const char *base = *state;
	const struct machine m = machine_of(web, uuid1);
	int r = 0;
	unsigned n;

	for (n = 0; r == 0 && n < 200; n++) {
		p2v_auto_agent struct store_agent a = {0};
		p2v_autofree char *key = p2v_strf("ssh-ed25519 key%u", n);

		r = store_agents_ask(base, &m, key, "10.0.0.7", &a, NULL);
	}
	assert_int_equal(n, STORE_AGENTS_ONE_PLACE + 1);
}

static void test_assign(void **state)
{
	const char *base = *state;
	const struct machine m = machine_of(web, uuid1), other = machine_of(web, uuid2);
	p2v_auto_agent struct store_agent a = {0}, b = {0}, in = {0}, again = {0};
	struct p2v_err err = {0};

	assert_int_equal(store_agents_ask(base, &m, NULL, NULL, &a, NULL), 0);
	assert_null(a.code);
	assert_null(a.name);
	assert_int_equal(store_agents_ask(base, &other, NULL, NULL, &b, NULL), 0);
	assert_string_not_equal(a.id, b.id);
	/* Two say that serial number. */
	assert_int_equal(
		store_agents_assign(base, "7B5TM12", "web01", "root", &in, &err), P2V_EREFUSED);
	assert_int_equal(store_agents_assign(base, uuid1, "web01", "root", &in, &err), 0);
	assert_string_equal(in.id, a.id);
	/* It keeps it. */
	assert_int_equal(store_agents_ask(base, &m, NULL, NULL, &again, NULL), 0);
	assert_string_equal(again.name, "web01");
	store_agent_finish(&in);
	assert_int_equal(
		store_agents_assign(base, uuid2, "web01", "root", &in, &err), P2V_EREFUSED);
	assert_int_equal(store_agents_assign(base, uuid2, "web02", "root", &in, &err), 0);
}

static void test_door(void **state)
{
	const char *base = *state;
	struct store_door door = {0};

	assert_int_equal(store_agents_door(base, &door, NULL), 0);
	assert_false(store_agents_door_open(&door));
	assert_int_equal(
		store_agents_door_set(base, 60, "10.0.0.0/24\" ssh-rsa", NULL), P2V_EINVAL);
	assert_int_equal(store_agents_door_set(base, 60, "10.0.0.0/24,2001:db8::/32", NULL), 0);
	assert_int_equal(store_agents_door(base, &door, NULL), 0);
	assert_true(store_agents_door_open(&door));
	assert_string_equal(door.from, "10.0.0.0/24,2001:db8::/32");
	p2v_json_free(&store_door_type, &door);
	assert_int_equal(store_agents_door_set(base, 0, NULL, NULL), 0);
	assert_int_equal(store_agents_door(base, &door, NULL), 0);
	assert_false(store_agents_door_open(&door));
	p2v_json_free(&store_door_type, &door);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, base_make, base_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_code), TEST(test_bound), TEST(test_new_key),
		TEST(test_time), TEST(test_flood), TEST(test_one_place), TEST(test_assign),
		TEST(test_door)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
