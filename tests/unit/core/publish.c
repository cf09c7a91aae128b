/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static char *dir;

static int dir_setup(void **state)
{
	(void)state;
	return p2v_dir_temp("publish", &dir, NULL);
}

static int dir_teardown(void **state)
{
	(void)state;
	p2v_dir_remove(dir);
	if (p2v_file_exists(dir))
		return -1;
	free(p2v_steal(dir));
	return 0;
}

static size_t entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void assert_content(const char *name, const char *want)
{
	p2v_autofree char *path = p2v_path_join(dir, name);
	p2v_autobuf struct p2v_buf buf = {0};

	assert_int_equal(p2v_file_read(path, 100, &buf, NULL), 0);
	assert_string_equal((char *)buf.data, want);
}

static void touch(const char *name)
{
	p2v_autofree char *path = p2v_path_join(dir, name);
	p2v_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

static void name_appears_at_commit_only(void **state)
{
	p2v_autopublish struct p2v_publish pub = {0};
	p2v_autofree char *path = p2v_path_join(dir, "a.json");
	struct stat st;

	(void)state;
	assert_int_equal(p2v_publish_bytes(dir, "a.json", "old", 3, 0640, NULL), 0);
	assert_int_equal(p2v_publish_begin(&pub, dir, "a.json", 0600, NULL), 0);
	assert_int_equal(write(pub.fd, "new", 3), 3);
	assert_content("a.json", "old");
	assert_int_equal(p2v_publish_commit(&pub, NULL), 0);
	assert_content("a.json", "new");
	assert_int_equal(entries(dir), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void abort_leaves_the_old_one(void **state)
{
	struct p2v_publish pub = {0};

	(void)state;
	p2v_publish_abort(&pub); /* never begun */
	assert_int_equal(p2v_publish_bytes(dir, "a", "old", 3, 0600, NULL), 0);
	assert_int_equal(p2v_publish_begin(&pub, dir, "a", 0600, NULL), 0);
	assert_int_equal(entries(dir), 2);
	p2v_publish_abort(&pub);
	p2v_publish_abort(&pub);
	assert_content("a", "old");
	assert_int_equal(entries(dir), 1);
}

static void leftovers_of_this_name_are_removed(void **state)
{
	static const char *const kept[] = {
		".a.b.abcdef", ".a.abcde", ".a.abc-ef", ".b.abcdef", "a.abcdef"};

	(void)state;
	for (size_t i = 0; i < P2V_N(kept); i++)
		touch(kept[i]);
	touch(".a.abcdef");
	touch(".a.012345");
	assert_int_equal(p2v_publish_bytes(dir, "a", "x", 1, 0600, NULL), 0);
	assert_int_equal(entries(dir), P2V_N(kept) + 1);
}

static void failed_commit_leaves_nothing(void **state)
{
	p2v_autofree char *path = p2v_path_join(dir, "a");
	struct p2v_publish pub = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0); /* a directory cannot be replaced by a file */
	assert_int_equal(p2v_publish_begin(&pub, dir, "a", 0600, &err), 0);
	assert_int_not_equal(p2v_publish_commit(&pub, &err), 0);
	assert_has(err.text, path);
	assert_null(pub.temp);
	assert_int_equal(entries(dir), 1);
	p2v_publish_abort(&pub);
}

static void bad_places_are_refused(void **state)
{
	struct p2v_publish pub = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(
		p2v_publish_bytes("/dev/no-such-dir", "a", "x", 1, 0600, &err), P2V_ENOTFOUND);
	assert_has(err.text, "/dev/no-such-dir");
	assert_int_equal(p2v_publish_begin(&pub, dir, "../a", 0600, &err), P2V_EINVAL);
	assert_int_equal(p2v_publish_begin(&pub, dir, "", 0600, &err), P2V_EINVAL);
	assert_int_equal(entries(dir), 0);
}

static void reading_is_bounded(void **state)
{
	p2v_autofree char *path = p2v_path_join(dir, "a"), *fifo = p2v_path_join(dir, "fifo");
	p2v_autobuf struct p2v_buf buf = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_publish_bytes(dir, "a", "12345", 5, 0600, NULL), 0);
	assert_int_equal(p2v_file_read(path, 4, &buf, &err), P2V_EFORMAT);
	assert_has(err.text, path);
	assert_int_equal(buf.len, 0);
	assert_int_equal(p2v_file_read(path, 5, &buf, &err), 0);
	assert_int_equal(buf.len, 5);
	assert_int_equal(p2v_file_read("/dev/zero", 1000, &buf, &err), P2V_EFORMAT);
	assert_int_equal(p2v_file_read(dir, 1000, &buf, &err), P2V_EIO);
	assert_int_equal(p2v_file_read("/no/such", 5, &buf, &err), P2V_ENOTFOUND);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(p2v_file_read(fifo, 5, &buf, &err), 0); /* comes back, empty */
	assert_int_equal(buf.len, 5);
}

static void directories_are_made_and_removed(void **state)
{
	p2v_autofree char *deep = p2v_path_join(dir, "a/b//c/"), *file = p2v_path_join(dir, "f/x");
	p2v_autofree char *outside = NULL, *kept = NULL, *link = p2v_path_join(dir, "a/b/link");
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_dir_make(deep, 0700, &err), 0);
	assert_int_equal(p2v_dir_make(deep, 0700, &err), 0);
	touch("a/b/c/file");
	touch("f");
	assert_int_equal(p2v_dir_make(file, 0700, &err), P2V_ENOTFOUND);
	assert_has(err.text, "/f: make directory: Not a directory");
	assert_int_equal(p2v_dir_temp("outside", &outside, &err), 0);
	kept = p2v_path_join(outside, "kept");
	assert_int_equal(p2v_publish_bytes(outside, "kept", "x", 1, 0600, NULL), 0);
	assert_int_equal(symlink(outside, link), 0);
	p2v_dir_remove(link); /* a symlink is no directory */
	assert_true(p2v_file_exists(kept));
	p2v_dir_remove(dir);
	assert_false(p2v_file_exists(dir));
	assert_true(p2v_file_exists(kept));
	p2v_dir_remove(outside);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void paths_join(void **state)
{
	p2v_autofree char *plain = p2v_path_join("a", "b"), *slash = p2v_path_join("/", "b");
	p2v_autofree char *text = p2v_strf("%d-%s", 1, "x");

	(void)state;
	assert_string_equal(plain, "a/b");
	assert_string_equal(slash, "/b");
	assert_string_equal(text, "1-x");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, dir_setup, dir_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(name_appears_at_commit_only),
		TEST(abort_leaves_the_old_one),
		TEST(leftovers_of_this_name_are_removed),
		TEST(failed_commit_leaves_nothing),
		TEST(bad_places_are_refused),
		TEST(reading_is_bounded),
		TEST(directories_are_made_and_removed),
		cmocka_unit_test(paths_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
