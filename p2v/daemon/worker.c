/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/daemon/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"
#include "p2v/model/orders.h"
#include "p2v/store/jobdir.h"

#define LINE_MAX_BYTES 4096
/* Of one stage: a program that does not end to talk does not fill the disk. */
#define LOG_MAX_BYTES ((uint64_t)4 << 20)

/* The lines of --progress=json (p2v/core/progress.h, p2v/cli/main.c). */
struct said {
	char *event, *label, *text, *unit, *kind;
	uint64_t done, total;
};
static const struct p2v_json_field said_fields[] = {
	P2V_JSON_STR(struct said, event, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct said, label, 0),
	P2V_JSON_STR(struct said, text, 0),
	P2V_JSON_STR(struct said, unit, 0),
	P2V_JSON_STR(struct said, kind, 0),
	P2V_JSON_U64(struct said, done, 0),
	P2V_JSON_U64(struct said, total, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type said_type = {"progress", sizeof(struct said), said_fields};

/* ---- start ---- */

static int log_open(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_LOG);
	struct stat st;
	int fd = path ? open(path,
				O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				0640)
		      : -1;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void log_line(struct worker *w, const char *text)
{
	p2v_autobuf struct p2v_buf line = {0};
	char now[32];
	ssize_t n;

	if (w->log_fd < 0 || w->logged_bytes > LOG_MAX_BYTES)
		return;
	p2v_now_text(now);
	p2v_buf_addf(&line, "%s %s: ", now, w->stage->word);
	p2v_text_add_printable(&line, text);
	p2v_buf_add_str(&line, "\n");
	if (line.failed)
		return;
	/* A log that cannot be written (a full disk) is no reason to stop. */
	n = write(w->log_fd, line.data, line.len);
	w->logged_bytes += n > 0 ? (uint64_t)n : 0;
}

/* What is filled into a stage's arguments. */
struct filling {
	const char *word;
	char *text; /* NULL: it is left out */
};
enum { FILL_DIR, FILL_FORMAT, FILL_MEDIA, FILL_DIGEST, FILL_N };

static char *option(const char *name, const char *value)
{
	return value ? p2v_strf("--%s=%s", name, value) : NULL;
}

/* What people ordered for this one goes before what is usual here. Orders that cannot be read are
 * the program's to complain of. */
static int fillings_find(const struct server_config *config, const char *dir,
	struct filling ret[FILL_N], struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_ORDERS);
	p2v_auto_orders struct orders orders = {0};

	if (path && p2v_file_exists(path))
		model_orders_load(path, &orders, NULL);
	ret[FILL_DIR] = (struct filling){"{dir}", strdup(dir)};
	ret[FILL_FORMAT] = (struct filling){
		"{format}", orders.format ? NULL : option("format", config->format)};
	ret[FILL_MEDIA] = (struct filling){
		"{media}", orders.virtio_win ? NULL : option("virtio-win", config->virtio_win)};
	ret[FILL_DIGEST] = (struct filling){"{digest}",
		orders.virtio_win ? NULL : option("virtio-win-digest", config->virtio_win_digest)};
	return path && ret[FILL_DIR].text ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static const char *fill(const char *arg, const struct filling fillings[FILL_N])
{
	for (size_t i = 0; i < FILL_N; i++)
		if (strcmp(arg, fillings[i].word) == 0)
			return fillings[i].text;
	return arg;
}

static void args_fill(const struct server_config *config, const struct daemon_stage *stage,
	const struct filling fillings[FILL_N], const char **argv)
{
	size_t n = 0;

	argv[n++] = config->program;
	for (size_t i = 0; i < DAEMON_ARGS_MAX && stage->args[i]; i++) {
		const char *arg = fill(stage->args[i], fillings);

		if (arg)
			argv[n++] = arg;
		/* The verb's options come behind its word. */
		if (i == 0)
			argv[n++] = "--progress=json";
	}
	argv[n] = NULL;
}

static int program_start(struct worker *w, const struct server_config *config,
	const struct daemon_sandbox *sandbox, struct p2v_err *err)
{
	const struct p2v_proc_confine confine = {.no_new_privs = true,
		.filter = sandbox->filter.data,
		.filter_bytes = sandbox->filter.len,
		.no_network = sandbox->apart && !daemon_sandbox_needs_network(config, w->dir),
		.alone = sandbox->apart ? w->dir : NULL,
		.uid = config->uid,
		.gid = config->gid,
		.memory_bytes = config->worker_memory_bytes,
		.nice = (int)config->nice};
	p2v_autofree char *home = config->home ? p2v_strf("HOME=%s", config->home) : NULL;
	struct filling fillings[FILL_N] = {0};
	const char *const env[] = {home, NULL};
	const char *argv[DAEMON_ARGS_MAX + 3];
	struct p2v_proc_spec spec = {
		.argv = argv, .setenv = env, .stdin_fd = -1, .stdout_fd = -1, .confine = &confine};
	int fds[2], r = fillings_find(config, w->dir, fillings, err);

	if (r == 0 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		r = p2v_err_errno(err, errno, "pipe");
	if (r == 0) {
		/* Only our end does not wait. */
		fcntl(fds[1], F_SETFL, 0);
		args_fill(config, w->stage, fillings, argv);
		spec.stderr_fd = fds[1];
		r = p2v_proc_start(&spec, &w->pid, err);
		close(fds[1]);
		w->fd = fds[0];
	}
	for (size_t i = 0; i < FILL_N; i++)
		free(fillings[i].text);
	return r;
}

int daemon_worker_start(const struct server_config *config, const struct daemon_stage *stage,
	struct job *job, const char *dir, const struct daemon_sandbox *sandbox, struct worker **ret,
	struct p2v_err *err)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	w->fd = w->log_fd = -1;
	w->stage = stage;
	w->dir = strdup(dir);
	r = w->dir ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0) {
		w->log_fd = log_open(dir);
		r = program_start(w, config, sandbox, err);
	}
	if (r < 0) {
		daemon_worker_free(w);
		return r;
	}
	w->job = *job;
	memset(job, 0, sizeof(*job));
	w->lease = (struct lease){w->job.id, w->job.lease, w->job.owner};
	w->renewed_ms = p2v_now_ms();
	log_line(w, "begins");
	*ret = w;
	return 0;
}

void daemon_worker_free(struct worker *w)
{
	if (!w)
		return;
	p2v_proc_stop(w->pid, 0);
	p2v_cleanup_close(&w->fd);
	p2v_cleanup_close(&w->log_fd);
	p2v_buf_finish(&w->line);
	ledger_job_finish(&w->job);
	free(w->dir);
	free(w->step);
	free(w->unit);
	free(w->error);
	free(w->said);
	free(w);
}

/* ---- what it says ---- */

static void replace(char **at, char **with)
{
	free(*at);
	*at = p2v_steal(*with);
}

static int kind_of(const char *word)
{
	for (int kind = P2V_EINVAL; word && kind >= P2V_EEXIST; kind--)
		if (strcmp(p2v_err_word(kind), word) == 0)
			return kind;
	return 0;
}

/* What is kept of a program's words goes into the ledger and to terminals. */
static void printable(char **text)
{
	p2v_autobuf struct p2v_buf clean = {0};

	if (!*text)
		return;
	p2v_text_add_printable(&clean, *text);
	free(*text);
	*text = p2v_buf_take_str(&clean);
}

static void take_said(struct worker *w, struct said *said)
{
	printable(&said->label);
	printable(&said->text);
	printable(&said->unit);

	if (strcmp(said->event, "progress") == 0) {
		replace(&w->step, &said->label);
		replace(&w->unit, &said->unit);
		w->done = said->done;
		w->total = said->total;
	} else if (said->text) {
		log_line(w, said->text);
		if (strcmp(said->event, "error") == 0) {
			replace(&w->error, &said->text);
			w->kind = kind_of(said->kind);
		}
	}
}

static void take_line(struct worker *w)
{
	struct said said = {0};
	char *text;

	p2v_buf_add_u8(&w->line, 0);
	if (w->line.failed || w->line.len == 1)
		return;
	text = (char *)w->line.data;
	if (text[0] == '{' &&
		p2v_json_decode(&said_type, text, w->line.len - 1, &said, NULL) == 0) {
		take_said(w, &said);
		p2v_json_free(&said_type, &said);
		return;
	}
	log_line(w, text);
	free(w->said);
	w->said = strdup(text);
	printable(&w->said);
}

static void take_bytes(struct worker *w, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			take_line(w);
			p2v_buf_reset(&w->line);
		} else if (w->line.len < LINE_MAX_BYTES) {
			p2v_buf_add_u8(&w->line, (uint8_t)bytes[i]);
		}
	}
}

bool daemon_worker_read(struct worker *w)
{
	char bytes[8192];
	ssize_t n;

	if (w->fd < 0)
		return false;
	/* So much at once, and the others get their turn. */
	for (int i = 0; i < 16; i++) {
		n = read(w->fd, bytes, sizeof(bytes));
		if (n > 0)
			take_bytes(w, bytes, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(p2v_steal_fd(&w->fd));
			return false;
		} else if (errno == EAGAIN)
			break;
	}
	return true;
}

/* ---- its end ---- */

void daemon_worker_stop(struct worker *w, enum worker_stop why)
{
	if (w->stop == WORKER_RUNS) {
		w->stop = why;
		w->stop_ms = p2v_now_ms();
		log_line(w, why == WORKER_LEAVES ? "is stopped with p2vd" : "is stopped");
		if (w->pid > 0)
			kill(-w->pid, SIGTERM);
	}
	if (why == WORKER_LOST) {
		w->stop = why;
		daemon_worker_kill(w);
	}
}

void daemon_worker_kill(struct worker *w)
{
	if (w->pid > 0)
		kill(-w->pid, SIGKILL);
}

bool daemon_worker_ended(struct worker *w)
{
	siginfo_t info = {0};

	if (w->ended)
		return true;
	if (waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
		return false;
	w->status = info.si_status + (info.si_code == CLD_EXITED ? 0 : P2V_PROC_SIGNAL);
	w->ended = true;
	daemon_worker_read(w);
	p2v_proc_stop(w->pid, 0);
	w->pid = 0;
	return true;
}

/* Why it failed, in the best words that there are. */
static const char *reason_of(struct worker *w)
{
	int number = w->status - P2V_PROC_SIGNAL;
	char *text;

	if (w->error)
		return w->error;
	if (number >= 0)
		text = p2v_strf("%s: its program was killed by signal %d (%s)%s%s", w->stage->word,
			number, strsignal(number), w->said ? ": " : "", w->said ? w->said : "");
	else if (w->said)
		text = p2v_strf("%s: %s", w->stage->word, w->said);
	else
		text = p2v_strf("%s: its program ended with exit code %d and said nothing",
			w->stage->word, w->status);
	replace(&w->error, &text);
	return w->error ? w->error : "";
}

static uint32_t wait_s(const struct server_config *config, uint32_t tries)
{
	uint64_t wait = (uint64_t)config->retry_s << (tries < 16 ? tries : 16);

	return (uint32_t)(wait < 3600 ? wait : config->retry_s > 3600 ? config->retry_s : 3600);
}

static struct ledger_outcome failure(
	struct worker *w, const struct server_config *config, enum ledger_stage stage)
{
	struct ledger_outcome out = {.stage = stage,
		.status = LEDGER_FAILED,
		.reason = reason_of(w),
		.tries = w->job.tries + 1,
		.what = "failed"};
	bool may_pass = w->status == 1 || w->status >= P2V_PROC_SIGNAL;

	if (w->kind == P2V_EFORMAT || w->kind == P2V_EUNSUPPORTED)
		may_pass = false;
	if (w->kind == P2V_ENOSPC) {
		/* Room is made by people or by time, not by tries. */
		out.status = LEDGER_READY;
		out.tries = w->job.tries;
		out.wait_s = config->retry_s;
		out.what = "waits";
	} else if (may_pass && out.tries < config->tries) {
		out.status = LEDGER_READY;
		out.wait_s = wait_s(config, w->job.tries);
	}
	return out;
}

static struct ledger_outcome wish_outcome(
	struct worker *w, const struct server_config *config, enum ledger_stage stage)
{
	struct ledger_outcome out;

	if (w->status != 0 || stage > LEDGER_RECEIVED) {
		out = failure(w, config, stage);
		out.wish_done = out.status == LEDGER_FAILED;
		return out;
	}
	/* Held: else it would be converted again at once. */
	return (struct ledger_outcome){.stage = stage,
		.status = LEDGER_HELD,
		.reason = "rolled back",
		.wish_done = true,
		.what = "rollback"};
}

struct ledger_outcome daemon_worker_outcome(struct worker *w, const struct server_config *config)
{
	enum ledger_stage stage = (enum ledger_stage)w->job.stage;
	p2v_autofree char *doubt = daemon_proof_doubt(w->dir);
	char *text;

	/* The directory has the last word, whatever the program said. */
	daemon_stage_seen(w->dir, &stage);
	if (w->stop != WORKER_RUNS && (int)stage == w->job.stage)
		return (struct ledger_outcome){.stage = stage, .tries = w->job.tries};
	if (w->stage == &daemon_stage_rollback)
		return wish_outcome(w, config, stage);
	/* Somebody was quicker than the program that was to lock it. */
	if (w->status == 3 && store_jobdir_busy(w->dir))
		return (struct ledger_outcome){.stage = stage,
			.reason = "waits: another p2v program is at work in its directory",
			.tries = w->job.tries,
			.wait_s = config->retry_s};
	if (stage >= w->stage->to && w->status == 0) {
		log_line(w, "done");
		return (struct ledger_outcome){.stage = stage, .what = w->stage->word};
	}
	if (w->stage->to == LEDGER_PROVEN && w->status == 1 && doubt) {
		/* It was booted and looked at: that is an answer, and not to be had again. */
		text = p2v_strf("proof: %s", doubt);
		replace(&w->error, &text);
		w->kind = P2V_EUNSUPPORTED;
	}
	if (w->status == 0 && !w->error)
		w->error =
			p2v_strf("%s: ended as if it were done and left nothing", w->stage->word);
	return failure(w, config, stage);
}
