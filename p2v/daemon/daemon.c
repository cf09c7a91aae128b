/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/daemon/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/daemon/sandbox.h"
#include "p2v/daemon/tidy.h"
#include "p2v/daemon/worker.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/queue.h"
#include "p2v/store/status.h"

#define TICK_MS	 500
#define END_MS	 10 /* a program that has closed its output ends soon */
#define RENEW_MS 2000
/* Somebody is at work in a job directory by hand. */
#define BUSY_WAIT_S 5
/* A job directory on its way out. No job has such a name. */
#define TRASH ".removed-"

/* What the ledger is asked for. One kind may fail while others do not: a full disk can be read. */
enum work { WORK_LOOK, WORK_TAKE, WORK_RENEW, WORK_GIVE, WORKS };

struct daemon {
	const struct daemon_spec *spec;
	const struct server_config *config;
	struct ledger *ledger;
	int lock_fd;
	struct daemon_sandbox sandbox; /* of the workers */
	struct worker **workers;       /* config->workers of them, or NULL */
	uint64_t scanned_ms;
	struct daemon_arrivals arrivals; /* during a scan */
	char *trouble[WORKS];		 /* what the ledger says, so that it is said once */
};

static __attribute__((format(printf, 2, 3))) void say(const struct daemon *d, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->spec->say(d->spec->ctx, text);
}

static bool in_trouble(const struct daemon *d)
{
	for (int work = 0; work < WORKS; work++)
		if (d->trouble[work])
			return true;
	return false;
}

/* The ledger may be away for a while: said once, and tried again at the next turn. */
static void note_trouble(struct daemon *d, enum work work, int r, const struct p2v_err *err)
{
	char **trouble = &d->trouble[work];
	bool was = in_trouble(d);

	if (r < 0 && *trouble && strcmp(*trouble, err->text) == 0)
		return;
	free(p2v_steal(*trouble));
	if (r < 0) {
		say(d, "%s", err->text);
		*trouble = strdup(err->text);
	} else if (was && !in_trouble(d)) {
		say(d, "the ledger is there again");
	}
}

/* ---- what an agent that watches gets to see ---- */

/* Its words for a state are struct job's, as `p2v job list` has them. */
static void tell(const struct daemon *d, const char *name, const struct store_status *status)
{
	p2v_autofree char *dir = p2v_path_join(d->config->base, name);

	/* Nobody waits for it but who looks on. */
	if (dir)
		store_status_write(dir, status, NULL);
}

static const char *state_word(enum ledger_stage stage, enum ledger_status status)
{
	return status == LEDGER_READY ? ledger_stage_words[stage] : ledger_status_words[status];
}

static void tell_outcome(
	const struct daemon *d, const char *name, const struct ledger_outcome *outcome)
{
	const struct store_status status = {
		.state = state_word(outcome->stage, outcome->status), .reason = outcome->reason};

	tell(d, name, &status);
}

static void tell_running(
	const struct daemon *d, const struct worker *w, enum ledger_status status_now)
{
	const struct store_status status = {
		.state = state_word((enum ledger_stage)w->job.stage, status_now),
		.running = status_now == LEDGER_READY,
		.step = w->step ? w->step : w->stage->word,
		.done = w->done,
		.total = w->total};

	tell(d, w->job.name, &status);
}

static void tell_seen(const struct daemon *d, const char *name, enum ledger_stage stage, bool moved)
{
	const struct store_status status = {.state = ledger_stage_words[stage]};
	p2v_autofree char *dir = p2v_path_join(d->config->base, name);

	if (moved || (dir && store_status_age_s(dir) == UINT64_MAX))
		tell(d, name, &status);
	else if (dir)
		store_status_touch(dir);
}

/* ---- what is there ---- */

/* Why it is not here yet. */
static int remark(struct daemon *d, const char *name, struct p2v_err *err)
{
	p2v_autofree char *reason = daemon_arrival_reason(&d->arrivals, d->config->base, name);

	return reason ? store_ledger_remark(d->ledger, d->config->pool, name, reason, err)
		      : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int see(void *ctx, const char *name, enum ledger_stage stage, struct p2v_err *err)
{
	struct daemon *d = ctx;
	const struct ledger_seen seen = {
		name, d->config->pool, stage, d->config->gates, d->config->priority};
	int r = store_ledger_seen(d->ledger, &seen, d->config->host, err);

	if (r == 1)
		say(d, "job %s: %s", name, ledger_stage_words[stage]);
	if (r >= 0)
		tell_seen(d, name, stage, r == 1);
	return r < 0 || stage != LEDGER_WAITING ? r : remark(d, name, err);
}

/* What is there, then what has had its time. */
static int look(struct daemon *d, struct p2v_err *err)
{
	int r = daemon_arrivals_read(d->config->base, &d->arrivals, err);

	if (r == 0)
		r = daemon_scan(d->config->base, see, d, err);
	daemon_arrivals_finish(&d->arrivals);
	if (r == 0)
		r = daemon_tidy(d->config, d->ledger, err);
	if (r > 0)
		say(d, "%d jobs are removed by the rules of retention", r);
	return r;
}

static void scan(struct daemon *d)
{
	struct p2v_err err = {0};
	uint64_t now = p2v_now_ms();

	if (d->scanned_ms && now - d->scanned_ms < d->config->scan_s * UINT64_C(1000))
		return;
	d->scanned_ms = now;
	note_trouble(d, WORK_LOOK, look(d, &err), &err);
}

static bool windows_open(const struct server_config *config)
{
	time_t now = time(NULL);
	struct tm local;

	localtime_r(&now, &local);
	for (size_t i = 0; i < config->n_windows; i++)
		if (control_window_open(&config->open[i], &local))
			return true;
	return config->n_windows == 0;
}

/* ---- giving back without having run anything ---- */

static void give_back(struct daemon *d, const struct job *job, enum ledger_status status,
	uint32_t wait_s, const char *reason)
{
	const struct lease lease = {job->id, job->lease, job->owner};
	const struct ledger_outcome outcome = {.stage = (enum ledger_stage)job->stage,
		.status = status,
		.reason = reason,
		.tries = job->tries,
		.wait_s = wait_s,
		/* Once is enough in the audit log. */
		.what = strcmp(job->reason, reason) == 0 ? NULL
			: status == LEDGER_HELD		 ? "held"
			: status == LEDGER_FAILED	 ? "failed"
							 : "waits"};
	struct p2v_err err = {0};
	int r = store_ledger_give(d->ledger, &lease, &outcome, &err);

	if (outcome.what)
		say(d, "job %s: %s", job->name, reason);
	if (r == 0)
		tell_outcome(d, job->name, &outcome);
	note_trouble(d, WORK_GIVE, r == P2V_ECANCELED ? 0 : r, &err);
}

static bool space_lacks(struct daemon *d, const struct job *job)
{
	char is[P2V_NUM_TEXT], keep[P2V_NUM_TEXT];
	p2v_autofree char *reason = NULL;
	struct statvfs st;
	uint64_t free_bytes;

	if (statvfs(d->config->base, &st) < 0 ||
		!p2v_mul_u64(st.f_bavail, st.f_frsize, &free_bytes))
		return false;
	free_bytes -= p2v_min_u64(free_bytes, store_queue_reserved(d->config->base));
	if (free_bytes >= d->config->keep_free_bytes)
		return false;
	/* Rounded to half a gigabyte, so that it does not change with each look. */
	reason = p2v_strf(
		"waits for room: %s are free and not reserved below %s, and %s are to stay free",
		p2v_num_bytes_text(p2v_align_down(free_bytes, P2V_GIB / 2), is), d->config->base,
		p2v_num_bytes_text(d->config->keep_free_bytes, keep));
	give_back(d, job, LEDGER_READY, d->config->retry_s, reason ? reason : "");
	return true;
}

/* ---- removing ---- */

/* Out of the way by one rename: a crash in the middle leaves no half a job, but something that the
 * next start removes. */
static int dir_remove(struct daemon *d, const struct job *job, struct p2v_err *err)
{
	p2v_autofree char *dir = p2v_path_join(d->config->base, job->name);
	p2v_autofree char *trash = p2v_strf("%s/" TRASH "%llu-%llu", d->config->base,
		(unsigned long long)job->id, (unsigned long long)job->lease);

	if (!dir || !trash)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (rename(dir, trash) < 0 && errno != ENOENT)
		return p2v_err_errno(err, errno, "%s: remove", dir);
	p2v_dir_remove(trash);
	return 0;
}

static void job_remove(struct daemon *d, const struct job *job)
{
	const struct lease lease = {job->id, job->lease, job->owner};
	struct p2v_err err = {0};
	int r = dir_remove(d, job, &err);

	if (r < 0) {
		give_back(d, job, LEDGER_READY, d->config->retry_s, err.text);
		return;
	}
	r = store_ledger_forget(d->ledger, &lease, &err);
	if (r == 0)
		say(d, "job %s: removed", job->name);
	note_trouble(d, WORK_GIVE, r, &err);
}

/* ---- starting ---- */

static void job_start(struct daemon *d, struct worker **slot, struct job *job)
{
	const struct daemon_stage *stage =
		job->wish == LEDGER_ROLLBACK ? &daemon_stage_rollback
					     : daemon_stage_next((enum ledger_stage)job->stage);
	p2v_autofree char *dir = p2v_path_join(d->config->base, job->name);
	p2v_autofree char *reason = NULL;
	struct p2v_err err = {0};

	if (!dir || !p2v_file_exists(dir)) {
		give_back(d, job, LEDGER_FAILED, 0, "its directory is not there");
	} else if (store_jobdir_busy(dir)) {
		give_back(d, job, LEDGER_READY, BUSY_WAIT_S,
			"waits: another p2v program is at work in its directory");
	} else if (job->wish == LEDGER_RM) {
		job_remove(d, job);
	} else if (stage && (job->gates & stage->gate)) {
		reason = p2v_strf("waits for approval before the %s", stage->gate_word);
		give_back(d, job, LEDGER_HELD, 0, reason ? reason : "");
	} else if (stage && !space_lacks(d, job)) {
		say(d, "job %s: %s begins", job->name, stage->word);
		if (daemon_worker_start(d->config, stage, job, dir, &d->sandbox, slot, &err) < 0)
			give_back(d, job, LEDGER_FAILED, 0, err.text);
	}
}

/* One job a turn at most for each free place, so that the running ones are not kept waiting. */
static void fill_slots(struct daemon *d)
{
	bool open = windows_open(d->config);

	for (uint32_t i = 0; i < d->config->workers; i++) {
		p2v_auto_job struct job job = {0};
		struct p2v_err err = {0};
		int r;

		if (d->workers[i])
			continue;
		r = store_ledger_take(d->ledger, d->config->host, d->config->pool,
			d->config->lease_s, !open, &job, &err);
		note_trouble(d, WORK_TAKE, r, &err);
		if (r <= 0)
			return;
		job_start(d, &d->workers[i], &job);
	}
}

/* ---- running ones ---- */

static void worker_renew(struct daemon *d, struct worker *w)
{
	const struct ledger_progress progress = {w->step, w->unit, w->done, w->total};
	uint64_t now = p2v_now_ms();
	p2v_auto_job struct job job = {0};
	struct p2v_err err = {0};
	int r;

	if (now - w->renewed_ms < p2v_min_u64(RENEW_MS, d->config->lease_s * UINT64_C(1000) / 3))
		return;
	r = store_ledger_renew(d->ledger, &w->lease, d->config->lease_s, &progress, &job, &err);
	if (r == 0)
		w->renewed_ms = now;
	if (r == 0)
		tell_running(d, w, (enum ledger_status)job.status);
	if (r == P2V_ECANCELED || now - w->renewed_ms > d->config->lease_s * UINT64_C(1000)) {
		say(d, "job %s: is not ours any more: %s", w->job.name, err.text);
		daemon_worker_stop(w, WORKER_LOST);
	}
	note_trouble(d, WORK_RENEW, r == P2V_ECANCELED ? 0 : r, &err);
	if (r == 0 && (job.status == LEDGER_CANCELLED || job.wish != w->job.wish))
		daemon_worker_stop(w, WORKER_ASKED);
}

/* True where its place is free again. A ledger that is away is tried anew at the next turn. */
static bool worker_finish(struct daemon *d, struct worker *w)
{
	struct ledger_outcome outcome;
	struct p2v_err err = {0};
	int r;

	if (!daemon_worker_ended(w))
		return false;
	if (w->stop == WORKER_LOST)
		return true;
	outcome = daemon_worker_outcome(w, d->config);
	r = store_ledger_give(d->ledger, &w->lease, &outcome, &err);
	if (r == 0)
		say(d, "job %s: %s: %s%s%s", w->job.name, w->stage->word,
			!outcome.what				    ? "stopped"
			: strcmp(outcome.what, w->stage->word) == 0 ? "done"
								    : outcome.what,
			outcome.reason && *outcome.reason ? ": " : "",
			outcome.reason ? outcome.reason : "");
	/* One that was cancelled has said so, and stays it. */
	if (r == 0 && w->stop != WORKER_ASKED)
		tell_outcome(d, w->job.name, &outcome);
	if (r == P2V_ECANCELED)
		r = 0;
	note_trouble(d, WORK_GIVE, r, &err);
	/* It needs no renewal any more. */
	if (r == 0)
		note_trouble(d, WORK_RENEW, 0, NULL);
	return r == 0;
}

static void workers_tend(struct daemon *d)
{
	for (uint32_t i = 0; i < d->config->workers; i++) {
		struct worker *w = d->workers[i];

		if (!w)
			continue;
		daemon_worker_read(w);
		worker_renew(d, w);
		/* Who does not end when asked to is ended. */
		if (w->stop != WORKER_RUNS &&
			p2v_now_ms() - w->stop_ms > d->config->stop_s * UINT64_C(1000))
			daemon_worker_kill(w);
		if (worker_finish(d, w)) {
			daemon_worker_free(w);
			d->workers[i] = NULL;
		}
	}
}

static size_t workers_running(const struct daemon *d)
{
	size_t n = 0;

	for (uint32_t i = 0; i < d->config->workers; i++)
		n += d->workers[i] != NULL;
	return n;
}

/* Till a worker speaks, somebody pokes, or it is time to look. */
static void wait_some(const struct daemon *d)
{
	struct pollfd fds[65] = {{.fd = d->spec->poke_fd, .events = POLLIN}};
	int timeout_ms = TICK_MS;
	nfds_t n = 1;
	uint64_t pokes;

	for (uint32_t i = 0; i < d->config->workers; i++) {
		if (d->workers[i] && d->workers[i]->fd >= 0)
			fds[n++] = (struct pollfd){.fd = d->workers[i]->fd, .events = POLLIN};
		else if (d->workers[i] && !d->trouble[WORK_GIVE])
			timeout_ms = END_MS;
	}
	poll(fds, n, timeout_ms);
	if (fds[0].revents & POLLIN && read(fds[0].fd, &pokes, sizeof(pokes)) < 0)
		return;
}

/* ---- from start to stop ---- */

static int alone(struct daemon *d, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s.lock", d->config->socket);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock_fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return p2v_err_set(
			err, P2V_EREFUSED, "%s: another p2vd is running on this host", path);
	return 0;
}

/* What an earlier one was removing. */
static int trash_see(const char *base, struct p2v_err *err)
{
	DIR *dir = opendir(base);
	struct dirent *entry;

	if (!dir)
		return p2v_err_errno(err, errno, "%s", base);
	while ((entry = readdir(dir))) {
		p2v_autofree char *path = p2v_path_join(base, entry->d_name);

		if (path && strncmp(entry->d_name, TRASH, strlen(TRASH)) == 0)
			p2v_dir_remove(path);
	}
	closedir(dir);
	return 0;
}

static int sandbox_make(struct daemon *d, struct p2v_err *err)
{
	struct p2v_err why = {0};
	int r = daemon_sandbox_make(d->config, &d->sandbox, &why, err);

	if (r == 0 && !d->sandbox.apart)
		say(d, "workers have no namespaces of their own: %s", why.text);
	return r;
}

static int begin(struct daemon *d, struct p2v_err *err)
{
	int r = alone(d, err);

	d->workers = calloc(d->config->workers, sizeof(*d->workers));
	if (!d->workers)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0)
		r = sandbox_make(d, err);
	if (r == 0)
		r = trash_see(d->config->base, err);
	if (r == 0)
		r = daemon_limits_say(d->config, err);
	if (r == 0)
		r = store_ledger_open(d->config->store, &d->ledger, err);
	if (r == 0)
		r = store_ledger_release(d->ledger, d->config->host, err);
	if (r > 0)
		say(d, "%d jobs were under way when p2vd ended; they go on", r);
	return r < 0 ? r : 0;
}

static void run(struct daemon *d)
{
	while (!p2v_stop_requested()) {
		scan(d);
		workers_tend(d);
		fill_slots(d);
		wait_some(d);
	}
	for (uint32_t i = 0; i < d->config->workers; i++)
		if (d->workers[i])
			daemon_worker_stop(d->workers[i], WORKER_LEAVES);
	/* Twice the time that a worker has: the ledger may be away, too. */
	for (uint64_t from = p2v_now_ms();
		workers_running(d) && p2v_now_ms() - from < d->config->stop_s * UINT64_C(2000);) {
		workers_tend(d);
		wait_some(d);
	}
}

int daemon_run(const struct daemon_spec *spec, struct p2v_err *err)
{
	struct daemon d = {.spec = spec, .config = spec->config, .lock_fd = -1};
	int r = begin(&d, err);

	if (r == 0)
		run(&d);
	for (uint32_t i = 0; d.workers && i < d.config->workers; i++)
		daemon_worker_free(d.workers[i]);
	free(d.workers);
	for (int work = 0; work < WORKS; work++)
		free(d.trouble[work]);
	daemon_sandbox_finish(&d.sandbox);
	store_ledger_free(d.ledger);
	p2v_cleanup_close(&d.lock_fd);
	return r;
}
