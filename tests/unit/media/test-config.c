/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is put on the medium for one campaign, and how files are packed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/media/parts.h"

static char *dir;

static int start(void **state)
{
	(void)state;
	return p2v_dir_temp("media-test", &dir, NULL);
}

static int stop(void **state)
{
	(void)state;
	p2v_dir_remove(dir);
	free(dir);
	return 0;
}

static char *file(const char *name, const char *text)
{
	assert_int_equal(p2v_publish_bytes(dir, name, text, strlen(text), 0600, NULL), 0);
	return p2v_path_join(dir, name);
}

static const char *content(const struct media_list *l, const char *path)
{
	for (size_t i = 0; i < l->n_items; i++)
		if (strcmp(l->items[i].path, path) == 0)
			return l->items[i].bytes;
	return NULL;
}

static void test_host_keys(void **state)
{
	p2v_autofree char *key = file("host.pub", "ssh-ed25519 AAAA root@server\n");
	p2v_autofree char *known = file("known", "server ssh-ed25519 BBBB\n\n");
	const struct {
		const char *server, *host_key, *known_hosts, *config;
	} rows[] = {
		{"p2v@10.0.0.5", key, "10.0.0.5 ssh-ed25519 AAAA root@server\n",
			"server=\"p2v@10.0.0.5\"\n"},
		{"p2v@[fe80::1]:2222", key, "[fe80::1]:2222 ssh-ed25519 AAAA root@server\n",
			"server=\"p2v@[fe80::1]:2222\"\n"},
		{"server", known, "server ssh-ed25519 BBBB\n", "server=\"server\"\n"},
		{"server", "SHA256:abc", NULL, "server=\"server\"\nhost-key=\"SHA256:abc\"\n"},
		{NULL, NULL, NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		const struct media_spec spec = {
			.server = rows[i].server, .host_key = rows[i].host_key};
		media_autolist struct media_list l = {0};
		const char *got;

		assert_int_equal(media_config_add(&spec, &l, NULL), 0);
		assert_string_equal(content(&l, "p2v/config"), rows[i].config);
		got = content(&l, "p2v/known_hosts");
		assert_int_equal(!got, !rows[i].known_hosts);
		if (got)
			assert_string_equal(got, rows[i].known_hosts);
	}
}

static void test_own_settings_last(void **state)
{
	p2v_autofree char *config = file("config", "name=web01\nserver=other\n");
	const struct media_spec spec = {.server = "server", .config = config};
	media_autolist struct media_list l = {0};

	(void)state;
	assert_int_equal(media_config_add(&spec, &l, NULL), 0);
	assert_string_equal(
		content(&l, "p2v/config"), "server=\"server\"\nname=web01\nserver=other\n");
}

static void test_refused(void **state)
{
	p2v_autofree char *key = file("host2.pub", "ssh-ed25519 AAAA\n");
	p2v_autofree char *secret = p2v_path_join(dir, "with-passphrase");
	const char *const argv[] = {
		"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", secret, NULL};
	const struct media_spec rows[] = {
		{.host_key = key},
		{.server = "server", .host_key = "/nowhere"},
		{.server = "server", .identity = secret},
		{.server = "server", .identity = key},
		{.config = "/nowhere"},
	};

	(void)state;
	assert_int_equal(p2v_proc_run(argv, NULL, 0, 60000, NULL, NULL), 0);
	for (size_t i = 0; i < P2V_N(rows); i++) {
		media_autolist struct media_list l = {0};
		struct p2v_err err = {0};

		assert_true(media_config_add(&rows[i], &l, &err) < 0);
		assert_true(err.text[0]);
	}
}

/* The order in which files were added does not show, and each stands there once. */
static void test_pack(void **state)
{
	static const char *const names[] = {"b/c", "a", "b/a/x", "b/c"};
	p2v_autobuf struct p2v_buf first = {0}, second = {0};
	media_autolist struct media_list one = {0}, two = {0};
	size_t n = P2V_N(names);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(media_list_add_bytes(&one, names[i], "x", 1, 0644, NULL), 0);
		assert_int_equal(
			media_list_add_bytes(&two, names[n - 1 - i], "x", 1, 0644, NULL), 0);
	}
	assert_int_equal(media_list_add_directory(&one, "b", NULL), 0);
	assert_int_equal(media_list_pack(&one, &first, NULL), 0);
	assert_int_equal(media_list_pack(&two, &second, NULL), 0);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_int_equal(one.n_items, 5);
	assert_string_equal(one.items[1].path, "b");
	assert_true(S_ISDIR(one.items[1].mode));
	assert_true(media_list_has(&one, "b/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_keys),
		cmocka_unit_test(test_own_settings_last),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pack),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
