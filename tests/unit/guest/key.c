/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/key.h"

static char *top;

static int load(const char *selector, const void *bytes, size_t n, struct guest_keys *ret,
	struct p2v_err *err)
{
	p2v_autofree char *text = p2v_strf("%s:file:%s/key", selector, top);

	assert_int_equal(p2v_publish_bytes(top, "key", bytes, n, 0600, err), 0);
	return guest_keys_load((const char *const[]){text}, 1, ret, err);
}

static void test_what_is_a_key(void **state)
{
	guest_auto_keys struct guest_keys keys = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(load("all", "open sesame\n", 12, &keys, &err), 0);
	assert_int_equal(keys.n_items, 1);
	assert_string_equal(keys.items[0].selector, "all");
	assert_string_equal(keys.items[0].text, "open sesame");
	guest_keys_finish(&keys);
	/* A blank and a second newline belong to it. */
	assert_int_equal(load("/dev/sda3", " a \n\n", 5, &keys, &err), 0);
	assert_string_equal(keys.items[0].text, " a \n");
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {
		"", "all", "all:file:", ":file:/etc/hostname", "all:/etc/hostname"};
	struct guest_keys keys = {0};
	struct p2v_err err = {0};

	(void)state;
	for (size_t i = 0; i < P2V_N(bad); i++)
		assert_int_equal(guest_keys_load(&bad[i], 1, &keys, &err), P2V_EINVAL);
	assert_int_equal(load("all", "", 0, &keys, &err), P2V_EINVAL);
	assert_int_equal(load("all", "\n", 1, &keys, &err), P2V_EINVAL);
	assert_int_equal(load("all", "secret\0x", 8, &keys, &err), P2V_EINVAL);
	assert_null(strstr(err.text, "secret"));
	assert_non_null(strstr(err.text, "/key: "));
	assert_int_equal(
		guest_keys_load((const char *const[]){"all:file:/no/such/file"}, 1, &keys, &err),
		P2V_ENOTFOUND);
	assert_null(keys.items);
}

static int from_program(const char *script, struct guest_keys *ret, struct p2v_err *err)
{
	p2v_autofree char *text = p2v_strf("/dev/sda3:command:%s/program", top);

	assert_int_equal(p2v_publish_bytes(top, "program", script, strlen(script), 0700, err), 0);
	return guest_keys_load((const char *const[]){text}, 1, ret, err);
}

static void test_a_program_gives_it(void **state)
{
	guest_auto_keys struct guest_keys keys = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(from_program("#!/bin/sh\necho \"key of $1\"\n", &keys, &err), 0);
	assert_string_equal(keys.items[0].selector, "/dev/sda3");
	assert_string_equal(keys.items[0].text, "key of /dev/sda3");
	guest_keys_finish(&keys);
	assert_int_equal(from_program("#!/bin/sh\necho secret; exit 1\n", &keys, &err), P2V_EIO);
	assert_null(strstr(err.text, "secret"));
	assert_int_equal(from_program("#!/bin/sh\n", &keys, &err), P2V_EINVAL);
	/* Without a slash it is one of the administrator's. */
	assert_int_equal(guest_keys_load((const char *const[]){"all:command:no-such-program"}, 1,
				 &keys, &err),
		P2V_ENOTFOUND);
	assert_non_null(strstr(err.text, GUEST_KEY_PROGRAMS "/no-such-program"));
	assert_null(keys.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_key),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_a_program_gives_it),
	};
	int rc;

	if (p2v_dir_temp("key-test", &top, NULL) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	p2v_dir_remove(top);
	free(top);
	return rc;
}
