/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include <signal.h>
#include <sys/wait.h>

#include "p2v/core/proc.h"
#include "p2v/core/stop.h"

/* The flag cannot be taken back, so each case is a process of its own, which exits with 0. */
static int status_of(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int asked_by(int signum)
{
	struct p2v_err err = {0};

	p2v_stop_install();
	if (p2v_stop_requested() || p2v_stop_check(&err) != 0)
		return 1;
	raise(signum);
	if (!p2v_stop_requested())
		return 2;
	return p2v_stop_check(&err) == P2V_ECANCELED && strcmp(err.text, "interrupted") == 0 ? 0
											     : 3;
}

static int by_int(void)
{
	return asked_by(SIGINT);
}

static int by_term(void)
{
	return asked_by(SIGTERM);
}

static int by_hup(void)
{
	/* Whoever runs the tests may have ignored it. */
	signal(SIGHUP, SIG_DFL);
	return asked_by(SIGHUP);
}

static int by_hup_under_nohup(void)
{
	signal(SIGHUP, SIG_IGN);
	p2v_stop_install();
	raise(SIGHUP);
	return p2v_stop_requested();
}

static int by_int_twice(void)
{
	p2v_stop_install();
	raise(SIGINT);
	raise(SIGINT);
	return 0;
}

static int by_pipe(void)
{
	int fds[2];

	p2v_stop_install();
	if (pipe(fds) < 0)
		return 1;
	close(fds[0]);
	return write(fds[1], "x", 1) == -1 && !p2v_stop_requested() ? 0 : 2;
}

/* A sleep and a wait come back when the request comes from outside, in the middle. */
static int in_the_middle(void)
{
	const char *const argv[] = {"sleep", "30", NULL};
	struct p2v_proc_spec spec = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	uint64_t begin = p2v_now_ms();
	pid_t pid;
	int rc;

	p2v_stop_install();
	if (p2v_proc_start(&spec, &pid, NULL) < 0)
		return 1;
	if (fork() == 0) {
		usleep(100000);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	p2v_sleep_ms(20000);
	rc = p2v_proc_wait(pid, -1, NULL, NULL);
	p2v_proc_stop(pid, 1000);
	if (p2v_now_ms() - begin > 10000)
		return 2;
	return rc == P2V_ECANCELED ? 0 : 3;
}

static int run_in_the_middle(void)
{
	const char *const argv[] = {"sleep", "30", NULL};
	uint64_t begin = p2v_now_ms();

	p2v_stop_install();
	if (fork() == 0) {
		usleep(100000);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	if (p2v_proc_run(argv, NULL, 0, -1, NULL, NULL) != P2V_ECANCELED)
		return 1;
	return p2v_now_ms() - begin > 10000 ? 2 : 0;
}

static void each_signal_asks_to_stop(void **state)
{
	(void)state;
	assert_int_equal(status_of(by_int), 0);
	assert_int_equal(status_of(by_term), 0);
	assert_int_equal(status_of(by_hup), 0);
	assert_int_equal(status_of(by_hup_under_nohup), 0);
	assert_int_equal(status_of(by_pipe), 0);
}

static void second_interrupt_kills(void **state)
{
	int status = status_of(by_int_twice);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
}

static void waits_come_back(void **state)
{
	(void)state;
	assert_int_equal(status_of(in_the_middle), 0);
	assert_int_equal(status_of(run_in_the_middle), 0);
}

static void clock_and_date(void **state)
{
	uint64_t begin = p2v_now_ms();
	char text[32];

	(void)state;
	p2v_sleep_ms(120);
	assert_true(p2v_now_ms() - begin >= 120);
	p2v_now_text(text);
	assert_int_equal(strlen(text), strlen("2026-11-23T22:57:47Z"));
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[19], 'Z');
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_signal_asks_to_stop),
		cmocka_unit_test(second_interrupt_kills),
		cmocka_unit_test(waits_come_back),
		cmocka_unit_test(clock_and_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
