/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "p2v/core/proc.h"
#include "p2v/core/stop.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct p2v_proc_spec spec_of(const char *const *argv)
{
	return (struct p2v_proc_spec){
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void output_and_input(void **state)
{
	size_t n = 300000; /* more than a pipe holds */
	p2v_autofree char *in = malloc(n);
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};

	(void)state;
	memset(in, 'x', n);
	assert_int_equal(p2v_proc_run(ARGV("cat"), in, n, 10000, &out, &err), 0);
	assert_int_equal(out.len, n);
	assert_memory_equal(out.data, in, n);
	assert_int_equal(p2v_proc_run(ARGV("true"), in, n, 10000, NULL, &err), 0);
	assert_int_equal(p2v_proc_run(ARGV("cat"), NULL, 0, 10000, &out, &err), 0);
	assert_int_equal(out.len, 0);
	assert_string_equal((char *)out.data, "");
}

static void words_are_never_a_command_line(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};

	(void)state;
	assert_int_equal(
		p2v_proc_run(ARGV("echo", "$(id);`id` | *"), NULL, 0, 10000, &out, NULL), 0);
	assert_string_equal((char *)out.data, "$(id);`id` | *\n");
}

static void failure_has_name_and_last_line(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};

	(void)state;
	p2v_buf_add_str(&out, "before");
	assert_int_equal(p2v_proc_run(ARGV("sh", "-c", "echo one >&2; echo two >&2; exit 3"), NULL,
				 0, 10000, &out, &err),
		P2V_EIO);
	assert_string_equal(err.text, "sh: exit code 3: two");
	assert_string_equal((char *)out.data, "before");
	assert_int_equal(
		p2v_proc_run(ARGV("sh", "-c", "exit 7"), NULL, 0, 10000, &out, &err), P2V_EIO);
	assert_string_equal(err.text, "sh: exit code 7");
	assert_int_equal(
		p2v_proc_run(ARGV("sh", "-c", "kill -9 $$"), NULL, 0, 10000, &out, &err), P2V_EIO);
	assert_string_equal(err.text, "sh: killed by signal 9");
	/* ssh and Perl's die end so. */
	assert_int_equal(
		p2v_proc_run(ARGV("sh", "-c", "exit 255"), NULL, 0, 10000, &out, &err), P2V_EIO);
	assert_string_equal(err.text, "sh: exit code 255");
}

static void flood_is_bounded(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_proc_run(ARGV("head", "-c", "70000000", "/dev/zero"), NULL, 0, 60000,
				 &out, &err),
		P2V_EFORMAT);
	assert_string_equal(err.text, "head: wrote more than 64 MiB");
	/* of 200 KB on stderr the last line is still the one that tells */
	assert_int_equal(p2v_proc_run(ARGV("sh", "-c",
					      "head -c 200000 /dev/zero | tr '\\0' x >&2; echo >&2;"
					      "echo why >&2; exit 1"),
				 NULL, 0, 60000, &out, &err),
		P2V_EIO);
	assert_string_equal(err.text, "sh: exit code 1: why");
}

static void timeout_ends_the_whole_group(void **state)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_err err = {0};
	uint64_t begin = p2v_now_ms();
	pid_t grandchild;

	(void)state;
	assert_int_equal(p2v_dir_temp("proc", &dir, &err), 0);
	path = p2v_path_join(dir, "pid");
	assert_int_equal(
		p2v_proc_run(ARGV("sh", "-c", "sleep 60 & echo $! >\"$1\"; wait", "sh", path), NULL,
			0, 500, NULL, &err),
		P2V_ETIMEDOUT);
	assert_has(err.text, "sh: ");
	assert_true(p2v_now_ms() - begin < 20000);
	assert_int_equal(p2v_file_read(path, 100, &text, &err), 0);
	grandchild = (pid_t)atoi((char *)text.data);
	assert_true(grandchild > 1);
	for (int i = 0; i < 100 && !is_gone(grandchild); i++)
		usleep(20000);
	assert_true(is_gone(grandchild));
	p2v_dir_remove(dir);
}

static void daemon_that_keeps_the_pipe_is_not_waited_for(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	uint64_t begin = p2v_now_ms();
	pid_t daemon;

	(void)state;
	assert_int_equal(
		p2v_proc_run(ARGV("sh", "-c", "sleep 30 & echo $!"), NULL, 0, 20000, &out, NULL),
		0);
	assert_true(p2v_now_ms() - begin < 10000);
	daemon = (pid_t)atoi((char *)out.data);
	assert_true(daemon > 1);
	kill(daemon, SIGKILL);
}

static void missing_program_is_not_found(void **state)
{
	p2v_autofree char *dir = NULL, *script = NULL;
	struct p2v_proc_spec spec = spec_of(ARGV("no-such-program-here"));
	struct p2v_err err = {0};
	pid_t pid = 7;

	(void)state;
	assert_int_equal(p2v_proc_start(&spec, &pid, &err), P2V_ENOTFOUND);
	assert_string_equal(err.text, "no-such-program-here: not installed");
	spec.argv = ARGV("/no/such/program");
	assert_int_equal(p2v_proc_start(&spec, &pid, &err), P2V_ENOTFOUND);
	assert_has(err.text, "/no/such/program");
	spec.argv = ARGV("true");
	spec.cwd = "/no/such/dir";
	assert_int_equal(p2v_proc_start(&spec, &pid, &err), P2V_ENOTFOUND);
	assert_has(err.text, "/no/such/dir");
	/* no interpreter line: execvp would hand it to a shell */
	assert_int_equal(p2v_dir_temp("proc", &dir, &err), 0);
	assert_int_equal(p2v_publish_bytes(dir, "script", "exit 0\n", 7, 0700, &err), 0);
	script = p2v_path_join(dir, "script");
	spec = spec_of(ARGV(script));
	assert_int_equal(p2v_proc_start(&spec, &pid, &err), P2V_EIO);
	assert_int_equal(pid, 7);
	p2v_dir_remove(dir);
	assert_true(p2v_proc_exists("sh"));
	assert_true(p2v_proc_exists("/bin/sh"));
	assert_false(p2v_proc_exists("no-such-program-here"));
	assert_false(p2v_proc_exists("/tmp"));
	assert_false(p2v_proc_exists(""));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
}

/* What a program prints when it is started with spec's other wishes; malloc'd. */
static char *output_of(struct p2v_proc_spec *spec)
{
	struct p2v_buf text = {0};
	char chunk[4096];
	int fds[2], status = -1;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	spec->stdout_fd = fds[1];
	assert_int_equal(p2v_proc_start(spec, &pid, NULL), 0);
	close(fds[1]);
	while ((n = read(fds[0], chunk, sizeof(chunk))) > 0)
		p2v_buf_add(&text, chunk, (size_t)n);
	close(fds[0]);
	assert_int_equal(p2v_proc_wait(pid, 10000, &status, NULL), 0);
	assert_int_equal(status, 0);
	return p2v_buf_take_str(&text);
}

static void only_given_descriptors_are_inherited(void **state)
{
	int leaked = fcntl(STDERR_FILENO, F_DUPFD, 40); /* no FD_CLOEXEC */
	int given = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 50);
	const int keep[] = {given, -1};
	struct p2v_proc_spec spec = spec_of(ARGV("sh", "-c", "cd /proc/self/fd && echo *"));
	p2v_autofree char *text = NULL, *want = NULL, *word = NULL;

	(void)state;
	spec.keep_fds = keep;
	text = output_of(&spec);
	want = p2v_strf(" %d", given);
	word = p2v_strf(" %d", leaked);
	assert_has(text, "0 1 2");
	assert_has(text, want);
	assert_null(strstr(text, word));
	close(leaked);
	close(given);
}

static void crossed_descriptors_are_untangled(void **state)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	int saved0 = dup(0), saved1 = dup(1), fds[2], status = -1;
	struct p2v_proc_spec spec = spec_of(ARGV("cat"));
	char chunk[16] = "";
	pid_t pid = 0;
	ssize_t n;
	int rc;

	(void)state;
	assert_int_equal(p2v_dir_temp("proc", &dir, NULL), 0);
	path = p2v_path_join(dir, "in");
	assert_int_equal(p2v_publish_bytes(dir, "in", "abc", 3, 0600, NULL), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	/* its stdin is our 1, its stdout our 0 */
	dup2(fds[1], 0);
	close(fds[1]);
	fds[1] = open(path, O_RDONLY | O_CLOEXEC);
	dup2(fds[1], 1);
	spec.stdin_fd = 1;
	spec.stdout_fd = 0;
	rc = p2v_proc_start(&spec, &pid, NULL);
	dup2(saved0, 0);
	dup2(saved1, 1);
	close(saved0);
	close(saved1);
	close(fds[1]);
	assert_int_equal(rc, 0);
	n = read(fds[0], chunk, sizeof(chunk) - 1);
	assert_int_equal(n, 3);
	assert_string_equal(chunk, "abc");
	close(fds[0]);
	assert_int_equal(p2v_proc_wait(pid, 10000, &status, NULL), 0);
	p2v_dir_remove(dir);
}

static void environment_and_directory(void **state)
{
	struct p2v_proc_spec spec =
		spec_of(ARGV("sh", "-c", "echo $P2V_A,$P2V_B,$P2V_C; pwd; ulimit -c >/dev/null"));
	p2v_autofree char *text = NULL;

	(void)state;
	setenv("P2V_A", "old", 1);
	setenv("P2V_B", "kept", 1);
	spec.setenv = ARGV("P2V_A=new", "P2V_C=x y");
	spec.cwd = "/usr";
	text = output_of(&spec);
	assert_string_equal(text, "new,kept,x y\n/usr\n");
}

static void signals_are_default_in_the_child(void **state)
{
	struct p2v_proc_spec spec =
		spec_of(ARGV("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"));
	p2v_autofree char *text = NULL;
	unsigned long long blocked, ignored;
	sigset_t mask, before;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, &before);
	text = output_of(&spec);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* Signals 32 and 33 are the C library's own: nobody can set them, but they can be
	 * inherited. */
	assert_int_equal(sscanf(text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	assert_int_equal(blocked & ~0x180000000ULL, 0);
	assert_int_equal(ignored & ~0x180000000ULL, 0);
}

/* Limits, no way to more rights, and as root another user, who still dies with us. */
static void a_confined_child(void **state)
{
	const struct p2v_proc_confine confine = {.no_new_privs = true,
		.uid = geteuid() == 0 ? 65534 : 0,
		.gid = geteuid() == 0 ? 65534 : 0,
		.memory_bytes = UINT64_C(1) << 32,
		.files = 77,
		.nice = 3};
	struct p2v_proc_spec spec = spec_of(ARGV("cat", "/proc/self/status", "/proc/self/limits"));
	char text[16384] = "";
	int fds[2], status = -1;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	spec.stdout_fd = fds[1];
	spec.confine = &confine;
	assert_int_equal(p2v_proc_start(&spec, &pid, NULL), 0);
	close(fds[1]);
	while ((got = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(fds[0]);
	assert_int_equal(p2v_proc_wait(pid, 10000, &status, NULL), 0);
	assert_int_equal(status, 0);
	assert_has(text, "NoNewPrivs:\t1");
	assert_has(text, "Max open files            77 ");
	assert_has(text, "Max address space         4294967296 ");
	assert_has(text, "Max core file size        0 ");
	if (geteuid() == 0) {
		assert_has(text, "Uid:\t65534\t65534\t65534\t65534");
		assert_has(text, "Groups:\t \n");
	}
}

static void wait_is_bounded_and_stop_is_sure(void **state)
{
	/* Deaf to SIGTERM; ready once the line has come. */
	struct p2v_proc_spec spec =
		spec_of(ARGV("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"));
	int fds[2], status = -1;
	uint64_t begin;
	char chunk[16];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	spec.stdout_fd = fds[1];
	assert_int_equal(p2v_proc_start(&spec, &pid, NULL), 0);
	close(fds[1]);
	assert_true(read(fds[0], chunk, sizeof(chunk)) > 0);
	close(fds[0]);
	assert_int_equal(getpgid(pid), pid);
	begin = p2v_now_ms();
	assert_int_equal(p2v_proc_wait(pid, 150, &status, NULL), P2V_ETIMEDOUT);
	assert_true(p2v_now_ms() - begin >= 150);
	assert_int_equal(status, -1);
	assert_false(is_gone(pid));
	p2v_proc_stop(pid, 100);
	assert_true(is_gone(pid));
	p2v_proc_stop(pid, 100);
	p2v_proc_stop(0, 100);
	p2v_proc_stop(-1, 100);
}

static void status_is_code_or_signal(void **state)
{
	struct p2v_proc_spec spec = spec_of(ARGV("sh", "-c", "exit 42"));
	int status = -1;
	pid_t pid;

	(void)state;
	assert_int_equal(p2v_proc_start(&spec, &pid, NULL), 0);
	assert_int_equal(p2v_proc_wait(pid, -1, &status, NULL), 0);
	assert_int_equal(status, 42);
	spec.argv = ARGV("sh", "-c", "kill -TERM $$");
	assert_int_equal(p2v_proc_start(&spec, &pid, NULL), 0);
	assert_int_equal(p2v_proc_wait(pid, 10000, &status, NULL), 0);
	assert_int_equal(status, P2V_PROC_SIGNAL + SIGTERM);
	assert_int_equal(p2v_proc_wait(pid, 10000, &status, NULL), P2V_EIO); /* reaped already */
}

static void child_dies_with_its_parent(void **state)
{
	int fds[2];
	pid_t parent, child = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	parent = fork();
	if (parent == 0) {
		struct p2v_proc_spec spec = spec_of(ARGV("sleep", "60"));

		if (p2v_proc_start(&spec, &child, NULL) < 0 ||
			write(fds[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
		_exit(0);
	}
	assert_int_equal(read(fds[0], &child, sizeof(child)), sizeof(child));
	close(fds[0]);
	close(fds[1]);
	waitpid(parent, NULL, 0);
	/* Reparented; its new parent may reap late, so a zombie counts as dead. */
	for (int i = 0; i < 250; i++) {
		p2v_autofree char *path = p2v_strf("/proc/%d/stat", (int)child);
		p2v_autobuf struct p2v_buf text = {0};

		if (p2v_file_read(path, 4096, &text, NULL) < 0 || strstr((char *)text.data, ") Z"))
			return;
		usleep(20000);
	}
	kill(child, SIGKILL);
	fail_msg("the child outlived its parent");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_input),
		cmocka_unit_test(words_are_never_a_command_line),
		cmocka_unit_test(failure_has_name_and_last_line),
		cmocka_unit_test(flood_is_bounded),
		cmocka_unit_test(timeout_ends_the_whole_group),
		cmocka_unit_test(daemon_that_keeps_the_pipe_is_not_waited_for),
		cmocka_unit_test(missing_program_is_not_found),
		cmocka_unit_test(only_given_descriptors_are_inherited),
		cmocka_unit_test(crossed_descriptors_are_untangled),
		cmocka_unit_test(environment_and_directory),
		cmocka_unit_test(signals_are_default_in_the_child),
		cmocka_unit_test(a_confined_child),
		cmocka_unit_test(wait_is_bounded_and_stop_is_sure),
		cmocka_unit_test(status_is_code_or_signal),
		cmocka_unit_test(child_dies_with_its_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
