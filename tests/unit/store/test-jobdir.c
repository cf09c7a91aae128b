/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/snapshot.h"

static char *dir;

static int setup(void **state)
{
	(void)state;
	return p2v_dir_temp("jobdir-test", &dir, NULL);
}

static int teardown(void **state)
{
	(void)state;
	p2v_dir_remove(dir);
	free(dir);
	return 0;
}

static void put(const char *sub, const char *name)
{
	p2v_autofree char *in = sub ? p2v_path_join(dir, sub) : strdup(dir);

	assert_int_equal(p2v_dir_make(in, 0700, NULL), 0);
	assert_int_equal(p2v_publish_bytes(in, name, "x", 1, 0600, NULL), 0);
}

static bool there(const char *name)
{
	p2v_autofree char *path = p2v_path_join(dir, name);

	return access(path, F_OK) == 0;
}

static void fill(void)
{
	put(NULL, STORE_MACHINE);
	put(NULL, STORE_IMAGE);
	put(STORE_IMAGE_DIR, "disk0.qcow2");
	put(NULL, STORE_FACTS);
	put(NULL, STORE_PLAN);
	put(NULL, STORE_CHANGES);
	put(STORE_CHANGES_DIR, "0001.diff");
	put(STORE_WORK_DIR, "disk0.qcow2");
	put(NULL, STORE_OUTPUT);
	put(STORE_OUTPUT_DIR, "web01.sh");
	put(NULL, STORE_PROOF);
	put(STORE_PROOF_DIR, "serial.log");
}

static void drop_output_keeps_what_it_is_made_from(void **state)
{
	(void)state;
	fill();
	assert_int_equal(store_jobdir_drop_from(dir, STORE_OUTPUT, NULL), 0);
	assert_false(there(STORE_PROOF));
	assert_false(there(STORE_PROOF_DIR));
	assert_false(there(STORE_OUTPUT));
	assert_false(there(STORE_OUTPUT_DIR));
	assert_true(there(STORE_WORK_DIR "/disk0.qcow2"));
	assert_true(there(STORE_CHANGES));
	/* Again: nothing is there, nothing is wrong. */
	assert_int_equal(store_jobdir_drop_from(dir, STORE_OUTPUT, NULL), 0);
}

static void write_changes(void)
{
	static const char text[] =
		"{\"version\":1,\"name\":\"web01\",\"changes\":[{\"path\":\"/a\","
		"\"action\":\"modify\",\"kind\":\"text\",\"reason\":\"r\","
		"\"diff\":\"changes/0001.diff\"}]}";

	fill();
	assert_int_equal(
		p2v_publish_bytes(dir, STORE_CHANGES, text, sizeof(text) - 1, 0600, NULL), 0);
}

static void what_is_taken_back_is_kept_as_changes(void **state)
{
	p2v_auto_snapshots struct snapshots all = {0};
	p2v_auto_changes struct changes changes = {0};

	(void)state;
	write_changes();
	assert_int_equal(store_jobdir_drop_from(dir, STORE_FACTS, NULL), 0);
	assert_false(there(STORE_CHANGES));
	assert_false(there(STORE_CHANGES_DIR));
	assert_true(there(STORE_HISTORY_DIR "/1/changes/0001.diff"));
	write_changes();
	/* To make the output anew takes nothing back. */
	assert_int_equal(store_jobdir_drop_from(dir, STORE_OUTPUT, NULL), 0);
	assert_false(there(STORE_HISTORY_DIR "/2"));
	assert_int_equal(store_jobdir_drop_from(dir, STORE_CHANGES, NULL), 0);
	write_changes();
	assert_int_equal(store_snapshots_load(dir, &all, NULL), 0);
	assert_int_equal(all.n_snapshots, 4);
	assert_string_equal(all.snapshots[0].name, "pristine");
	assert_string_equal(all.snapshots[2].name, "conversion-2");
	assert_string_equal(all.snapshots[2].state, "taken back");
	assert_string_equal(all.snapshots[3].name, "conversion-3");
	assert_int_equal(store_snapshot_changes(dir, "conversion-2", &changes, NULL), 0);
	assert_string_equal(changes.changes[0].diff, "history/2/changes/0001.diff");
	model_changes_finish(&changes);
	assert_int_equal(
		store_snapshot_changes(dir, "conversion-4", &changes, NULL), P2V_ENOTFOUND);
	assert_int_equal(store_snapshot_changes(dir, "../x", &changes, NULL), P2V_ENOTFOUND);
}

static void drop_facts_keeps_the_image(void **state)
{
	static const char *const gone[] = {STORE_FACTS, STORE_PLAN, STORE_CHANGES,
		STORE_CHANGES_DIR, STORE_WORK_DIR, STORE_OUTPUT, STORE_OUTPUT_DIR, STORE_PROOF,
		STORE_PROOF_DIR};

	(void)state;
	fill();
	assert_int_equal(store_jobdir_drop_from(dir, STORE_FACTS, NULL), 0);
	for (size_t i = 0; i < P2V_N(gone); i++)
		assert_false(there(gone[i]));
	assert_true(there(STORE_MACHINE));
	assert_true(there(STORE_IMAGE));
	assert_true(there(STORE_IMAGE_DIR "/disk0.qcow2"));
}

static void drop_refuses_the_source_and_strangers(void **state)
{
	struct p2v_err err = {0};

	(void)state;
	fill();
	assert_int_equal(store_jobdir_drop_from(dir, STORE_IMAGE, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, STORE_IMAGE));
	assert_int_equal(store_jobdir_drop_from(dir, STORE_RECEIPT, &err), P2V_EREFUSED);
	assert_int_equal(store_jobdir_drop_from(dir, "../etc", &err), P2V_EINVAL);
	assert_true(there(STORE_PROOF));
}

static void open_makes_parents_and_locks(void **state)
{
	p2v_autofree char *job = p2v_path_join(dir, "a/b");
	struct p2v_err err = {0};
	int fd = -1, other = -7, status;
	pid_t pid;

	(void)state;
	assert_int_equal(store_jobdir_open(job, &fd, &err), 0);
	assert_true(fd >= 0);
	pid = fork();
	if (pid == 0) {
		int r = store_jobdir_open(job, &other, &err);

		_exit(r == P2V_EREFUSED && other == -7 && strstr(err.text, job) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
	assert_int_equal(store_jobdir_open(job, &fd, &err), 0);
	close(fd);
}

static void open_names_what_is_in_the_way(void **state)
{
	p2v_autofree char *job = p2v_path_join(dir, "file/job");
	struct p2v_err err = {0};
	int fd = -1;

	(void)state;
	put(NULL, "file");
	assert_true(store_jobdir_open(job, &fd, &err) < 0);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.text, "file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			drop_output_keeps_what_it_is_made_from, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_taken_back_is_kept_as_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(drop_facts_keeps_the_image, setup, teardown),
		cmocka_unit_test_setup_teardown(
			drop_refuses_the_source_and_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(open_makes_parents_and_locks, setup, teardown),
		cmocka_unit_test_setup_teardown(open_names_what_is_in_the_way, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
