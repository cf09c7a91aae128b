/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/guest/scene.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "p2v/core/proc.h"
#include "p2v/core/span.h"
#include "p2v/guest/backend.h"

static void write_text(struct scene *s, const char *path, const char *text)
{
	int rc = guest_write_file(s->g, path, text, strlen(text), 0644, "a test", &s->err);

	if (rc < 0)
		fail_msg("%s", s->err.text);
}

static void expect_text(struct scene *s, const char *path, const char *text)
{
	p2v_autofree char *p = on_host(s, path);
	p2v_autobuf struct p2v_buf buf = {0};

	assert_int_equal(p2v_file_read(p, 4096, &buf, &s->err), 0);
	assert_string_equal((char *)buf.data, text);
}

static const struct guest_change *only_change(struct scene *s)
{
	struct guest_changes c = guest_changes(s->g);

	assert_int_equal(c.n_items, 1);
	return c.items;
}

static void expect_diff(struct scene *s, const struct guest_change *c, const char *text)
{
	p2v_autobuf struct p2v_buf diff = {0};

	assert_int_equal(guest_change_diff(c, &diff, &s->err), 0);
	assert_string_equal((char *)diff.data, text);
}

static void test_modifies(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *host = on_host(s, "/etc/fstab");
	const struct guest_change *c;
	struct stat st;

	make_file_at(s, "/etc/fstab", "one\ntwo\n");
	assert_int_equal(chmod(host, 04640), 0);
	write_text(s, "/etc/fstab", "one\n2\n");
	expect_text(s, "/etc/fstab", "one\n2\n");
	assert_int_equal(stat(host, &st), 0);
	assert_int_equal(st.st_mode & 07777, 04640);
	c = only_change(s);
	assert_string_equal(c->path, "/etc/fstab");
	assert_int_equal(c->action, GUEST_MODIFY);
	assert_int_equal(c->kind, GUEST_KIND_TEXT);
	assert_int_equal(c->before_bytes, 8);
	assert_int_equal(c->after_bytes, 6);
	assert_string_equal(c->before_sha256,
		"c3f9c8c283a2b1f2f1896f27a01cbe3cddc0c9d93f752e4639035a0f5b36f6e8");
	assert_int_equal(strlen(c->after_sha256), 64);
	assert_string_not_equal(c->before_sha256, c->after_sha256);
	assert_string_equal(c->why, "a test");
	expect_diff(s, c, "--- a/etc/fstab\n+++ b/etc/fstab\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
}

static void test_twice_is_once(void **state)
{
	struct scene *s = *state;
	struct stat a, b;
	p2v_autofree char *host = on_host(s, "/etc/x");

	write_text(s, "/etc/x", "same\n");
	assert_int_equal(stat(host, &a), 0);
	write_text(s, "/etc/x", "same\n");
	assert_int_equal(stat(host, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(only_change(s)->action, GUEST_CREATE);
	/* Back to nothing: nothing has happened. */
	assert_int_equal(guest_remove(s->g, "/etc/x", "undo", &s->err), 0);
	assert_int_equal(guest_changes(s->g).n_items, 0);
	assert_int_equal(guest_remove(s->g, "/etc/x", "undo", &s->err), 0);
	make_file_at(s, "/etc/y", "old\n");
	write_text(s, "/etc/y", "new\n");
	write_text(s, "/etc/y", "newer\n");
	assert_string_equal((char *)only_change(s)->before.data, "old\n");
	assert_string_equal((char *)only_change(s)->after.data, "newer\n");
	write_text(s, "/etc/y", "old\n");
	assert_int_equal(guest_changes(s->g).n_items, 0);
}

static void test_creates_with_parents(void **state)
{
	struct scene *s = *state;
	struct guest_changes c;

	make_dir_at(s, "/usr/lib");
	make_link_at(s, "usr/lib", "/lib");
	write_text(s, "/lib/systemd/network/10-a.link", "[Match]\n");
	expect_text(s, "/usr/lib/systemd/network/10-a.link", "[Match]\n");
	c = guest_changes(s->g);
	assert_int_equal(c.n_items, 3);
	assert_string_equal(c.items[0].path, "/usr/lib/systemd");
	assert_int_equal(c.items[0].kind, GUEST_KIND_DIRECTORY);
	assert_string_equal(c.items[1].path, "/usr/lib/systemd/network");
	assert_string_equal(c.items[2].path, "/usr/lib/systemd/network/10-a.link");
	expect_diff(s, &c.items[2],
		"--- /dev/null\n+++ b/usr/lib/systemd/network/10-a.link\n@@ -0,0 +1 "
		"@@\n+[Match]\n");
}

static void test_follows_links_inside(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *secret = p2v_path_join(s->top, "secret");
	p2v_autobuf struct p2v_buf buf = {0};
	struct guest_stat st;

	make_link_at(s, "../../secret", "/etc/evil");
	write_text(s, "/etc/evil", "guest\n");
	expect_text(s, "/secret", "guest\n");
	assert_int_equal(p2v_file_read(secret, 100, &buf, &s->err), 0);
	assert_string_equal((char *)buf.data, "outside\n");
	assert_int_equal(guest_lstat(s->g, "/etc/evil", &st, &s->err), 0);
	assert_int_equal(st.type, GUEST_LINK);
	assert_string_equal(only_change(s)->path, "/secret");
	make_link_at(s, "loop", "/etc/loop");
	assert_int_equal(
		guest_write_file(s->g, "/etc/loop", "x", 1, 0644, "x", &s->err), P2V_EFORMAT);
	assert_int_equal(guest_write_file(s->g, "/etc", "x", 1, 0644, "x", &s->err), P2V_EFORMAT);
	assert_int_equal(
		guest_write_file(s->g, "/secret/x/y", "x", 1, 0644, "x", &s->err), P2V_EFORMAT);
}

static void test_keeps_attributes(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *host = on_host(s, "/etc/x");
	char value[8] = "";

	make_file_at(s, "/etc/x", "old\n");
	if (setxattr(host, "user.p2v", "label", 5, 0) < 0)
		skip();
	write_text(s, "/etc/x", "new\n");
	assert_int_equal(getxattr(host, "user.p2v", value, sizeof(value)), 5);
	assert_string_equal(value, "label");
}

static int flags_of(const char *path)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	int flags = 0;

	return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 ? flags : -1;
}

static bool set_flags(const char *path, int flags)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

/* chattr +i, as hardened servers have their configuration: changed all the same, and locked again.
 */
static void test_locked_files(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *host = on_host(s, "/etc/x"), *aside = on_host(s, "/etc/x.off");
	int before;

	make_file_at(s, "/etc/x", "old\n");
	before = flags_of(host);
	if (before < 0 || !set_flags(host, before | FS_IMMUTABLE_FL))
		skip();
	write_text(s, "/etc/x", "new\n");
	expect_text(s, "/etc/x", "new\n");
	assert_true(flags_of(host) & FS_IMMUTABLE_FL);
	assert_true(set_flags(host, before | FS_APPEND_FL));
	assert_int_equal(guest_rename(s->g, "/etc/x", "/etc/x.off", "a test", &s->err), 0);
	assert_true(flags_of(aside) & FS_APPEND_FL);
	assert_int_equal(guest_remove(s->g, "/etc/x.off", "a test", &s->err), 0);
	assert_int_equal(guest_exists(s->g, "/etc/x.off"), false);
}

static void test_new_file_gets_a_label(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *dir = on_host(s, "/etc"), *sibling = on_host(s, "/etc/a");
	p2v_autofree char *host = on_host(s, "/etc/new");
	char value[8] = "";

	make_file_at(s, "/etc/a", "");
	if (setxattr(dir, "security.selinux", "dir_t", 5, 0) < 0 ||
		setxattr(sibling, "security.selinux", "file_t", 6, 0) < 0)
		skip();
	write_text(s, "/etc/new", "new\n");
	assert_int_equal(getxattr(host, "security.selinux", value, sizeof(value)), 6);
	assert_string_equal(value, "file_t");
}

static bool run(const char *const *argv)
{
	return p2v_proc_run(argv, NULL, 0, 60000, NULL, NULL) == 0;
}

/* ntfs-3g lets everybody do everything with a new file: a driver would be anybody's to change. */
static void test_ntfs_access_lists(void **state)
{
	static const char *const names[] = {"/old", "/dir/new", "/dir/sub/newer"};
	struct scene *s = *state;
	p2v_autofree char *image = p2v_strf("%s/ntfs", s->top), *dir = on_host(s, "/dir"),
			  *old = on_host(s, "/old");
	const char *const make[] = {"mkntfs", "-F", "-Q", "-q", image, NULL};
	const char *const mount[] = {"ntfs-3g", image, s->root, NULL};
	const char *const unmount[] = {"umount", s->root, NULL};
	char open_to_all[512], list[512], got[512];
	ssize_t n;
	int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && ftruncate(fd, 8 << 20) == 0);
	close(fd);
	if (!p2v_proc_exists("mkntfs") || !run(make) || !run(mount))
		skip();
	make_dir_at(s, "/dir");
	make_file_at(s, "/old", "old");
	n = getxattr(old, "system.ntfs_acl", open_to_all, sizeof(open_to_all));
	assert_true(n > 0);
	/* The same list with another set of rights (the access mask of its one entry). */
	memcpy(list, open_to_all, (size_t)n);
	list[n - 16] = 0;
	assert_int_equal(setxattr(old, "system.ntfs_acl", list, (size_t)n, 0), 0);
	assert_int_equal(setxattr(dir, "system.ntfs_acl", list, (size_t)n, 0), 0);
	guest_free(s->g);
	assert_int_equal(guest_open_dir(s->root, true, &s->g, &s->err), 0);
	for (size_t i = 0; i < P2V_N(names); i++) {
		p2v_autofree char *host = on_host(s, names[i]);

		write_text(s, names[i], "new");
		assert_int_equal(getxattr(host, "system.ntfs_acl", got, sizeof(got)), n);
		assert_memory_equal(got, list, (size_t)n);
	}
	guest_free(s->g);
	s->g = NULL;
	run(unmount);
}

static void test_links_and_renames(void **state)
{
	struct scene *s = *state;
	struct guest_changes c;
	p2v_autofree char *target = NULL;

	make_file_at(s, "/etc/unit", "[Unit]\n");
	assert_int_equal(guest_symlink(s->g, "/dev/null", "/etc/unit", "masks", &s->err), 0);
	assert_int_equal(guest_symlink(s->g, "/dev/null", "/etc/unit", "masks", &s->err), 0);
	assert_int_equal(guest_read_link(s->g, "/etc/unit", &target, &s->err), 0);
	assert_string_equal(target, "/dev/null");
	assert_int_equal(only_change(s)->kind, GUEST_KIND_SYMLINK);
	assert_int_equal(only_change(s)->action, GUEST_MODIFY);
	assert_int_equal(guest_symlink(s->g, "x", "/etc", "x", &s->err), P2V_EFORMAT);
	make_file_at(s, "/etc/rules", "a\n");
	assert_int_equal(guest_rename(s->g, "/etc/rules", "/etc/rules.old", "aside", &s->err), 0);
	c = guest_changes(s->g);
	assert_int_equal(c.n_items, 3);
	assert_int_equal(c.items[1].action, GUEST_CREATE);
	assert_int_equal(c.items[2].action, GUEST_DELETE);
	assert_string_equal(c.items[1].after_sha256, c.items[2].before_sha256);
	expect_diff(s, &c.items[2], "--- a/etc/rules\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
	assert_int_equal(
		guest_rename(s->g, "/etc/rules.old", "/etc/unit", "x", &s->err), P2V_EEXIST);
}

static void test_appends(void **state)
{
	struct scene *s = *state;
	static const char first[] = {'\x1f', '\x8b', 0, 1}, more[] = {0, 7};
	const struct guest_change *c;

	assert_int_equal(guest_append_file(s->g, "/etc/modules", "a\n", 2, 0644, "x", &s->err), 0);
	assert_int_equal(guest_append_file(s->g, "/etc/modules", "b\n", 2, 0644, "y", &s->err), 0);
	expect_text(s, "/etc/modules", "a\nb\n");
	assert_string_equal(only_change(s)->why, "x; y");
	assert_int_equal(guest_remove(s->g, "/etc/modules", "x", &s->err), 0);

	make_file_at(s, "/etc/image", "");
	assert_int_equal(guest_write_file(s->g, "/etc/image", first, 4, 0600, "x", &s->err), 0);
	assert_int_equal(guest_append_file(s->g, "/etc/image", more, 2, 0600, "x", &s->err), 0);
	c = only_change(s);
	assert_int_equal(c->kind, GUEST_KIND_BINARY);
	assert_int_equal(c->after_bytes, 6);
	assert_null(c->after.data);
	assert_int_equal(guest_change_diff(c, NULL, &s->err), P2V_EUNSUPPORTED);
}

/* Large enough to go by way of a host file. */
static void test_uploads(void **state)
{
	struct scene *s = *state;
	p2v_autofclose FILE *f = tmpfile();
	const struct guest_change *c;
	static char block[3 << 20];
	size_t n = sizeof(block);

	memset(block, 0xa5, n);
	assert_int_equal(pwrite(fileno(f), block, n, 0), (ssize_t)n);
	make_dir_at(s, "/boot");
	{
		p2v_autofree char *host = on_host(s, "/boot/initrd");
		p2v_autofclose FILE *old = fopen(host, "w");

		assert_int_equal(fwrite(block, 1, n - 100, old), n - 100);
	}
	assert_int_equal(guest_upload(s->g, fileno(f), "/boot/initrd", 0600, "x", &s->err), 0);
	c = only_change(s);
	assert_int_equal(c->kind, GUEST_KIND_BINARY);
	assert_int_equal(c->action, GUEST_MODIFY);
	assert_int_equal(c->kept_bytes, n - 100);
	assert_int_equal(c->after_bytes, n);
	assert_int_equal(guest_upload(s->g, fileno(f), "/boot/initrd", 0600, "x", &s->err), 0);
	assert_int_equal(guest_changes(s->g).n_items, 1);
}

static int ten_bytes(struct guest *g, const char *path, uint64_t *ret_bytes, struct p2v_err *err)
{
	(void)g;
	(void)path;
	(void)err;
	*ret_bytes = 10;
	return 0;
}

/* A file system with room for what a file grows by, and not for a second one. */
static void test_little_room(void **state)
{
	struct scene *s = *state;
	static struct guest_ops full;
	p2v_autobuf struct p2v_buf text = {0};
	struct guest_stat before, after;

	assert_int_equal(
		guest_write_file(s->g, "/boot/image", "all that it was", 15, 0600, "x", &s->err),
		0);
	assert_int_equal(guest_stat(s->g, "/boot/image", &before, &s->err), 0);
	full = *s->g->ops;
	full.free_bytes = ten_bytes;
	s->g->ops = &full;
	assert_int_equal(guest_write_file(s->g, "/boot/image", "all that it was and more", 24, 0644,
				 "x", &s->err),
		0);
	assert_int_equal(guest_read_file(s->g, "/boot/image", 100, &text, &s->err), 0);
	assert_true(p2v_span_eq(p2v_span_of(text.data, text.len), "all that it was and more"));
	assert_int_equal(guest_stat(s->g, "/boot/image", &after, &s->err), 0);
	assert_int_equal(after.mode, before.mode);
	assert_int_equal(guest_changes(s->g).items[1].after_bytes, 24);
	/* Not where it is another, nor where even that is too much. */
	assert_int_equal(guest_write_file(s->g, "/boot/image", "something that is no longer so", 30,
				 0600, "x", &s->err),
		P2V_ENOSPC);
	assert_int_equal(guest_append_file(
				 s->g, "/boot/image", "much more than ten", 18, 0600, "x", &s->err),
		P2V_ENOSPC);
}

static void test_no_room(void **state)
{
	struct scene *s = *state;
	uint64_t room = 0;
	struct guest_dir d = {0};
	void *huge;

	/* A mapping costs nothing until it is touched, and the room is checked before. */
	assert_int_equal(guest_free_bytes(s->g, "/etc", &room, &s->err), 0);
	assert_true(room > 0);
	huge = malloc(1);
	assert_int_equal(
		guest_write_file(s->g, "/etc/huge", huge, (size_t)1 << 60, 0644, "x", &s->err),
		P2V_ENOSPC);
	free(huge);
	assert_non_null(strstr(s->err.text, "/etc/huge: the new content needs 1152921504606846976 "
					    "bytes, and the file system of /etc has "));
	assert_int_equal(guest_list_dir(s->g, "/etc", NULL, 10, &d, &s->err), 0);
	assert_int_equal(d.n_entries, 0);
	guest_dir_finish(&d);
	assert_int_equal(guest_changes(s->g).n_items, 0);
}

/* No digest, no write: nothing is changed that the record cannot tell of. */
static void test_no_record_no_write(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *path = strdup(getenv("PATH"));
	int rc;

	make_file_at(s, "/etc/x", "old\n");
	setenv("PATH", s->root, 1);
	rc = guest_write_file(s->g, "/etc/x", "new\n", 4, 0644, "x", &s->err);
	setenv("PATH", path, 1);
	assert_int_equal(rc, P2V_ENOTFOUND);
	expect_text(s, "/etc/x", "old\n");
	assert_int_equal(guest_changes(s->g).n_items, 0);
}

static void test_reading_door_refuses(void **state)
{
	struct scene *s = *state;
	struct guest *g = NULL;

	make_file_at(s, "/etc/x", "x");
	assert_int_equal(guest_open_dir(s->root, false, &g, &s->err), 0);
	assert_int_equal(guest_write_file(g, "/etc/x", "y", 1, 0644, "x", &s->err), P2V_EREFUSED);
	assert_int_equal(guest_remove(g, "/etc/x", "x", &s->err), P2V_EREFUSED);
	assert_int_equal(guest_symlink(g, "a", "/etc/y", "x", &s->err), P2V_EREFUSED);
	assert_int_equal(guest_mkdir(g, "/etc/y", 0755, "x", &s->err), P2V_EREFUSED);
	assert_int_equal(guest_rename(g, "/etc/x", "/etc/y", "x", &s->err), P2V_EREFUSED);
	assert_int_equal(guest_close(g, &s->err), 0);
	expect_text(s, "/etc/x", "x");
}

static void test_directories(void **state)
{
	struct scene *s = *state;

	assert_int_equal(guest_mkdir(s->g, "/a/b", 0700, "x", &s->err), 0);
	assert_int_equal(guest_mkdir(s->g, "/a/b", 0700, "x", &s->err), 0);
	assert_int_equal(guest_changes(s->g).n_items, 2);
	assert_int_equal(guest_remove(s->g, "/a", "x", &s->err), P2V_EEXIST);
	assert_int_equal(guest_remove(s->g, "/a/b", "x", &s->err), 0);
	assert_int_equal(guest_remove(s->g, "/a", "x", &s->err), 0);
	assert_int_equal(guest_changes(s->g).n_items, 0);
	make_file_at(s, "/file", "");
	assert_int_equal(guest_mkdir(s->g, "/file", 0755, "x", &s->err), P2V_EFORMAT);
}

static void test_hostile_name_in_a_diff(void **state)
{
	struct scene *s = *state;

	make_file_at(s, "/etc/-x\n+++ b", "a\n");
	write_text(s, "/etc/-x\n+++ b", "b\n");
	expect_diff(s, only_change(s),
		"--- a/etc/-x\\x0a+++ b\n+++ b/etc/-x\\x0a+++ b\n@@ -1 +1 @@\n-a\n+b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(test_modifies),
		scene_test(test_twice_is_once),
		scene_test(test_creates_with_parents),
		scene_test(test_follows_links_inside),
		scene_test(test_keeps_attributes),
		scene_test(test_locked_files),
		scene_test(test_new_file_gets_a_label),
		scene_test(test_ntfs_access_lists),
		scene_test(test_links_and_renames),
		scene_test(test_appends),
		scene_test(test_uploads),
		scene_test(test_little_room),
		scene_test(test_no_room),
		scene_test(test_no_record_no_write),
		scene_test(test_reading_door_refuses),
		scene_test(test_directories),
		scene_test(test_hostile_name_in_a_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
