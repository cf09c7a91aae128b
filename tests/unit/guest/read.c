/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/guest/scene.h"

#include <sys/sysmacros.h>

static int read_text(struct scene *s, const char *path, struct p2v_buf *buf)
{
	p2v_buf_reset(buf);
	p2v_err_clear(&s->err);
	return guest_read_file(s->g, path, 4096, buf, &s->err);
}

static void test_reads_a_file(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf buf = {0};
	struct guest_stat st;

	make_file_at(s, "/etc/hostname", "web01\n");
	assert_int_equal(read_text(s, "/etc/hostname", &buf), 0);
	assert_string_equal((char *)buf.data, "web01\n");
	assert_int_equal(guest_stat(s->g, "/etc//./hostname", &st, &s->err), 0);
	assert_int_equal(st.type, GUEST_FILE);
	assert_int_equal(st.size_bytes, 6);
	make_file_at(s, "/etc/empty", "");
	assert_int_equal(read_text(s, "/etc/empty", &buf), 0);
	assert_int_equal(buf.len, 0);
	assert_int_equal(read_text(s, "/etc/nothing", &buf), P2V_ENOTFOUND);
	assert_non_null(strstr(s->err.text, "/etc/nothing"));
	assert_int_equal(read_text(s, "/etc/hostname/x", &buf), P2V_ENOTFOUND);
}

static void test_start_and_bounds(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf buf = {0};

	make_file_at(s, "/etc/long", "0123456789");
	assert_int_equal(guest_read_start(s->g, "/etc/long", 4, &buf, &s->err), 0);
	assert_string_equal((char *)buf.data, "0123");
	assert_int_equal(guest_read_file(s->g, "/etc/long", 9, &buf, &s->err), P2V_EFORMAT);
	assert_non_null(strstr(s->err.text, "/etc/long: is too large"));
	assert_int_equal(buf.len, 4);
}

static void test_links_stay_inside(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf buf = {0};
	p2v_autofree char *real = NULL;

	make_file_at(s, "/secret", "inside\n");
	make_link_at(s, "../../../../../secret", "/etc/up");
	make_link_at(s, "/secret", "/etc/absolute");
	make_link_at(s, "..", "/etc/parent");
	make_link_at(s, "/", "/etc/top");
	assert_int_equal(read_text(s, "/etc/up", &buf), 0);
	assert_string_equal((char *)buf.data, "inside\n");
	assert_int_equal(read_text(s, "/etc/absolute", &buf), 0);
	assert_string_equal((char *)buf.data, "inside\n");
	assert_int_equal(read_text(s, "/etc/parent/etc/top/../../secret", &buf), 0);
	assert_string_equal((char *)buf.data, "inside\n");
	assert_int_equal(read_text(s, "/../../secret", &buf), 0);
	assert_string_equal((char *)buf.data, "inside\n");
	assert_int_equal(guest_real_path(s->g, "/etc/top/etc/new", &real, &s->err), 0);
	assert_string_equal(real, "/etc/new");
}

static void test_loops(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf buf = {0};
	struct guest_stat st;

	make_link_at(s, "b", "/etc/a");
	make_link_at(s, "a", "/etc/b");
	make_link_at(s, ".", "/etc/self");
	make_link_at(s, "bomb/bomb", "/etc/bomb");
	assert_int_equal(read_text(s, "/etc/a", &buf), P2V_EFORMAT);
	assert_string_equal(s->err.text, "/etc/a: symbolic links lead round in a circle");
	assert_int_equal(read_text(s, "/etc/a/x", &buf), P2V_EFORMAT);
	assert_int_equal(read_text(s, "/etc/bomb", &buf), P2V_EFORMAT);
	assert_int_equal(guest_stat(s->g, "/etc/self/self/self", &st, &s->err), 0);
	assert_int_equal(st.type, GUEST_DIR);
	assert_int_equal(guest_lstat(s->g, "/etc/a", &st, &s->err), 0);
	assert_int_equal(st.type, GUEST_LINK);
}

static void test_refuses_what_is_no_file(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf buf = {0};
	p2v_autofree char *fifo = on_host(s, "/etc/fifo");

	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(read_text(s, "/etc/fifo", &buf), P2V_EFORMAT);
	assert_string_equal(s->err.text, "/etc/fifo: is a FIFO, not a file");
	assert_int_equal(read_text(s, "/etc", &buf), P2V_EFORMAT);
	assert_string_equal(s->err.text, "/etc: is a directory, not a file");
	/* The host's /dev/zero must not be what the guest's link finds. */
	make_link_at(s, "/dev/zero", "/etc/fstab");
	assert_int_equal(read_text(s, "/etc/fstab", &buf), P2V_ENOTFOUND);
	make_dir_at(s, "/dev");
	if (geteuid() == 0) {
		p2v_autofree char *zero = on_host(s, "/dev/zero");

		if (mknod(zero, S_IFCHR | 0666, makedev(1, 5)) == 0) {
			assert_int_equal(read_text(s, "/etc/fstab", &buf), P2V_EFORMAT);
			assert_string_equal(
				s->err.text, "/etc/fstab: is a character device, not a file");
		}
	}
	assert_int_equal(buf.len, 0);
	assert_int_equal(read_text(s, "etc/fstab", &buf), P2V_EINVAL);
}

static void test_lists(void **state)
{
	struct scene *s = *state;
	struct guest_dir d = {0};

	make_file_at(s, "/etc/b.conf", "12345");
	make_file_at(s, "/etc/a\nb\xff.conf", "1");
	make_link_at(s, "/x", "/etc/c.conf");
	make_dir_at(s, "/etc/d");
	make_link_at(s, "etc", "/e");
	assert_int_equal(guest_list_dir(s->g, "/e", NULL, 10, &d, &s->err), 0);
	assert_int_equal(d.n_entries, 4);
	assert_string_equal(d.entries[0].name, "a\nb\xff.conf");
	assert_string_equal(d.entries[1].name, "b.conf");
	assert_int_equal(d.entries[1].st.size_bytes, 5);
	assert_int_equal(d.entries[2].st.type, GUEST_LINK);
	assert_int_equal(d.entries[3].st.type, GUEST_DIR);
	guest_dir_finish(&d);
	assert_int_equal(guest_list_dir(s->g, "/etc", "*.conf", 10, &d, &s->err), 0);
	assert_int_equal(d.n_entries, 3);
	guest_dir_finish(&d);
	assert_int_equal(guest_list_dir(s->g, "/etc", NULL, 3, &d, &s->err), P2V_EFORMAT);
	assert_string_equal(s->err.text, "/etc: holds more than 3 names");
	assert_int_equal(guest_list_dir(s->g, "/etc/b.conf", NULL, 3, &d, &s->err), P2V_EFORMAT);
	assert_int_equal(d.n_entries, 0);
}

static void test_hostile_names_in_sentences(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf buf = {0};
	char deep[8192];

	assert_int_equal(read_text(s, "/etc/\x1b[2J\n\xff%s%n", &buf), P2V_ENOTFOUND);
	assert_non_null(strstr(s->err.text, "/etc/\\x1b[2J\\x0a\\xff%s%n: "));
	memset(deep, 'x', sizeof(deep));
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(read_text(s, deep, &buf), P2V_EFORMAT);
	deep[300] = '\0';
	assert_int_equal(read_text(s, deep, &buf), P2V_ENOTFOUND);
}

static void test_downloads(void **state)
{
	struct scene *s = *state;
	p2v_autofclose FILE *f = tmpfile();
	char back[8] = "";

	make_file_at(s, "/etc/x", "1234567");
	assert_int_equal(ftruncate(fileno(f), 100), 0);
	assert_int_equal(guest_download(s->g, "/etc/x", 7, fileno(f), &s->err), 0);
	assert_int_equal(lseek(fileno(f), 0, SEEK_END), 7);
	assert_int_equal(pread(fileno(f), back, 7, 0), 7);
	assert_string_equal(back, "1234567");
	assert_int_equal(guest_download(s->g, "/etc/x", 6, fileno(f), &s->err), P2V_EFORMAT);
}

static void test_link_text(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *target = NULL;

	make_link_at(s, "../run/x", "/etc/l");
	assert_int_equal(guest_read_link(s->g, "/etc/l", &target, &s->err), 0);
	assert_string_equal(target, "../run/x");
	assert_int_equal(guest_read_link(s->g, "/etc", &target, &s->err), P2V_EFORMAT);
	assert_false(guest_exists(s->g, "/etc/l"));
	assert_true(guest_is_dir(s->g, "/etc"));
	assert_false(guest_is_file(s->g, "/etc"));
}

static void test_open_failures(void **state)
{
	struct scene *s = *state;
	struct guest *g = NULL;
	struct guest_storage storage = {0};

	assert_int_equal(guest_open_dir("/no/such/dir", false, &g, &s->err), P2V_ENOTFOUND);
	assert_null(g);
	assert_int_equal(guest_storage_list(s->g, &storage, &s->err), 0);
	assert_int_equal(storage.n_volumes, 0);
	assert_int_equal(
		guest_mount(s->g, "/dev/sda1", "/", NULL, true, &s->err), P2V_EUNSUPPORTED);
	guest_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(test_reads_a_file),
		scene_test(test_start_and_bounds),
		scene_test(test_links_stay_inside),
		scene_test(test_loops),
		scene_test(test_refuses_what_is_no_file),
		scene_test(test_lists),
		scene_test(test_hostile_names_in_sentences),
		scene_test(test_downloads),
		scene_test(test_link_text),
		scene_test(test_open_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
