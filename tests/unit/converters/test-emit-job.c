/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole jobs with the real qemu-img: what is handed over, what is left of the pristine disk, and
 * that a run which is killed at any of its steps is repaired by the next one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "converters/emit/disk.h"
#include "converters/emit/emit.h"
#include "converters/emit/place.h"
#include "converters/emit/qimg.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"

static char *dir; /* of the test: job/, pristine.raw, converted.raw, bin/ */

static char *in(const char *name)
{
	char *path = p2v_path_join(dir, name);

	assert_non_null(path);
	return path;
}

static void run(const char *const *argv)
{
	struct p2v_err err = {0};

	if (p2v_proc_run(argv, NULL, 0, 60000, NULL, &err) < 0)
		fail_msg("%s %s: %s", argv[0], argv[1], err.text);
}

static void same_content(const char *a, const char *format, const char *b)
{
	p2v_autofree char *pa = in(a), *pb = in(b);

	run((const char *const[]){
		"qemu-img", "compare", "-q", "-f", format, "-F", "raw", pa, pb, NULL});
}

static void clean_qcow2(const char *name)
{
	p2v_autofree char *path = in(name);

	run((const char *const[]){"qemu-img", "check", "-q", "-f", "qcow2", path, NULL});
}

/* A job as conversion leaves it: 64 MiB, some of it written, some of that overwritten or zeroed. */
static int make_job(void **state)
{
	p2v_autofree char *image_dir = NULL, *work = NULL, *image = NULL, *overlay = NULL,
			  *pristine = NULL, *converted = NULL;

	(void)state;
	assert_int_equal(p2v_dir_temp("emit-test", &dir, NULL), 0);
	image_dir = in("job/image");
	work = in("job/work");
	image = in("job/image/disk0.qcow2");
	overlay = in("job/work/disk0.qcow2");
	pristine = in("pristine.raw");
	converted = in("converted.raw");
	assert_int_equal(p2v_dir_make(image_dir, 0700, NULL), 0);
	assert_int_equal(p2v_dir_make(work, 0700, NULL), 0);
	run((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", image, "64M", NULL});
	run((const char *const[]){"qemu-io", "-f", "qcow2", "-c", "write -P 1 0 24M", image, NULL});
	run((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F",
		"qcow2", overlay, NULL});
	run((const char *const[]){"qemu-io", "-f", "qcow2", "-c", "write -P 2 1M 20M", "-c",
		"write -z 22M 1M", "-c", "write -P 3 60M 64k", overlay, NULL});
	run((const char *const[]){
		"qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, pristine, NULL});
	run((const char *const[]){
		"qemu-img", "convert", "-f", "qcow2", "-O", "raw", overlay, converted, NULL});
	return 0;
}

static int remove_job(void **state)
{
	(void)state;
	p2v_dir_remove(dir);
	free(dir);
	return 0;
}

/* to: a place elsewhere, or NULL */
static int emit_to(
	bool owned, const char *format, char *to, struct output *ret, struct p2v_err *err)
{
	static const char *const overlays[] = {"work/disk0.qcow2"};
	p2v_autofree char *job = in("job"), *given_path = in("job/image/disk0.qcow2");
	p2v_autofree char *fmt = strdup(format);
	struct image_disk disk = {.id = (char[]){"disk0"},
		.path = owned ? (char[]){"image/disk0.qcow2"} : given_path,
		.format = (char[]){"qcow2"},
		.size_bytes = 64 << 20,
		.owned = owned};
	struct image image = {
		.version = 1, .name = (char[]){"web01"}, .disks = &disk, .n_disks = 1};
	struct plan_disk plan_disk = {
		.id = (char[]){"disk0"}, .bus = (char[]){"virtio-blk"}, .boot_order = 1, .to = to};
	struct plan plan = {.version = 1,
		.name = (char[]){"web01"},
		.format = fmt,
		.machine = (char[]){"q35"},
		.firmware = (char[]){"bios"},
		.disks = &plan_disk,
		.n_disks = 1};
	struct emit_request request = {
		.dir = job, .image = &image, .overlays = overlays, .plan = &plan};

	assert_int_equal(model_image_save(&image, job, STORE_IMAGE, NULL), 0);
	return emit_run(&request, ret, err);
}

static int emit(bool owned, const char *format, struct output *ret, struct p2v_err *err)
{
	return emit_to(owned, format, NULL, ret, err);
}

static void emit_ok(bool owned, const char *format, struct output *ret)
{
	struct p2v_err err = {0};

	if (emit(owned, format, ret, &err) < 0)
		fail_msg("%s", err.text);
}

static bool there(const char *name)
{
	p2v_autofree char *path = in(name);

	return p2v_file_exists(path);
}

static void handed_over(const char *file, const char *driver)
{
	p2v_autofree char *path = in(file);
	p2v_auto_qimg_info struct emit_qimg_info info = {0};

	assert_int_equal(emit_qimg_info(path, driver, NULL, &info, NULL), 0);
	assert_null(info.backing);
	same_content(file, driver, "converted.raw");
}

static void own_disk_is_merged_and_taken_back(void **state)
{
	p2v_autofree char *job = in("job");
	p2v_auto_output struct output output = {0};
	struct stat a, b;
	p2v_autofree char *image = in("job/image/disk0.qcow2"),
			  *out = in("job/output/web01-disk0.qcow2");

	(void)state;
	emit_ok(true, "qcow2", &output);
	assert_string_equal(output.disks[0].path, "output/web01-disk0.qcow2");
	assert_string_equal(output.disks[0].pristine_snapshot, EMIT_SNAPSHOT);
	handed_over("job/output/web01-disk0.qcow2", "qcow2");
	clean_qcow2("job/output/web01-disk0.qcow2");
	assert_int_equal(stat(image, &a), 0);
	assert_int_equal(stat(out, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_true(there("job/output/web01.xml"));
	assert_true(there("job/output/web01.sh"));
	assert_true(there("job/output.json"));
	assert_false(there("job/work/disk0.qcow2"));

	assert_int_equal(emit_undo(job, STORE_FACTS, NULL), 0);
	same_content("job/image/disk0.qcow2", "qcow2", "pristine.raw");
	clean_qcow2("job/image/disk0.qcow2");
	assert_false(there("job/output.json"));
	assert_false(there("job/output"));
	/* Nothing to take back: nothing happens. */
	assert_int_equal(emit_undo(job, STORE_FACTS, NULL), 0);
	same_content("job/image/disk0.qcow2", "qcow2", "pristine.raw");
}

static void given_disk_is_never_written(void **state)
{
	p2v_autofree char *image = in("job/image/disk0.qcow2");
	p2v_auto_output struct output output = {0};
	p2v_autobuf struct p2v_buf before = {0}, after = {0};

	(void)state;
	assert_int_equal(p2v_file_read(image, 1 << 28, &before, NULL), 0);
	emit_ok(false, "qcow2", &output);
	assert_null(output.disks[0].pristine_snapshot);
	handed_over("job/output/web01-disk0.qcow2", "qcow2");
	assert_int_equal(p2v_file_read(image, 1 << 28, &after, NULL), 0);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
}

static void other_formats_are_copies(void **state)
{
	static const char *const formats[] = {"raw", "vmdk", "vhdx", "vdi"};
	p2v_autofree char *saved = in("overlay"), *overlay = in("job/work/disk0.qcow2");

	(void)state;
	run((const char *const[]){"cp", overlay, saved, NULL});
	for (size_t i = 0; i < P2V_N(formats); i++) {
		p2v_autofree char *file = p2v_strf("job/output/web01-disk0.%s", formats[i]);
		p2v_auto_output struct output output = {0};

		run((const char *const[]){"cp", saved, overlay, NULL});
		emit_ok(true, formats[i], &output);
		handed_over(file, formats[i]);
		same_content("job/image/disk0.qcow2", "qcow2", "pristine.raw");
	}
}

/* What a disk is sent to: full of other bytes, and larger than it. */
static void make_place(const char *path)
{
	run((const char *const[]){"qemu-img", "create", "-q", "-f", "raw", path, "65M", NULL});
	run((const char *const[]){"qemu-io", "-f", "raw", "-c", "write -P 9 0 65M", path, NULL});
}

static void arrived(const char *place)
{
	run((const char *const[]){"truncate", "-s", "64M", place, NULL});
	same_content("place", "raw", "converted.raw");
	same_content("job/image/disk0.qcow2", "qcow2", "pristine.raw");
}

static void says(const char *name, const char *words)
{
	p2v_autofree char *path = in(name);
	p2v_autobuf struct p2v_buf text = {0};

	assert_int_equal(p2v_file_read(path, 1 << 20, &text, NULL), 0);
	p2v_buf_add(&text, "", 1);
	if (!strstr((char *)text.data, words))
		fail_msg("%s does not say %s:\n%s", path, words, (char *)text.data);
}

static void disk_goes_to_an_nbd_server(void **state)
{
	p2v_autofree char *place = in("place"), *socket = in("socket"), *job = in("job");
	p2v_autofree char *to = p2v_strf("nbd+unix:///web01?socket=%s", socket);
	p2v_autofree char *source = p2v_strf("socket='%s'", socket);
	const char *const server[] = {
		"qemu-nbd", "--persistent", "-x", "web01", "-f", "raw", "-k", socket, place, NULL};
	struct p2v_proc_spec spec = {
		.argv = server, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	p2v_auto_output struct output output = {0};
	struct p2v_err err = {0};
	pid_t pid;
	int r;

	(void)state;
	make_place(place);
	assert_int_equal(p2v_proc_start(&spec, &pid, NULL), 0);
	while (!p2v_file_exists(socket))
		usleep(10000);
	r = emit_to(true, "qcow2", to, &output, &err);
	p2v_proc_stop(pid, 5000);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_string_equal(output.disks[0].path, to);
	assert_string_equal(output.disks[0].format, "raw");
	arrived(place);
	says("job/output/web01.xml", "<source protocol='nbd' name='web01'>");
	says("job/output/web01.xml", source);
	says("job/output/web01.sh", "file.server.type=unix");
	/* The server is gone. */
	assert_int_equal(emit_undo(job, STORE_CHANGES, NULL), 0);
	assert_false(there("job/output.json"));
}

static void disk_goes_to_a_block_device(void **state)
{
	p2v_autofree char *place = in("place");
	p2v_auto_output struct output output = {0};
	p2v_autobuf struct p2v_buf device = {0};
	struct p2v_err err = {0};
	int r;

	(void)state;
	make_place(place);
	if (p2v_proc_run((const char *const[]){"losetup", "--find", "--show", place, NULL}, NULL, 0,
		    5000, &device, NULL) < 0)
		skip();
	p2v_buf_add(&device, "", 1);
	*strchrnul((char *)device.data, '\n') = '\0';
	r = emit_to(true, "qcow2", (char *)device.data, &output, &err);
	run((const char *const[]){"losetup", "--detach", (char *)device.data, NULL});
	if (r < 0)
		fail_msg("%s", err.text);
	assert_string_equal(output.disks[0].path, (char *)device.data);
	arrived(place);
	says("job/output/web01.xml", "<source dev='/dev/loop");
	says("job/output/web01.sh", "file.driver=host_device");
}

/* A device that somebody has mounted or holds, one that is too small: refused before anything is
 * written. */
static void device_that_cannot_be_taken(void **state)
{
	p2v_autofree char *place = in("place");
	p2v_autobuf struct p2v_buf device = {0};
	struct p2v_err err = {0};
	const char *path;
	int held;

	(void)state;
	make_place(place);
	if (p2v_proc_run((const char *const[]){"losetup", "--find", "--show", place, NULL}, NULL, 0,
		    5000, &device, NULL) < 0)
		skip();
	p2v_buf_add(&device, "", 1);
	path = (char *)device.data;
	*strchrnul((char *)device.data, '\n') = '\0';
	assert_int_equal(emit_place_check(path, P2V_MIB, &err), 0);
	assert_int_equal(emit_place_check(path, 1024 * P2V_GIB, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "needs 1.00 TiB"));
	held = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(held >= 0);
	p2v_err_clear(&err);
	assert_int_equal(emit_place_check(path, P2V_MIB, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "is in use"));
	close(held);
	run((const char *const[]){"losetup", "--detach", path, NULL});
	p2v_err_clear(&err);
	assert_true(emit_place_check("nbd+unix:///x?socket=/nowhere", 1, &err) < 0);
	assert_non_null(strstr(err.text, "/nowhere"));
}

static void no_place_for_a_disk(void **state)
{
	static const char *const bad[] = {"nbd://", "nbd:///export", "nbd://host:0/e",
		"nbd://host:99999/e", "nbd+unix:///e", "rbd:image", "rbd:pool/image:conf=/x",
		"/dev/a b", "nbd://host/%2e"};
	p2v_autofree char *file = in("converted.raw");
	p2v_auto_output struct output output = {0};
	struct p2v_err err = {0};

	(void)state;
	for (size_t i = 0; i < P2V_N(bad); i++) {
		p2v_autofree char *to = strdup(bad[i]);

		assert_int_equal(emit_to(true, "qcow2", to, &output, &err), P2V_EINVAL);
		assert_non_null(strstr(err.text, bad[i]));
	}
	/* What is there and is no block device stays as it is. */
	assert_int_equal(emit_to(true, "qcow2", file, &output, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "is no block device"));
	assert_false(there("job/output.json"));
	assert_true(there("job/work/disk0.qcow2"));
}

static void errors_name_the_object(void **state)
{
	p2v_auto_output struct output output = {0};
	p2v_autofree char *overlay = in("job/work/disk0.qcow2");
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(emit(true, "floppy", &output, &err), P2V_EUNSUPPORTED);
	assert_non_null(strstr(err.text, "floppy"));
	assert_int_equal(unlink(overlay), 0);
	assert_int_equal(emit(true, "qcow2", &output, &err), P2V_ENOTFOUND);
	assert_non_null(strstr(err.text, "work/disk0.qcow2"));
	/* An overlay of something else is not written into our disk. */
	run((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", overlay, "64M", NULL});
	assert_int_equal(emit(true, "qcow2", &output, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "is no overlay of"));
	assert_false(there("job/output.json"));
	assert_null(output.name);
	same_content("job/image/disk0.qcow2", "qcow2", "pristine.raw");
}

/* Stands before qemu-img in PATH and kills its caller at the n-th call. */
static void make_killer(void)
{
	static const char text[] = "#!/bin/sh\n"
				   "n=$(($(cat \"$KILLER_DIR/count\" || echo 0) + 1))\n"
				   "echo $n > \"$KILLER_DIR/count\"\n"
				   "PATH=$KILLER_PATH\n"
				   "test $n = \"$KILLER_AT\" || exec qemu-img \"$@\"\n"
				   "case $KILLER_HOW in\n"
				   "before) ;;\n"
				   "middle) timeout -s KILL 0.0$((n % 9 + 1)) qemu-img \"$@\" ;;\n"
				   "after) qemu-img \"$@\" ;;\n"
				   "esac\n"
				   "kill -9 $PPID\n";
	p2v_autofree char *bin = in("bin");

	assert_int_equal(p2v_dir_make(bin, 0700, NULL), 0);
	assert_int_equal(p2v_publish_bytes(bin, "qemu-img", text, strlen(text), 0755, NULL), 0);
}

/* True where the run was killed, false where it came through. */
static bool run_killed(const char *how, int at)
{
	p2v_autofree char *count = in("bin/count"), *bin = in("bin");
	int status;
	pid_t pid;

	unlink(count);
	pid = fork();
	if (pid == 0) {
		p2v_autofree char *path = p2v_strf("%s:%s", bin, getenv("PATH"));
		p2v_autofree char *n = p2v_strf("%d", at);
		struct output output = {0};

		setenv("KILLER_DIR", bin, 1);
		setenv("KILLER_PATH", getenv("PATH"), 1);
		setenv("KILLER_AT", n, 1);
		setenv("KILLER_HOW", how, 1);
		setenv("PATH", path, 1);
		_exit(emit(true, "qcow2", &output, NULL) < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* Kills a run at call `at`; then either repeats it or takes it back. */
static bool survive(const char *how, int at, bool undo)
{
	p2v_autofree char *job = NULL;
	struct p2v_err err = {0};
	bool killed;

	make_job(NULL);
	job = in("job");
	make_killer();
	killed = run_killed(how, at);
	if (killed && !undo) {
		p2v_auto_output struct output output = {0};

		assert_false(there("job/output.json"));
		emit_ok(true, "qcow2", &output);
	}
	if (!undo)
		handed_over("job/output/web01-disk0.qcow2", "qcow2");
	if (emit_undo(job, STORE_FACTS, &err) < 0)
		fail_msg("killed %s call %d: %s", how, at, err.text);
	same_content("job/image/disk0.qcow2", "qcow2", "pristine.raw");
	clean_qcow2("job/image/disk0.qcow2");
	remove_job(NULL);
	return killed;
}

static void killed_anywhere_is_repaired(void **state)
{
	static const char *const hows[] = {"before", "middle", "after"};

	(void)state;
	for (size_t h = 0; h < P2V_N(hows); h++)
		for (int undo = 0; undo < 2; undo++) {
			int at = 1;

			while (survive(hows[h], at, undo))
				at++;
			assert_true(at > 5);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			own_disk_is_merged_and_taken_back, make_job, remove_job),
		cmocka_unit_test_setup_teardown(disk_goes_to_an_nbd_server, make_job, remove_job),
		cmocka_unit_test_setup_teardown(disk_goes_to_a_block_device, make_job, remove_job),
		cmocka_unit_test_setup_teardown(device_that_cannot_be_taken, make_job, remove_job),
		cmocka_unit_test_setup_teardown(no_place_for_a_disk, make_job, remove_job),
		cmocka_unit_test_setup_teardown(given_disk_is_never_written, make_job, remove_job),
		cmocka_unit_test_setup_teardown(other_formats_are_copies, make_job, remove_job),
		cmocka_unit_test_setup_teardown(errors_name_the_object, make_job, remove_job),
		cmocka_unit_test(killed_anywhere_is_repaired),
	};

	if (!p2v_proc_exists("qemu-img") || !p2v_proc_exists("qemu-io")) {
		fprintf(stderr, "skipped: qemu-img and qemu-io (package qemu-utils) are missing\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
