/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "p2v/core/proc.h"

#define NOBODY 65534

/* A program that looks around in BASE, whose only directory for it is BASE/mine. */
static const char look[] =
	"ls \"$1\"; grep -c : /proc/net/dev; sed -n 's/^ *\\(.*\\):.*/\\1/p' /proc/net/dev; id -u; "
	": > \"$1/mine/made\"; ! touch \"$1/new\" 2> /dev/null";

static void program_run(
	const char *base, const struct p2v_proc_confine *confine, char *text, size_t n)
{
	const char *const argv[] = {"sh", "-c", look, "sh", base, NULL};
	struct p2v_proc_spec spec = {
		.argv = argv, .stdin_fd = -1, .stderr_fd = STDERR_FILENO, .confine = confine};
	int fds[2], status = -1;
	struct p2v_err err = {0};
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	spec.stdout_fd = fds[1];
	if (p2v_proc_start(&spec, &pid, &err) < 0)
		fail_msg("%s", err.text);
	close(fds[1]);
	assert_int_equal(p2v_proc_wait(pid, 10000, &status, NULL), 0);
	assert_int_equal(status, 0);
	got = read(fds[0], text, n - 1);
	assert_true(got > 0);
	text[got] = '\0';
	close(fds[0]);
}

/* uid: as whom the program is to run; 0: as we do. */
static void look_around(uid_t uid)
{
	p2v_autofree char *base = NULL, *mine = NULL, *other = NULL, *made = NULL;
	struct p2v_proc_confine confine = {
		.no_new_privs = true, .no_network = true, .uid = uid, .gid = uid};
	char text[4096], want[64];

	assert_int_equal(p2v_dir_temp("apart-test", &base, NULL), 0);
	confine.alone = mine = p2v_path_join(base, "mine");
	other = p2v_path_join(base, "other");
	made = p2v_path_join(mine, "made");
	assert_int_equal(p2v_dir_make(other, 0755, NULL) | p2v_dir_make(mine, 0755, NULL), 0);
	assert_int_equal(chmod(base, 0755) | (uid ? chown(mine, uid, uid) : 0), 0);
	program_run(base, &confine, text, sizeof(text));
	snprintf(want, sizeof(want), "mine\n1\nlo\n%u\n", uid ? uid : geteuid());
	assert_string_equal(text, want);
	/* We see what it made, and still what it did not see. */
	assert_true(p2v_file_exists(made) && p2v_file_exists(other));
	p2v_dir_remove(base);
}

static bool namespaces_are_allowed(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void need_namespaces(void)
{
	if (namespaces_are_allowed())
		return;
	print_message("this system lets us make no namespaces\n");
	skip();
}

static void as_another_user(void **state)
{
	(void)state;
	need_namespaces();
	look_around(NOBODY);
}

static void as_we_are(void **state)
{
	(void)state;
	need_namespaces();
	look_around(0);
}

static void no_such_directory(void **state)
{
	const char *const argv[] = {"true", NULL};
	struct p2v_proc_confine confine = {.no_new_privs = true, .alone = "/nowhere/at/all"};
	const struct p2v_proc_spec spec = {.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.confine = &confine};
	struct p2v_err err = {0};
	pid_t pid;

	(void)state;
	need_namespaces();
	assert_int_equal(p2v_proc_start(&spec, &pid, &err), P2V_ENOTFOUND);
	assert_has(err.text, "namespaces");
	confine.alone = "/";
	assert_int_equal(p2v_proc_start(&spec, &pid, &err), P2V_EINVAL);
	assert_int_equal(p2v_proc_start(&spec, &pid, NULL), P2V_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_we_are),
		cmocka_unit_test(as_another_user),
		cmocka_unit_test(no_such_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
