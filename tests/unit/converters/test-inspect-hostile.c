/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guests that are not what they should be: refused with the file's name, or passed over with a
 * note; never a hang, never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "converters/inspect/inspect.h"
#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

struct scene {
	char *root;
	struct guest *g;
	struct facts facts;
	struct p2v_err err;
};

static void put(struct scene *s, const char *dir, const char *name, const void *bytes, size_t n)
{
	p2v_autofree char *path = p2v_strf("%s%s", s->root, dir);

	assert_int_equal(p2v_dir_make(path, 0755, &s->err), 0);
	if (name)
		assert_int_equal(p2v_publish_bytes(path, name, bytes, n, 0644, &s->err), 0);
}

static void put_link(struct scene *s, const char *target, const char *path)
{
	p2v_autofree char *at = p2v_strf("%s%s", s->root, path);

	assert_int_equal(symlink(target, at), 0);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->facts.version = 1;
	assert_int_equal(p2v_dir_temp("inspect-test", &s->root, &s->err), 0);
	put(s, "/etc", NULL, NULL, 0);
	assert_int_equal(guest_open_dir(s->root, false, &s->g, &s->err), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	guest_free(s->g);
	model_facts_finish(&s->facts);
	p2v_dir_remove(s->root);
	free(s->root);
	free(s);
	return 0;
}

static int inspect(struct scene *s)
{
	struct facts_os *os =
		p2v_json_grow((void **)&s->facts.systems, &s->facts.n_systems, sizeof(*os));

	os->root = strdup("/dev/sda1");
	return inspect_system(s->g, &s->facts, os, &s->err);
}

static void assert_refused(struct scene *s, const char *path)
{
	assert_int_equal(inspect(s), P2V_EFORMAT);
	if (!strstr(s->err.text, path))
		fail_msg("no %s in: %s", path, s->err.text);
}

static void test_empty(void **state)
{
	struct scene *s = *state;

	if (inspect(s) < 0)
		fail_msg("%s", s->err.text);
	assert_string_equal(s->facts.systems[0].kind, "linux");
	assert_string_equal(s->facts.systems[0].bootloader.kind, "unknown");
	assert_int_equal(s->facts.systems[0].n_kernels, 0);
}

static void test_fstab_is_no_file(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *path = p2v_strf("%s/etc/fstab", s->root);

	assert_int_equal(mkfifo(path, 0644), 0);
	assert_refused(s, "/etc/fstab");
}

static void test_fstab_too_large(void **state)
{
	struct scene *s = *state;
	size_t n = INSPECT_TEXT_MAX + 1;
	p2v_autofree char *text = malloc(n);

	assert_non_null(text);
	memset(text, 'x', n);
	put(s, "/etc", "fstab", text, n);
	assert_refused(s, "/etc/fstab");
}

static void test_loop_of_links(void **state)
{
	struct scene *s = *state;

	put_link(s, "os-release", "/etc/os-release");
	assert_refused(s, "/etc/os-release");
}

static void test_interfaces_include_each_other(void **state)
{
	static const char text[] = "source interfaces\nsource interfaces.d/*\n";
	struct scene *s = *state;

	put(s, "/etc/network", "interfaces", text, strlen(text));
	put(s, "/etc/network/interfaces.d", "a", text, strlen(text));
	assert_refused(s, "/etc/network/interfaces");
}

/* What is not needed is passed over, and a note says so. */
static void test_optional_garbage(void **state)
{
	struct scene *s = *state;
	char bytes[4096];
	int told = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	put_link(s, "crypttab", "/etc/crypttab");
	put(s, "/etc", "fstab", bytes, sizeof(bytes));
	put(s, "/etc", "os-release", bytes, sizeof(bytes));
	put(s, "/etc/network", "interfaces", bytes, sizeof(bytes));
	put(s, "/etc/NetworkManager/system-connections", "x\ny", bytes, sizeof(bytes));
	put(s, "/boot/grub", "grub.cfg", bytes, sizeof(bytes));
	put(s, "/boot", "vmlinuz-1", bytes, sizeof(bytes));
	put(s, "/boot", "initrd.img-1", bytes, sizeof(bytes));
	put(s, "/lib/modules/1", "modules.dep", bytes, sizeof(bytes));
	if (inspect(s) < 0)
		fail_msg("%s", s->err.text);
	/* Read by several parts; told once. */
	for (size_t i = 0; i < s->facts.n_notes; i++)
		told += strstr(s->facts.notes[i], "/etc/crypttab") != NULL;
	assert_int_equal(told, 1);
	assert_int_equal(s->facts.systems[0].n_kernels, 1);
	assert_false(s->facts.systems[0].kernels[0].initramfs.tail_ok);
}

/* A running one: its /ostree leads to the file system that all deployments lie on. */
static void test_ostree(void **state)
{
	struct scene *s = *state;
	const struct guest_storage none = {0};

	put(s, "/sysroot/ostree/repo", NULL, NULL, 0);
	put(s, "/sysroot/ostree/deploy/fedora-coreos/deploy", NULL, NULL, 0);
	put_link(s, "sysroot/ostree", "/ostree");
	assert_int_equal(inspect_tree(s->g, &none, "/dev/sda4", &s->facts, &s->err), 0);
	assert_string_equal(s->facts.systems[0].kind, "ostree");
	assert_string_equal(s->facts.systems[0].id, "fedora-coreos");
	assert_string_equal(s->facts.systems[0].root, "/dev/sda4");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_empty),
		T(test_fstab_is_no_file),
		T(test_fstab_too_large),
		T(test_loop_of_links),
		T(test_interfaces_include_each_other),
		T(test_optional_garbage),
		T(test_ostree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
