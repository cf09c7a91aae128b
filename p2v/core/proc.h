/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_PROC_H
#define P2V_CORE_PROC_H

/*
 * Subprocesses. Argument vectors only: there is no shell anywhere, so a string from a guest or from
 * the wire is never more than an argument. argv[0] is looked up in PATH; a script without an
 * interpreter line is not run. A child gets default signal actions and its own process group (so it
 * cannot ask at the terminal), dies with its parent (PR_SET_PDEATHSIG), and inherits no descriptor
 * but 0, 1, 2 and the ones it is given.
 *
 * The kernel takes the *thread* that started a child for its parent: the child is killed when that
 * thread ends. Children of the child are not reached by this.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

/* What a child may not do. Zero: no limit of that kind. */
struct p2v_proc_confine {
	bool no_new_privs; /* no setuid program gives it more than it has */
	/* A seccomp filter, as the kernel takes it (struct sock_filter), or NULL; only with
	 * no_new_privs. */
	const void *filter;
	size_t filter_bytes;
	/* A network of its own, in which nobody else is: its loopback interface is up. Only root
	 * can give it that, and the next. */
	bool no_network;
	/* The absolute path of a directory, or NULL: of the one above it only this is seen. */
	const char *alone;
	uid_t uid; /* with gid, and no further groups; 0: as we are */
	gid_t gid;
	uint64_t memory_bytes; /* of address space, each process by itself */
	uint64_t file_bytes;   /* that one file may grow to */
	uint64_t files;	       /* open at once */
	int nice;
};

struct p2v_proc_spec {
	const char *const *argv; /* NULL-terminated */
	/* NULL-terminated "NAME=value" added to the environment, or NULL */
	const char *const *setenv;
	const char *cwd;     /* or NULL */
	int stdin_fd;	     /* -1: /dev/null. Not closed in the parent. */
	int stdout_fd;	     /* -1: /dev/null */
	int stderr_fd;	     /* -1: /dev/null */
	const int *keep_fds; /* further descriptors to keep, ended by -1, or NULL */
	const struct p2v_proc_confine *confine; /* or NULL. It writes no core file, either */
};

/* Starts; P2V_ENOTFOUND where the program is not installed. The caller owes a wait or a stop. */
int p2v_proc_start(const struct p2v_proc_spec *spec, pid_t *ret_pid, struct p2v_err *err);

/* A status is an exit code, 0..255, or this and the number of the signal that killed it. */
#define P2V_PROC_SIGNAL 256
#define P2V_PROC_TEXT	32
/* "exit code 3" or "killed by signal 9"; returns text. */
char *p2v_proc_status_text(int status, char text[P2V_PROC_TEXT]);

/* Waits at most timeout_ms (-1: for ever).
 * P2V_ETIMEDOUT leaves the child running. P2V_ECANCELED where p2v_stop_requested() turns true. */
int p2v_proc_wait(pid_t pid, int timeout_ms, int *ret_status, struct p2v_err *err);

/* SIGTERM to the child's group, SIGKILL after grace_ms, reaped in any case. pid <= 0: nothing. */
void p2v_proc_stop(pid_t pid, int grace_ms);

/*
 * Runs to the end: stdin is `in` (n bytes, or NULL), stdout and stderr are gathered, at most 64 MiB
 * and the last 64 KiB (a stdout that was cut is P2V_EFORMAT). ret_out may be NULL; what it held is
 * replaced. Past timeout_ms (-1: none) or on a stop request the program is stopped.
 * A non-zero exit is P2V_EIO with the program's name and the last line that it wrote to stderr.
 */
int p2v_proc_run(const char *const *argv, const void *in, size_t n, int timeout_ms,
	struct p2v_buf *ret_out, struct p2v_err *err);

/* True where `program` is found in PATH (or is an executable path). */
bool p2v_proc_exists(const char *program);

#endif
