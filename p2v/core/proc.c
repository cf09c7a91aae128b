/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/apart.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

/* How often a wait looks whether a stop was requested. */
#define SLICE_MS 100

/*
 * Everything that the child needs, made before fork: between fork and exec a child of a threaded
 * program may call async-signal-safe functions only, so no malloc and no PATH search there.
 */
struct launch {
	const struct p2v_proc_spec *spec;
	struct apart apart;
	char *path;
	const char **env;
	int null_fd;
	int report[2]; /* the child writes its struct report; exec closes it */
	pid_t parent;
};

enum step { STEP_FDS, STEP_CWD, STEP_CONFINE, STEP_EXEC };

struct report {
	int errnum;
	enum step step;
};

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The file that `program` means, malloc'd; NULL where there is none (or no memory). */
static char *program_find(const char *program)
{
	const char *dir = getenv("PATH");

	if (strchr(program, '/'))
		return strdup(program);
	if (!dir || !*dir)
		dir = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	while (*program && dir) {
		const char *colon = strchrnul(dir, ':');
		p2v_autofree char *path = NULL;

		/* An empty entry would mean the current directory; it is not searched. */
		if (colon > dir)
			path = p2v_strf("%.*s/%s", (int)(colon - dir), dir, program);
		if (path && is_program(path))
			return p2v_steal(path);
		dir = *colon ? colon + 1 : NULL;
	}
	return NULL;
}

bool p2v_proc_exists(const char *program)
{
	p2v_autofree char *path = program_find(program);

	return path && is_program(path);
}

/* True where `add` (NULL-terminated) has a "NAME=" as at the start of entry. */
static bool is_overridden(const char *entry, const char *const *add)
{
	size_t n = strcspn(entry, "=");

	for (; add && *add; add++)
		if (strcspn(*add, "=") == n && strncmp(entry, *add, n) == 0)
			return true;
	return false;
}

static const char **env_new(const char *const *add)
{
	size_t n = 0, n_add = 0, at = 0;
	const char **env;

	while (environ && environ[n])
		n++;
	while (add && add[n_add])
		n_add++;
	env = calloc(n + n_add + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (!is_overridden(environ[i], add))
			env[at++] = environ[i];
	for (size_t i = 0; env && i < n_add; i++)
		env[at++] = add[i];
	return env;
}

/* ---- in the child ---- */

static void signals_reset(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	sigemptyset(&action.sa_mask);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &action, NULL); /* fails for KILL, STOP and libc's own: fine */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Every descriptor from 3 on is closed by exec, unless the caller gave it. */
static int fds_mark(const int *keep)
{
	struct rlimit limit = {.rlim_cur = 1024};

	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		getrlimit(RLIMIT_NOFILE, &limit);
		for (rlim_t fd = 3; fd < limit.rlim_cur && fd < 1U << 20; fd++)
			fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	}
	for (; keep && *keep >= 0; keep++)
		if (fcntl(*keep, F_SETFD, 0) < 0)
			return -1;
	return 0;
}

static int fds_place(const struct launch *l)
{
	const int from[3] = {l->spec->stdin_fd, l->spec->stdout_fd, l->spec->stderr_fd};
	int high[3];

	/* Through copies above 2, as stdout_fd may be 0 and stdin_fd 1. */
	for (int i = 0; i < 3; i++) {
		high[i] = fcntl(from[i] < 0 ? l->null_fd : from[i], F_DUPFD_CLOEXEC, 3);
		if (high[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(high[i], i) < 0)
			return -1;
	return fds_mark(l->spec->keep_fds);
}

static int limit_set(int resource, uint64_t value)
{
	struct rlimit limit = {value, value};

	return value ? setrlimit(resource, &limit) : 0;
}

/* Last: it may forbid what came before. */
static int filter_set(const struct p2v_proc_confine *c)
{
	const struct sock_fprog program = {
		(unsigned short)(c->filter_bytes / sizeof(struct sock_filter)),
		(struct sock_filter *)(uintptr_t)c->filter};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The user after what he may not do. That he is another takes the death signal away, so it is asked
 * for again. */
static int confine(const struct p2v_proc_confine *c, const struct apart *apart)
{
	static const struct rlimit none;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || limit_set(RLIMIT_AS, c->memory_bytes) < 0 ||
		limit_set(RLIMIT_FSIZE, c->file_bytes) < 0 ||
		limit_set(RLIMIT_NOFILE, c->files) < 0)
		return -1;
	if (apart_enter(apart) < 0)
		return -1;
	if (c->nice && setpriority(PRIO_PROCESS, 0, c->nice) < 0)
		return -1;
	if (c->uid && (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
			      setresuid(c->uid, c->uid, c->uid) < 0))
		return -1;
	if (c->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	return c->filter ? filter_set(c) : 0;
}

static _Noreturn void child_fail(int report_fd, enum step step)
{
	struct report report = {errno, step};

	if (write(report_fd, &report, sizeof(report)) < 0)
		_exit(126);
	_exit(127);
}

static _Noreturn void child_run(const struct launch *l)
{
	const struct p2v_proc_spec *spec = l->spec;
	int report_fd = fcntl(l->report[1], F_DUPFD_CLOEXEC, 3);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have died before that took hold. */
	if (getppid() != l->parent)
		_exit(127);
	signals_reset();
	if (fds_place(l) < 0)
		child_fail(report_fd, STEP_FDS);
	if (spec->cwd && chdir(spec->cwd) < 0)
		child_fail(report_fd, STEP_CWD);
	if (spec->confine && confine(spec->confine, &l->apart) < 0)
		child_fail(report_fd, STEP_CONFINE);
	if (getppid() != l->parent)
		_exit(127);
	execve(l->path, (char *const *)(uintptr_t)spec->argv, (char *const *)(uintptr_t)l->env);
	child_fail(report_fd, STEP_EXEC);
}

/* ---- in the parent ---- */

static void launch_finish(struct launch *l)
{
	apart_finish(&l->apart);
	free(l->path);
	free(l->env);
	p2v_cleanup_close(&l->null_fd);
	p2v_cleanup_close(&l->report[0]);
	p2v_cleanup_close(&l->report[1]);
}

static int launch_init(struct launch *l, const struct p2v_proc_spec *spec, struct p2v_err *err)
{
	int r;

	*l = (struct launch){.spec = spec, .null_fd = -1, .report = {-1, -1}, .parent = getpid()};
	r = spec->confine ? apart_prepare(spec->confine, &l->apart, err) : 0;
	if (r < 0)
		return r;
	l->path = program_find(spec->argv[0]);
	if (!l->path)
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: not installed", spec->argv[0]);
	l->env = env_new(spec->setenv);
	if (!l->env)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	l->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (l->null_fd < 0)
		return p2v_err_errno(err, errno, "/dev/null");
	if (pipe2(l->report, O_CLOEXEC) < 0)
		return p2v_err_errno(err, errno, "%s: pipe", spec->argv[0]);
	return 0;
}

/* Waits until the child has become the program; its failure before that is ours. */
static int launch_confirm(struct launch *l, pid_t pid, struct p2v_err *err)
{
	const char *program = l->spec->argv[0];
	struct report report;
	ssize_t n;

	close(p2v_steal_fd(&l->report[1]));
	do
		n = read(l->report[0], &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(report))
		return p2v_err_set(err, P2V_EIO, "%s: did not start", program);
	if (report.step == STEP_CWD)
		return p2v_err_errno(err, report.errnum, "%s: directory %s", program, l->spec->cwd);
	if (report.step == STEP_CONFINE)
		return p2v_err_errno(err, report.errnum, "%s: limits, namespaces or user", program);
	if (report.step == STEP_FDS)
		return p2v_err_errno(err, report.errnum, "%s: descriptors", program);
	return p2v_err_errno(err, report.errnum, "%s: start", program);
}

int p2v_proc_start(const struct p2v_proc_spec *spec, pid_t *ret_pid, struct p2v_err *err)
{
	__attribute__((cleanup(launch_finish))) struct launch l;
	int rc = launch_init(&l, spec, err);
	sigset_t all, before;
	pid_t pid;

	if (rc < 0)
		return rc;
	/* No handler of ours may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		child_run(&l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return p2v_err_errno(err, errno, "%s: fork", spec->argv[0]);
	rc = launch_confirm(&l, pid, err);
	if (rc == 0)
		*ret_pid = pid;
	return rc;
}

static int status_of(const siginfo_t *info)
{
	return info->si_status + (info->si_code == CLD_EXITED ? 0 : P2V_PROC_SIGNAL);
}

char *p2v_proc_status_text(int status, char text[P2V_PROC_TEXT])
{
	bool killed = status >= P2V_PROC_SIGNAL;

	snprintf(text, P2V_PROC_TEXT, "%s %d", killed ? "killed by signal" : "exit code",
		killed ? status - P2V_PROC_SIGNAL : status);
	return text;
}

/* Sleeps till the child ends or slice_ms have gone; without pidfd (Linux < 5.3) in short naps. */
static void nap(int pidfd, int slice_ms)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};

	poll(&pfd, 1, pidfd >= 0 || slice_ms < 10 ? slice_ms : 10);
}

/* The child's end, not yet reaped. P2V_ETIMEDOUT, or P2V_ECANCELED where `stoppable`. */
static int await(
	pid_t pid, int timeout_ms, bool stoppable, siginfo_t *ret_info, struct p2v_err *err)
{
	p2v_autoclose int pidfd = pidfd_open(pid, 0);
	uint64_t begin = p2v_now_ms();

	for (;;) {
		siginfo_t info = {0};
		uint64_t gone = p2v_now_ms() - begin;
		int rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);

		if (rc < 0 && errno != EINTR)
			return p2v_err_errno(err, errno, "process %d: wait", (int)pid);
		if (rc == 0 && info.si_pid == pid) {
			*ret_info = info;
			return 0;
		}
		if (stoppable && p2v_stop_requested())
			return p2v_stop_check(err);
		if (timeout_ms >= 0 && gone >= (uint64_t)timeout_ms)
			return p2v_err_set(err, P2V_ETIMEDOUT,
				"process %d: still running after %d ms", (int)pid, timeout_ms);
		if (timeout_ms >= 0 && (uint64_t)timeout_ms - gone < SLICE_MS)
			nap(pidfd, timeout_ms - (int)gone);
		else
			nap(pidfd, SLICE_MS);
	}
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int p2v_proc_wait(pid_t pid, int timeout_ms, int *ret_status, struct p2v_err *err)
{
	siginfo_t info;
	int rc = await(pid, timeout_ms, true, &info, err);

	if (rc < 0)
		return rc;
	reap(pid);
	if (ret_status)
		*ret_status = status_of(&info);
	return 0;
}

void p2v_proc_stop(pid_t pid, int grace_ms)
{
	siginfo_t info;

	if (pid <= 0)
		return;
	/* Reaped already by somebody: the number may be another process by now. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
		return;
	kill(-pid, SIGTERM);
	await(pid, grace_ms < 0 ? 0 : grace_ms, false, &info, NULL);
	/* The unreaped leader holds the group's number: this meets the stragglers and nobody else.
	 */
	kill(-pid, SIGKILL);
	reap(pid);
}
