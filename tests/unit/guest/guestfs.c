/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The appliance's door over a small hostile ext4 disk: it must say what the directory's door says.
 * Skipped (77) where the appliance does not start or the disk cannot be made.
 */
#include "tests/unit/guest/scene.h"

#include <signal.h>
#include <sys/sysmacros.h>

#include "p2v/core/proc.h"
#include "p2v/guest/accel.h"

static char *top, *image;
static struct guest *g;
static struct p2v_err err;

static int run(const char *const *argv)
{
	return p2v_proc_run(argv, NULL, 0, 60000, NULL, &err);
}

static int make_root(const char *root)
{
	struct scene s = {.root = strdup(root)};
	p2v_autofree char *zero = NULL, *unit = NULL;
	int rc;

	make_dir_at(&s, "/etc");
	make_dir_at(&s, "/dev");
	make_dir_at(&s, "/boot");
	make_file_at(&s, "/etc/hostname", "web01\n");
	make_file_at(&s, "/etc/a\nb\xff", "12");
	make_file_at(&s, "/secret", "inside\n");
	make_link_at(&s, "../../../secret", "/etc/up");
	make_link_at(&s, "loop", "/etc/loop");
	make_link_at(&s, "/dev/zero", "/etc/fstab");
	make_link_at(&s, "hostname", "/etc/name");
	zero = on_host(&s, "/dev/zero");
	unit = on_host(&s, "/etc/hostname");
	rc = mknod(zero, S_IFCHR | 0666, makedev(1, 5));
	assert_int_equal(chmod(unit, 04640), 0);
	free(s.root);
	return rc;
}

/* debugfs(8) on the partition. */
static int debugfs(const char *request, struct p2v_buf *out)
{
	p2v_autofree char *part = p2v_strf("%s?offset=1048576", image);
	const char *const argv[] = {"debugfs", "-w", "-R", request, part, NULL};

	return p2v_proc_run(argv, NULL, 0, 60000, out, &err);
}

/* One partition on an MBR disk, made without root's loop devices: mkfs writes at an offset. */
static int make_disk(void)
{
	p2v_autofree char *root = p2v_path_join(top, "root");
	p2v_autofree char *part = NULL;
	static const char table[] = "label: dos\nlabel-id: 0x12345678\nstart=2048, type=83\n";
	const char *const sfdisk[] = {"sfdisk", "-q", image, NULL};
	const char *const mkfs[] = {"mkfs.ext4", "-q", "-F", "-L", "the root", "-M", "/srv", "-U",
		"11111111-2222-3333-4444-555555555555", "-E", "offset=1048576", "-d", root, image,
		"30M", NULL};
	int fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, 32 << 20) < 0)
		return -1;
	close(fd);
	if (make_root(root) < 0 ||
		p2v_proc_run(sfdisk, table, sizeof(table) - 1, 60000, NULL, &err) < 0)
		return -1;
	if (run(mkfs) < 0)
		return -1;
	/* As chattr +i leaves it, in extents. */
	return debugfs("set_inode_field /etc/hostname flags 0x80010", NULL);
}

static int open_door(bool writable, int call_timeout_ms)
{
	struct guest_disk disk = {image, "raw"};
	struct guest_accel_result accel;
	struct guest_options o = {.disks = &disk,
		.n_disks = 1,
		.writable = writable,
		.call_timeout_ms = call_timeout_ms};
	int rc = guest_accel_find(&accel, &err);

	if (rc < 0)
		return rc;
	o.use_kvm = accel.accel == GUEST_ACCEL_KVM;
	return guest_open_disks(&o, &g, &err);
}

static void test_storage(void **state)
{
	struct guest_storage s = {0};
	const struct guest_volume *p;

	(void)state;
	assert_int_equal(guest_storage_list(g, &s, &err), 0);
	assert_int_equal(s.n_volumes, 2);
	assert_string_equal(s.volumes[0].part_table, "dos");
	assert_int_equal(s.volumes[0].size_bytes, 32 << 20);
	p = &s.volumes[1];
	assert_int_equal(p->type, GUEST_VOLUME_PART);
	assert_string_equal(p->device, "/dev/sda1");
	assert_string_equal(p->kind, "ext4");
	assert_string_equal(p->uuid, "11111111-2222-3333-4444-555555555555");
	assert_string_equal(p->label, "the root");
	assert_string_equal(p->mounted_at, "/srv");
	assert_string_equal(p->partuuid, "12345678-01");
	assert_string_equal(p->part_type, "0x83");
	assert_int_equal(p->part, 1);
	assert_int_equal(p->disk, 0);
	assert_int_equal(p->offset_bytes, 1048576);
	guest_storage_finish(&s);
	assert_int_not_equal(guest_mount(g, "/dev/sda7", "/", NULL, true, &err), 0);
	assert_non_null(strstr(err.text, "/dev/sda7"));
	assert_int_equal(guest_mount(g, "/dev/sda1", "/", NULL, false, &err), 0);
}

static void expect_read(const char *path, int rc, const char *text)
{
	p2v_autobuf struct p2v_buf buf = {0};

	p2v_err_clear(&err);
	assert_int_equal(guest_read_file(g, path, 4096, &buf, &err), rc);
	assert_string_equal(rc == 0 ? (char *)buf.data : err.text, text);
}

static void test_reads(void **state)
{
	struct guest_dir d = {0};

	(void)state;
	expect_read("/etc/hostname", 0, "web01\n");
	expect_read("/etc/up", 0, "inside\n");
	expect_read("/etc/fstab", P2V_EFORMAT, "/etc/fstab: is a character device, not a file");
	expect_read("/etc/loop", P2V_EFORMAT, "/etc/loop: symbolic links lead round in a circle");
	expect_read("/etc", P2V_EFORMAT, "/etc: is a directory, not a file");
	assert_int_equal(guest_read_file(g, "/etc/none", 1, NULL, &err), P2V_ENOTFOUND);
	assert_int_equal(guest_list_dir(g, "/etc", NULL, 100, &d, &err), 0);
	assert_int_equal(d.n_entries, 6);
	assert_string_equal(d.entries[0].name, "a\nb\xff");
	assert_int_equal(d.entries[0].st.size_bytes, 2);
	assert_int_equal(d.entries[1].st.type, GUEST_LINK);
	guest_dir_finish(&d);
	assert_int_equal(guest_list_dir(g, "/etc", NULL, 3, &d, &err), P2V_EFORMAT);
}

/* The file system has room for what /boot/initrd grows by, and not for a second one. */
static void grow_in_little_room(FILE *f, size_t n)
{
	static char more[(1 << 20) + 10];
	p2v_autofclose FILE *fill = tmpfile();
	struct guest_stat st;
	uint64_t room;

	assert_int_equal(guest_free_bytes(g, "/boot", &room, &err), 0);
	assert_int_equal(ftruncate(fileno(fill), (off_t)(room - (2 << 20))), 0);
	assert_int_equal(guest_upload(g, fileno(fill), "/boot/fill", 0600, "x", &err), 0);
	assert_int_equal(ftruncate(fileno(f), (off_t)n), 0);
	memset(more, 'm', sizeof(more));
	assert_int_equal(pwrite(fileno(f), more, sizeof(more), (off_t)n), (ssize_t)sizeof(more));
	assert_int_equal(guest_upload(g, fileno(f), "/boot/initrd", 0600, "x", &err), 0);
	assert_int_equal(guest_stat(g, "/boot/initrd", &st, &err), 0);
	assert_int_equal(st.size_bytes, n + sizeof(more));
	assert_int_equal(st.mode, 0600);
	/* What is there is what was to be: nothing to do. */
	assert_int_equal(guest_upload(g, fileno(f), "/boot/initrd", 0600, "x", &err), 0);
	assert_int_equal(guest_changes(g).n_items, 6);
}

static void test_writes(void **state)
{
	static char block[3 << 20];
	p2v_autofclose FILE *f = tmpfile();
	struct guest_changes c;
	struct guest_stat st;
	size_t n = sizeof(block);

	(void)state;
	assert_int_equal(guest_write_file(g, "/etc/name", "new\n", 4, 0644, "x", &err), 0);
	expect_read("/etc/hostname", 0, "new\n");
	assert_int_equal(guest_stat(g, "/etc/hostname", &st, &err), 0);
	assert_int_equal(st.mode, 04640);
	assert_int_equal(guest_write_file(g, "/usr/lib/x", "1", 1, 0600, "x", &err), 0);
	assert_int_equal(guest_stat(g, "/usr/lib/x", &st, &err), 0);
	assert_int_equal(st.mode, 0600);
	memset(block, 0x5a, n);
	assert_int_equal(pwrite(fileno(f), block, n, 0), (ssize_t)n);
	assert_int_equal(guest_upload(g, fileno(f), "/boot/initrd", 0600, "x", &err), 0);
	assert_int_equal(pwrite(fileno(f), "more", 4, (off_t)n), 4);
	assert_int_equal(guest_upload(g, fileno(f), "/boot/initrd", 0600, "x", &err), 0);
	assert_int_equal(ftruncate(fileno(f), 100 << 20), 0);
	assert_int_equal(guest_upload(g, fileno(f), "/boot/huge", 0600, "x", &err), P2V_ENOSPC);
	grow_in_little_room(f, n + 4);
	assert_int_equal(guest_symlink(g, "/dev/null", "/etc/unit", "x", &err), 0);
	assert_int_equal(guest_remove(g, "/etc/up", "x", &err), 0);
	c = guest_changes(g);
	assert_int_equal(c.n_items, 8);
	assert_string_equal(c.items[0].path, "/etc/hostname");
	assert_int_equal(c.items[4].after_bytes, n + 4 + (1 << 20) + 10);
	assert_int_equal(c.items[7].action, GUEST_DELETE);
}

/* What was written is there after the door is closed; a reading door changes no byte. */
static void test_again(void **state)
{
	p2v_autobuf struct p2v_buf before = {0}, after = {0}, inode = {0};

	(void)state;
	assert_int_equal(guest_close(g, &err), 0);
	g = NULL;
	assert_int_equal(debugfs("stat /etc/hostname", &inode), 0);
	assert_non_null(strstr((char *)inode.data, "Flags: 0x80010"));
	assert_int_equal(p2v_file_read(image, 64 << 20, &before, &err), 0);
	assert_int_equal(open_door(false, 0), 0);
	assert_int_equal(guest_mount(g, "/dev/sda1", "/", NULL, true, &err), 0);
	expect_read("/etc/hostname", 0, "new\n");
	assert_int_equal(guest_write_file(g, "/etc/x", "x", 1, 0644, "x", &err), P2V_EREFUSED);
	assert_int_equal(guest_close(g, &err), 0);
	g = NULL;
	assert_int_equal(p2v_file_read(image, 64 << 20, &after, &err), 0);
	assert_memory_equal(before.data, after.data, before.len);
}

/* The appliance's QEMU: a child of this thread. */
static pid_t find_qemu(void)
{
	p2v_autofclose FILE *f = fopen("/proc/thread-self/children", "re");
	int pid, found = 0;

	assert_non_null(f);
	while (fscanf(f, "%d", &pid) == 1) {
		p2v_autofree char *path = p2v_strf("/proc/%d/comm", pid);
		p2v_autobuf struct p2v_buf name = {0};

		if (p2v_file_read(path, 64, &name, NULL) == 0 &&
			strncmp((char *)name.data, "qemu", 4) == 0)
			found = pid;
	}
	return found;
}

/* An appliance that does not answer is ended, and each later call fails. */
static void test_hang(void **state)
{
	struct guest_stat st;
	pid_t qemu;

	(void)state;
	assert_int_equal(open_door(false, 3000), 0);
	qemu = find_qemu();
	assert_true(qemu > 0);
	assert_int_equal(kill(qemu, SIGSTOP), 0);
	p2v_err_clear(&err);
	assert_int_equal(guest_stat(g, "/etc", &st, &err), P2V_ETIMEDOUT);
	assert_non_null(strstr(err.text, "did not answer within 3 s"));
	assert_int_equal(guest_mount(g, "/dev/sda1", "/", NULL, true, &err), P2V_ETIMEDOUT);
	guest_free(g);
	g = NULL;
	assert_int_equal(kill(qemu, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storage),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_hang),
	};
	int rc = 77;

	if (p2v_dir_temp("guestfs-test", &top, &err) < 0)
		return 77;
	image = p2v_path_join(top, "disk.img");
	if (make_disk() < 0)
		printf("skipped: the test disk cannot be made here: %s\n", err.text);
	else if (open_door(true, 0) < 0)
		printf("skipped: %s\n", err.text);
	else
		rc = cmocka_run_group_tests(tests, NULL, NULL);
	guest_free(g);
	p2v_dir_remove(top);
	free(top);
	free(image);
	return rc;
}
