/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host's `ssh` as a subprocess: its stdin and stdout are the link. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/link/ssh-cost.h"
#include "p2v/link/ssh-exit.h"
#include "p2v/link/ssh-hostkey.h"
#include "p2v/link/ssh-log.h"
#include "p2v/link/ssh-row.h"
#include "p2v/link/wake.h"

/* The largest that an ordinary user may ask for; asking is all. */
#define PIPE_BYTES    (1 << 20)
#define SLICE_MS      20
#define STOP_MS	      500
#define STATUS_FAILED 255
#define PINNED_NAME   "p2v-pinned"

/* Fastest first; ChaCha20 before AES only where it is clearly cheaper: where the processor does not
 * know AES. All of them since OpenSSH 6.5. */
#define AES	  "aes128-gcm@openssh.com,aes256-gcm@openssh.com"
#define CHACHA	  "chacha20-poly1305@openssh.com"
#define AES_PLAIN "aes128-ctr,aes192-ctr,aes256-ctr"

struct openssh_link {
	struct link link;
	struct link *inner; /* over the two pipes */
	char *command, *methods;
	int known_fd, identity_fd; /* for ssh to open by our number; -1 */
	struct ssh_log *log;
	pthread_mutex_t lock; /* guards pid and status */
	pid_t pid;	      /* 0: not there, or reaped */
	int status;
};

static struct openssh_link *openssh_of(struct link *l)
{
	return (struct openssh_link *)l;
}

/* ---- the command line ---- */

/*
 * What holds whatever the user has configured. Beside the obvious: no other list of keys than ours
 * counts and none is written to; no connection is shared, and none is left behind for sharing; our
 * key does not stay in the user's agent.
 */
#define O(option) "-o", option
static const char *const fixed_args[] = {"ssh", "-T", O("BatchMode=yes"),
	O("StrictHostKeyChecking=yes"), O("GlobalKnownHostsFile=/dev/null"),
	O("IgnoreUnknown=KnownHostsCommand,StdinNull,ForkAfterAuthentication,SessionType"),
	O("KnownHostsCommand=none"), O("StdinNull=no"), O("ForkAfterAuthentication=no"),
	O("SessionType=default"), O("UpdateHostKeys=no"), O("AddKeysToAgent=no"),
	O("VerifyHostKeyDNS=no"), O("CheckHostIP=no"), O("PreferredAuthentications=publickey"),
	O("ControlMaster=no"), O("ControlPath=none"), O("ClearAllForwardings=yes"),
	O("ForwardAgent=no"), O("ForwardX11=no"), O("PermitLocalCommand=no"),
	O("RemoteCommand=none"), O("EscapeChar=none"), O("Compression=no"),
	O("ConnectionAttempts=1"), O("ServerAliveInterval=10"), O("ServerAliveCountMax=3"),
	O("LogLevel=DEBUG1")};

#define ARGS_MAX  96
#define OWNED_MAX 12

struct args {
	const char *argv[ARGS_MAX];
	size_t n;
	char *owned[OWNED_MAX]; /* some of argv; NULL: no memory */
	size_t n_owned;
};

static void arg_add(struct args *a, const char *arg)
{
	a->argv[a->n++] = arg;
}

/* Takes `text`; NULL where there was no memory for it. */
static void arg_add_owned(struct args *a, const char *flag, char *text)
{
	if (flag)
		arg_add(a, flag);
	arg_add(a, text);
	a->owned[a->n_owned++] = text;
}

static void args_finish(struct args *a)
{
	for (size_t i = 0; i < a->n_owned; i++)
		free(a->owned[i]);
}

/*
 * Files go by the number that they have here, since ssh expands "%", "$" and "~" in names, splits
 * them at blanks, and has closed all descriptors that it could have inherited before it looks.
 */
static char *fd_path(const char *before, int fd)
{
	return p2v_strf("%s/proc/%d/fd/%d", before, (int)getpid(), fd);
}

static const char *ciphers_default(void)
{
	const struct ssh_cost *c = ssh_cost_measure();

	return c->aes_gcm < c->chacha * 1.25 ? AES "," CHACHA "," AES_PLAIN
					     : CHACHA "," AES "," AES_PLAIN;
}

static void args_fill(struct args *a, const struct openssh_link *o,
	const struct link_ssh_spec *spec, int timeout_ms)
{
	const struct link_ssh_target *t = spec->target;

	for (size_t i = 0; i < P2V_N(fixed_args); i++)
		arg_add(a, fixed_args[i]);
	arg_add_owned(a, "-E", fd_path("", ssh_log_fd(o->log)));
	arg_add_owned(a, "-o", fd_path("UserKnownHostsFile=", o->known_fd));
	arg_add_owned(a, "-o", p2v_strf("ConnectTimeout=%d", (timeout_ms + 999) / 1000));
	arg_add_owned(a, "-c", p2v_strf("%s", spec->ciphers ? spec->ciphers : ciphers_default()));
	if (spec->macs)
		arg_add_owned(a, "-m", p2v_strf("%s", spec->macs));
	if (spec->fingerprint) {
		arg_add(a, "-o");
		arg_add(a, "HostKeyAlias=" PINNED_NAME);
	}
	if (spec->identity_file) {
		arg_add(a, "-o");
		arg_add(a, "IdentitiesOnly=yes");
		arg_add_owned(a, "-i", fd_path("", o->identity_fd));
	}
	if (t->port != LINK_SSH_PORT)
		arg_add_owned(a, "-p", p2v_strf("%u", t->port));
	if (t->user)
		arg_add_owned(a, "-l", p2v_strf("%s", t->user));
	arg_add(a, "--");
	arg_add(a, t->host);
	arg_add(a, spec->command);
	arg_add(a, NULL);
}

/* ---- how it ends ---- */

/* Waits for ssh to end; false: it still runs. ret_status stays valid for all later calls. */
static bool openssh_reap(struct openssh_link *o, int timeout_ms, int *ret_status)
{
	bool ended;

	pthread_mutex_lock(&o->lock);
	if (o->pid > 0 && p2v_proc_wait(o->pid, timeout_ms, &o->status, NULL) == 0) {
		o->pid = 0;
		ssh_log_stop(o->log);
	}
	ended = o->pid == 0;
	*ret_status = o->status;
	pthread_mutex_unlock(&o->lock);
	return ended;
}

/* What ssh says about a server that it could not get to: its words, ours, and the kind. */
static const struct failure_row {
	const char *says, *sentence;
	int kind;
	bool with_reason; /* what follows the last ": " is added */
} failure_rows[] = {
	{"Could not resolve hostname", "cannot find the host", P2V_ELINK, true},
	{"ssh: connect to host", "cannot connect", P2V_ELINK, true},
	{"timed out", "the server does not answer in time", P2V_ELINK, false},
	{"Timeout, server", "no sign of life from the far end for 30 s", P2V_ELINK, false},
	{"losed by", "the far end closed the connection", P2V_ELINK, false},
	{"onnection reset", "the far end closed the connection", P2V_ELINK, false},
	{"Broken pipe", "the far end closed the connection", P2V_ELINK, false},
	{"bad configuration option", "ssh does not take its configuration", P2V_EINVAL, false},
};

/* Before anybody is let in, only a jump host's ssh or a ProxyCommand writes to our stderr. */
static const char *words_before(const struct ssh_log_facts *f)
{
	return f->authenticated || strcmp(f->last, f->words) == 0 ? "" : f->words;
}

static int client_explain(const struct ssh_log_facts *f, struct p2v_err *err)
{
	const char *said = f->last[0] ? f->last : f->words, *reason = strrchr(said, ':');

	for (size_t i = 0; i < P2V_N(failure_rows); i++) {
		const struct failure_row *row = &failure_rows[i];

		if (!strstr(said, row->says))
			continue;
		if (row->with_reason && reason)
			return p2v_err_set(err, row->kind, "%s%s", row->sentence, reason);
		return p2v_err_set(err, row->kind, "%s (ssh: %s)", row->sentence, said);
	}
	return p2v_err_set(
		err, P2V_ELINK, "ssh failed: %s", said[0] ? said : "it does not say why");
}

static int client_failed(const struct ssh_log_facts *f, struct p2v_err *err)
{
	return ssh_words_tell(words_before(f), client_explain(f, err), err);
}

/* ssh ended before there was a link. */
static int open_failed(
	struct openssh_link *o, const struct link_ssh_spec *spec, struct p2v_err *err)
{
	const char *user = "", *identity = spec->identity_file;
	struct ssh_log_facts f;

	ssh_log_facts(o->log, &f);
	if (f.host_refused)
		return ssh_hostkey_refuse(spec, f.key_kind, f.fingerprint, err);
	if (!strstr(f.last, "Permission denied (") &&
		!strstr(f.last, "Too many authentication failures"))
		return client_failed(&f, err);
	if (!identity)
		return p2v_err_set(
			err, P2V_EREFUSED, "the server accepts no key that ssh has (%s)", f.last);
	/* It would take the key, but ssh could not sign with it. */
	if (f.key_accepted)
		return ssh_identity_unusable(identity, err);
	return ssh_user(spec, &user, err) < 0 ? P2V_EINVAL
					      : ssh_identity_refused(identity, user, err);
}

/* ssh ended later: 0 where the far program ended well. */
static int end_explain(struct openssh_link *o, int status, struct p2v_err *err)
{
	struct ssh_log_facts f;
	int kind = P2V_ELINK;

	ssh_log_facts(o->log, &f);
	if (f.command_refused)
		return ssh_command_refused(o->command, err);
	if (f.killed)
		p2v_err_set(err, kind, "%s was killed there", o->command);
	else if (f.exited)
		return ssh_exit_explain(o->command, status, f.words, err);
	else if (status == STATUS_FAILED)
		client_failed(&f, err);
	else
		p2v_err_set(err, kind, "ssh ended here (status %d)", status);
	return ssh_words_tell(f.words, kind, err);
}

/* ---- the link's calls ---- */

static int openssh_read(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err)
{
	struct openssh_link *o = openssh_of(l);
	int status, r = o->inner->ops->read(o->inner, buf, n, ret_n, err);

	if (r < 0 || *ret_n > 0)
		return r;
	/* The far program has closed its stdout; it decides what sort of end this is. */
	return openssh_reap(o, SSH_EXIT_MS, &status) ? end_explain(o, status, err) : 0;
}

static int openssh_write(struct link *l, const void *buf, size_t n, struct p2v_err *err)
{
	struct openssh_link *o = openssh_of(l);
	struct p2v_err why = {0};
	int status, r = o->inner->ops->write(o->inner, buf, n, err);

	/* "Broken pipe" says less than ssh does. */
	if (r == P2V_ELINK && openssh_reap(o, SSH_EXIT_MS, &status) &&
		end_explain(o, status, &why) < 0)
		return p2v_err_set(err, why.kind, "write: %s", why.text);
	return r;
}

static int openssh_wait(struct link *l, int timeout_ms, struct p2v_err *err)
{
	struct link *inner = openssh_of(l)->inner;

	return inner->ops->wait(inner, timeout_ms, err);
}

static int openssh_shutdown_write(struct link *l, struct p2v_err *err)
{
	struct link *inner = openssh_of(l)->inner;

	return inner->ops->shutdown_write(inner, err);
}

static void openssh_cancel(struct link *l)
{
	link_cancel(openssh_of(l)->inner);
}

static void openssh_words(struct link *l, char *buf, size_t n)
{
	struct ssh_log_facts f;

	ssh_log_facts(openssh_of(l)->log, &f);
	snprintf(buf, n, "%s", f.words);
}

static const char *openssh_methods(struct link *l)
{
	return openssh_of(l)->methods;
}

/* What ssh itself has taken: it does little but encrypt. */
static uint64_t openssh_cpu_ns(struct link *l)
{
	struct openssh_link *o = openssh_of(l);
	struct timespec t = {0};
	clockid_t clock;

	pthread_mutex_lock(&o->lock);
	if (o->pid > 0 && clock_getcpuclockid(o->pid, &clock) == 0)
		clock_gettime(clock, &t);
	pthread_mutex_unlock(&o->lock);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The end of its stdin ends ssh, once it has sent what it holds. */
static void openssh_close(struct link *l)
{
	struct openssh_link *o = openssh_of(l);
	int status;

	link_free(o->inner);
	if (!openssh_reap(o, SSH_CLOSE_MS, &status))
		p2v_proc_stop(o->pid, STOP_MS);
	ssh_log_free(o->log);
	if (o->known_fd >= 0)
		close(o->known_fd);
	if (o->identity_fd >= 0)
		close(o->identity_fd);
	pthread_mutex_destroy(&o->lock);
	free(o->command);
	free(o->methods);
	free(o);
}

static const struct link_ops openssh_ops = {
	.read = openssh_read,
	.write = openssh_write,
	.wait = openssh_wait,
	.shutdown_write = openssh_shutdown_write,
	.cancel = openssh_cancel,
	.words = openssh_words,
	.methods = openssh_methods,
	.cpu_ns = openssh_cpu_ns,
	.close = openssh_close,
};

/* ---- opening ---- */

static int file_open(const char *path, int *ret_fd, struct p2v_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	*ret_fd = fd;
	return 0;
}

/* A file in memory, for us alone. */
static int memory_open(
	const char *name, const void *bytes, size_t n, int *ret_fd, struct p2v_err *err)
{
	p2v_autoclose int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || fchmod(fd, 0600) < 0)
		return p2v_err_errno(err, errno, "memfd");
	if (write(fd, bytes, n) != (ssize_t)n)
		return p2v_err_errno(err, errno, "memfd");
	*ret_fd = p2v_steal_fd(&fd);
	return 0;
}

/* As a copy: ssh refuses a key that others could read, as those on a boot medium are. */
static int identity_open(const char *path, int *ret_fd, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = ssh_identity_check(path, err);

	if (r == 0)
		r = p2v_file_read(path, SSH_IDENTITY_MAX, &text, err);
	if (r == 0)
		r = memory_open("identity", text.data, text.len, ret_fd, err);
	if (text.data)
		explicit_bzero(text.data, text.len);
	return r;
}

/* The last key that was asked for: a fingerprint is that of one key only, whoever shows it. */
static struct {
	pthread_mutex_t lock;
	char fingerprint[SSH_FINGERPRINT_MAX];
	char *line; /* or NULL */
} found = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *found_line(const char *fingerprint)
{
	char *line = NULL;

	pthread_mutex_lock(&found.lock);
	if (found.line && strcmp(found.fingerprint, fingerprint) == 0)
		line = strdup(found.line);
	pthread_mutex_unlock(&found.lock);
	return line;
}

static void found_keep(const char *fingerprint, const char *line)
{
	pthread_mutex_lock(&found.lock);
	free(found.line);
	found.line = strdup(line);
	snprintf(found.fingerprint, sizeof(found.fingerprint), "%s", fingerprint);
	pthread_mutex_unlock(&found.lock);
}

/* ssh knows keys, not fingerprints: so the key is asked for, compared here, and made known to it;
 * once, unless a list may have revoked it since. */
static int pinned_open(const struct link_ssh_spec *spec, int *ret_fd, struct p2v_err *err)
{
	p2v_autofree char *line = spec->known_hosts_file ? NULL : found_line(spec->fingerprint);
	int r = line ? 0 : ssh_libssh2_hostkey(spec, PINNED_NAME, &line, err);

	if (r == 0)
		found_keep(spec->fingerprint, line);
	return r < 0 ? r : memory_open("known_hosts", line, strlen(line), ret_fd, err);
}

static int files_open(struct openssh_link *o, const struct link_ssh_spec *spec, struct p2v_err *err)
{
	int r = spec->identity_file ? identity_open(spec->identity_file, &o->identity_fd, err) : 0;

	if (r < 0)
		return r;
	return spec->fingerprint ? pinned_open(spec, &o->known_fd, err)
				 : file_open(spec->known_hosts_file, &o->known_fd, err);
}

/* Starts ssh; its ends of the pipes are closed here, ours become `inner`. */
static int client_start(struct openssh_link *o, const struct link_ssh_spec *spec, int timeout_ms,
	struct p2v_err *err)
{
	int up[2] = {-1, -1}, down[2] = {-1, -1}, r = 0;
	struct args a = {0};

	if (pipe2(up, O_CLOEXEC) < 0 || pipe2(down, O_CLOEXEC) < 0)
		r = p2v_err_errno(err, errno, "pipe");
	fcntl(up[1], F_SETPIPE_SZ, PIPE_BYTES);
	fcntl(down[0], F_SETPIPE_SZ, PIPE_BYTES);
	args_fill(&a, o, spec, timeout_ms);
	for (size_t i = 0; i < a.n_owned; i++)
		if (!a.owned[i] && r == 0)
			r = p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (r == 0) {
		const struct p2v_proc_spec proc = {.argv = a.argv,
			.stdin_fd = up[0],
			.stdout_fd = down[1],
			.stderr_fd = ssh_log_stderr_fd(o->log)};

		r = p2v_proc_start(&proc, &o->pid, err);
	}
	if (up[0] >= 0)
		close(up[0]);
	if (down[1] >= 0)
		close(down[1]);
	args_finish(&a);
	if (r == 0)
		return link_fd_new("ssh", down[0], up[1], &o->inner, err);
	if (up[1] >= 0)
		close(up[1]);
	if (down[0] >= 0)
		close(down[0]);
	return r;
}

static int client_wait(struct openssh_link *o, const struct link_ssh_spec *spec, uint64_t deadline,
	struct p2v_err *err)
{
	int status;

	while (!ssh_log_wait(o->log, SLICE_MS)) {
		if (p2v_stop_requested())
			return p2v_err_set(err, P2V_ECANCELED, "canceled");
		if (openssh_reap(o, 0, &status))
			return open_failed(o, spec, err);
		if (link_deadline_left(deadline, SLICE_MS) == 0)
			return ssh_too_late(err);
	}
	return 0;
}

static int methods_note(struct openssh_link *o, struct p2v_err *err)
{
	struct ssh_log_facts f;

	ssh_log_facts(o->log, &f);
	o->methods = p2v_strf("openssh %s%s%s", f.cipher, f.mac[0] && f.mac[0] != '<' ? " " : "",
		f.mac[0] == '<' ? "" : f.mac);
	return o->methods ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static int openssh_new(
	const char *name, const char *command, struct openssh_link **ret, struct p2v_err *err)
{
	struct openssh_link *o = calloc(1, sizeof(*o));
	int r = o ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");

	if (r == 0)
		r = link_setup(&o->link, &openssh_ops, name, err);
	if (r < 0) {
		free(o);
		return r;
	}
	o->known_fd = o->identity_fd = -1;
	pthread_mutex_init(&o->lock, NULL);
	*ret = o;
	o->command = strdup(command);
	return o->command ? ssh_log_new(&o->log, err) : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

int ssh_openssh_open(
	const struct link_ssh_spec *spec, const char *name, struct link **ret, struct p2v_err *err)
{
	int timeout_ms = spec->connect_timeout_ms ? spec->connect_timeout_ms : SSH_OPEN_MS;
	uint64_t deadline = link_deadline(timeout_ms);
	struct openssh_link *o = NULL;
	int r = openssh_new(name, spec->command, &o, err);

	if (r == 0)
		r = files_open(o, spec, err);
	if (r == 0)
		r = client_start(o, spec, timeout_ms, err);
	if (r == 0)
		r = client_wait(o, spec, deadline, err);
	if (r == 0)
		r = methods_note(o, err);
	if (r < 0) {
		if (o && o->pid > 0)
			p2v_proc_stop(o->pid, STOP_MS);
		if (o)
			o->pid = 0;
		link_free(o ? &o->link : NULL);
		return r;
	}
	*ret = &o->link;
	return 0;
}
