/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ledger, over the data base that the argument names, or SQLite. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/db.h"
#include "p2v/store/ledger.h"

static const char *given; /* the URL, or NULL */
static char *dir, *url;
static struct ledger *ledger;
static struct p2v_err err;

static int setup(void **state)
{
	static const char *const drops[] = {"DROP TABLE IF EXISTS job",
		"DROP TABLE IF EXISTS event", "DROP TABLE IF EXISTS ledger_version"};
	p2v_auto(store_db_free) struct db *db = NULL;

	(void)state;
	assert_int_equal(p2v_dir_temp("ledger-test", &dir, NULL), 0);
	url = given ? strdup(given) : p2v_strf("sqlite:%s/ledger.db", dir);
	assert_int_equal(store_db_open(url, &db, &err), 0);
	for (size_t i = 0; i < P2V_N(drops); i++)
		assert_int_equal(store_db_run(db, drops[i], NULL, 0, NULL, NULL, &err), 0);
	assert_int_equal(store_ledger_open(url, &ledger, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_ledger_free(ledger);
	ledger = NULL;
	p2v_dir_remove(dir);
	free(dir);
	free(url);
	return 0;
}

static int see(const char *name, enum ledger_stage stage)
{
	const struct ledger_seen seen = {name, "main", stage, 0, 5};

	return store_ledger_seen(ledger, &seen, "test", &err);
}

static struct job job_of(const char *name)
{
	struct job job = {0};

	assert_int_equal(store_ledger_job(ledger, name, &job, &err), 0);
	return job;
}

static void expect(const char *name, const char *state, const char *reason)
{
	p2v_auto_job struct job job = job_of(name);

	assert_string_equal(job.state, state);
	assert_string_equal(job.reason, reason);
}

static struct lease take(const char *owner, uint32_t lease_s, const char *name)
{
	p2v_auto_job struct job job = {0};

	assert_int_equal(store_ledger_take(ledger, owner, "main", lease_s, false, &job, &err), 1);
	assert_string_equal(job.name, name);
	assert_string_equal(job.owner, owner);
	return (struct lease){job.id, job.lease, owner};
}

static void take_none(const char *owner)
{
	assert_int_equal(store_ledger_take(ledger, owner, "main", 60, false, NULL, &err), 0);
}

static int give(const struct lease *lease, enum ledger_stage stage, enum ledger_status status,
	const char *reason)
{
	const struct ledger_outcome outcome = {
		.stage = stage, .status = status, .reason = reason, .what = "finished"};

	return store_ledger_give(ledger, lease, &outcome, &err);
}

static int act(const char *name, const char *action, const char *text)
{
	p2v_auto_job struct job job = job_of(name);

	return store_ledger_act(ledger, job.id, action, "operator test", text, NULL, &err);
}

static void a_job_goes_its_way(void **state)
{
	(void)state;
	assert_int_equal(see("web01", LEDGER_WAITING), 1);
	assert_int_equal(see("web01", LEDGER_WAITING), 0);
	take_none("a");
	assert_int_equal(see("web01", LEDGER_RECEIVED), 1);
	for (enum ledger_stage stage = LEDGER_INSPECTED; stage <= LEDGER_PROVEN; stage++) {
		struct lease lease = take("a", 60, "web01");

		take_none("b");
		assert_int_equal(give(&lease, stage, LEDGER_READY, NULL), 0);
		expect("web01", ledger_stage_words[stage], "");
	}
	take_none("a");
	assert_int_equal(act("web01", "hold", NULL), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "web01"));
}

static void priority_then_age(void **state)
{
	p2v_auto_job struct job last = {0};
	p2v_auto_jobs struct jobs jobs = {0};
	struct lease lease;

	(void)state;
	see("one", LEDGER_RECEIVED);
	see("two", LEDGER_RECEIVED);
	see("three", LEDGER_RECEIVED);
	last = job_of("three");
	assert_int_equal(store_ledger_priority(ledger, last.id, 9, "operator test", &err), 0);
	see("late", LEDGER_WAITING);
	assert_int_equal(store_ledger_jobs(ledger, &jobs, &err), 0);
	assert_int_equal(jobs.jobs[0].place, 2);
	assert_int_equal(jobs.jobs[1].place, 3);
	assert_int_equal(jobs.jobs[2].place, 1);
	assert_int_equal(jobs.jobs[3].place, 0);
	lease = take("a", 60, "three");
	take("b", 60, "one");
	assert_int_equal(give(&lease, LEDGER_PROVEN, LEDGER_READY, NULL), 0);
	take("a", 60, "two");
	assert_int_equal(store_ledger_take(ledger, "a", "other", 60, false, NULL, &err), 0);
	assert_int_equal(
		store_ledger_priority(ledger, 4711, 9, "operator test", &err), P2V_ENOTFOUND);
}

/* A lease of 0 seconds is over at once. */
static void who_lost_his_lease_changes_nothing(void **state)
{
	const struct ledger_progress progress = {"converting", "steps", 1, 2};
	p2v_auto_job struct job job = {0};
	struct lease old, new;

	(void)state;
	see("web01", LEDGER_RECEIVED);
	old = take("a", 0, "web01");
	new = take("b", 60, "web01");
	assert_true(new.number > old.number);
	assert_int_equal(give(&old, LEDGER_PROVEN, LEDGER_READY, NULL), P2V_ECANCELED);
	assert_int_equal(
		store_ledger_renew(ledger, &old, 60, &progress, NULL, &err), P2V_ECANCELED);
	assert_int_equal(store_ledger_forget(ledger, &old, &err), P2V_ECANCELED);
	expect("web01", "received", "");
	assert_int_equal(store_ledger_renew(ledger, &new, 60, &progress, &job, &err), 0);
	assert_true(job.running);
	assert_string_equal(job.step, "converting");
	assert_int_equal(job.done, 1);
	assert_int_equal(give(&new, LEDGER_INSPECTED, LEDGER_READY, NULL), 0);
	assert_int_equal(give(&new, LEDGER_INSPECTED, LEDGER_READY, NULL), 0);
	new = take("a", 60, "web01");
	/* The same name, started anew: what the old one still writes comes too late. */
	assert_int_equal(store_ledger_release(ledger, "b", &err), 0);
	assert_int_equal(store_ledger_release(ledger, "a", &err), 1);
	assert_int_equal(give(&new, LEDGER_PROVEN, LEDGER_READY, NULL), P2V_ECANCELED);
	take("a", 60, "web01");
}

static void holds_and_approvals(void **state)
{
	const struct ledger_seen seen = {
		"db01", "main", LEDGER_PLANNED, LEDGER_GATE_CONVERSION | LEDGER_GATE_EMISSION, 0};
	p2v_auto_job struct job before = {0}, after = {0};
	struct lease lease;

	(void)state;
	assert_int_equal(store_ledger_seen(ledger, &seen, "test", &err), 1);
	before = job_of("db01");
	assert_int_equal(before.gates, 3);
	assert_int_equal(act("db01", "approve", NULL), P2V_EREFUSED);
	lease = take("a", 60, "db01");
	assert_int_equal(give(&lease, LEDGER_PLANNED, LEDGER_HELD, "waits for approval"), 0);
	expect("db01", "held", "waits for approval");
	take_none("a");
	assert_int_equal(act("db01", "approve", "looks good"), 0);
	after = job_of("db01");
	assert_int_equal(after.gates, LEDGER_GATE_EMISSION);
	lease = take("a", 60, "db01");
	/* Held while it runs: it goes on to the end of the step and no further. */
	assert_int_equal(act("db01", "hold", "lunch"), 0);
	assert_int_equal(give(&lease, LEDGER_CONVERTED, LEDGER_READY, NULL), 0);
	expect("db01", "held", "lunch");
	take_none("a");
	assert_int_equal(act("db01", "juggle", NULL), P2V_EINVAL);
	assert_int_equal(store_ledger_act(ledger, 999, "hold", "operator test", NULL, NULL, &err),
		P2V_ENOTFOUND);
}

static void failures_wait_and_are_tried_again(void **state)
{
	struct ledger_outcome later = {.stage = LEDGER_RECEIVED,
		.reason = "no room",
		.tries = 2,
		.wait_s = 1000,
		.what = "failed"};
	p2v_auto_job struct job job = {0};
	struct lease lease;

	(void)state;
	see("web01", LEDGER_RECEIVED);
	lease = take("a", 60, "web01");
	assert_int_equal(store_ledger_give(ledger, &lease, &later, &err), 0);
	expect("web01", "received", "no room");
	take_none("a");
	job = job_of("web01");
	assert_int_equal(job.tries, 2);
	assert_int_equal(act("web01", "retry", NULL), 0);
	lease = take("a", 60, "web01");
	assert_int_equal(give(&lease, LEDGER_RECEIVED, LEDGER_FAILED, "no kernel"), 0);
	expect("web01", "failed", "no kernel");
	take_none("a");
	assert_int_equal(act("web01", "retry", NULL), 0);
	expect("web01", "received", "");
	lease = take("a", 60, "web01");
	assert_int_equal(act("web01", "cancel", NULL), 0);
	assert_int_equal(give(&lease, LEDGER_RECEIVED, LEDGER_FAILED, "killed"), 0);
	expect("web01", "cancelled", "cancelled by operator test");
}

static void rollback_and_removal_come_first(void **state)
{
	struct ledger_outcome back = {.stage = LEDGER_RECEIVED,
		.status = LEDGER_HELD,
		.reason = "rolled back",
		.wish_done = true};
	p2v_auto_events struct events events = {0};
	struct lease lease;

	(void)state;
	see("web01", LEDGER_RECEIVED);
	assert_int_equal(act("web01", "rollback", NULL), P2V_EREFUSED);
	see("web01", LEDGER_PROVEN);
	assert_int_equal(act("web01", "rollback", NULL), 0);
	lease = take("a", 60, "web01");
	assert_int_equal(store_ledger_give(ledger, &lease, &back, &err), 0);
	expect("web01", "held", "rolled back");
	assert_int_equal(store_ledger_take(ledger, "a", "main", 60, true, NULL, &err), 0);
	assert_int_equal(act("web01", "rm", NULL), 0);
	lease = take("a", 60, "web01");
	assert_int_equal(store_ledger_forget(ledger, &lease, &err), 0);
	assert_int_equal(store_ledger_job(ledger, "web01", NULL, &err), P2V_ENOTFOUND);
	assert_int_equal(store_ledger_events(ledger, lease.job, 0, 100, &events, &err), 0);
	assert_true(events.n_events >= 4);
	assert_string_equal(events.events[events.n_events - 1].what, "removed");
	assert_string_equal(events.events[events.n_events - 1].name, "web01");
	/* Its number is not given to another. */
	see("web01", LEDGER_RECEIVED);
	assert_true(take("a", 60, "web01").job > lease.job);
}

static void what_is_done_by_hand_is_seen(void **state)
{
	struct lease lease;

	(void)state;
	see("web01", LEDGER_RECEIVED);
	lease = take("a", 60, "web01");
	assert_int_equal(see("web01", LEDGER_EMITTED), 0); /* it is taken */
	assert_int_equal(give(&lease, LEDGER_PLANNED, LEDGER_FAILED, "no"), 0);
	assert_int_equal(see("web01", LEDGER_EMITTED), 1);
	assert_int_equal(see("web01", LEDGER_RECEIVED), 1);
	expect("web01", "held", "brought back by hand");
	see("web02", LEDGER_RECEIVED);
	lease = take("a", 60, "web02");
	assert_int_equal(give(&lease, LEDGER_RECEIVED, LEDGER_FAILED, "no"), 0);
	/* A second pass of the agent begins, and ends. */
	assert_int_equal(see("web02", LEDGER_WAITING), 1);
	expect("web02", "waiting", "");
	assert_int_equal(act("web02", "hold", "wait"), 0);
	assert_int_equal(see("web02", LEDGER_RECEIVED), 1);
	expect("web02", "held", "wait");
	assert_int_equal(see("web02", LEDGER_PROVEN), 1);
	expect("web02", "held", "wait");
}

/* Held before the conversion, and converted by hand; or a ledger of yesterday was put back. */
static void what_is_brought_past_its_gate_is_seen(void **state)
{
	const struct ledger_seen gated = {
		"web01", "main", LEDGER_RECEIVED, LEDGER_GATE_CONVERSION, 5};
	struct lease lease;

	(void)state;
	assert_int_equal(store_ledger_seen(ledger, &gated, "test", &err), 1);
	lease = take("a", 60, "web01");
	assert_int_equal(give(&lease, LEDGER_PLANNED, LEDGER_HELD, "waits for approval"), 0);
	assert_int_equal(see("web01", LEDGER_EMITTED), 1);
	expect("web01", "held", "brought forward by hand");
	assert_int_equal(see("web01", LEDGER_RECEIVED), 1);
	assert_int_equal(act("web01", "approve", NULL), 0);
	lease = take("a", 60, "web01");
	assert_int_equal(give(&lease, LEDGER_PLANNED, LEDGER_HELD, "waits for approval"), 0);
	assert_int_equal(see("web01", LEDGER_PROVEN), 1);
	expect("web01", "proven", "");
	see("web02", LEDGER_RECEIVED);
	lease = take("a", 60, "web02");
	assert_int_equal(give(&lease, LEDGER_EMITTED, LEDGER_FAILED, "no address"), 0);
	assert_int_equal(see("web02", LEDGER_PROVEN), 1);
	expect("web02", "proven", "");
}

static void texts_are_values(void **state)
{
	const char *evil = "'; DROP TABLE job; -- \"?1 {now}";

	(void)state;
	see("web01", LEDGER_RECEIVED);
	assert_int_equal(act("web01", "hold", evil), 0);
	expect("web01", "held", evil);
	assert_int_equal(store_ledger_job(ledger, evil, NULL, &err), P2V_ENOTFOUND);
}

static void a_newer_ledger_is_refused(void **state)
{
	p2v_auto(store_db_free) struct db *db = NULL;
	struct ledger *other = NULL;

	(void)state;
	assert_int_equal(store_ledger_open(url, &other, &err), 0);
	store_ledger_free(other);
	assert_int_equal(store_db_open(url, &db, &err), 0);
	assert_int_equal(store_db_run(db, "UPDATE ledger_version SET version = 1000", NULL, 0, NULL,
				 NULL, &err),
		0);
	other = NULL;
	assert_int_equal(store_ledger_open(url, &other, &err), P2V_EREFUSED);
	assert_null(other);
	assert_non_null(strstr(err.text, "1000"));
}

static void backup_is_a_ledger(void **state)
{
	p2v_autofree char *copy = p2v_path_join(dir, "copy.db");
	p2v_auto(store_ledger_free) struct ledger *other = NULL;
	int r;

	(void)state;
	see("web01", LEDGER_RECEIVED);
	r = store_ledger_backup(ledger, copy, &err);
	if (given) {
		assert_int_equal(r, P2V_EUNSUPPORTED);
		return;
	}
	assert_int_equal(r, 0);
	see("web02", LEDGER_RECEIVED);
	assert_int_equal(store_ledger_open(copy, &other, &err), 0);
	assert_int_equal(store_ledger_job(other, "web01", NULL, &err), 0);
	assert_int_equal(store_ledger_job(other, "web02", NULL, &err), P2V_ENOTFOUND);
	assert_int_equal(store_ledger_backup(ledger, copy, &err), P2V_EEXIST);
}

/* Somebody looks at the ledger of a p2vd that runs (p2v server check, backup) and goes again. */
static int look_in_child(const char *name)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct ledger *other = NULL;
		struct job job = {0};
		bool found = store_ledger_open(url, &other, &err) == 0 &&
			     store_ledger_job(other, name, &job, &err) == 0;

		store_ledger_free(other);
		_exit(found ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void who_looks_takes_nothing_away(void **state)
{
	(void)state;
	see("web01", LEDGER_RECEIVED);
	assert_int_equal(look_in_child("web01"), 0);
	see("web02", LEDGER_RECEIVED);
	assert_int_equal(look_in_child("web02"), 0);
}

static void bad_places(void **state)
{
	p2v_autofree char *file = p2v_path_join(dir, "file");
	struct ledger *other = NULL;

	(void)state;
	assert_int_equal(
		p2v_publish_bytes(dir, "file", "not a data base, at all\n", 24, 0600, NULL), 0);
	assert_int_equal(store_ledger_open(file, &other, &err), P2V_EFORMAT);
	assert_non_null(strstr(err.text, file));
	assert_int_equal(store_ledger_open("/nowhere/at/all", &other, &err), P2V_ENOTFOUND);
	assert_int_equal(store_ledger_open("mysql://x", &other, &err), P2V_EINVAL);
	assert_int_equal(store_ledger_open("postgresql://u:secret@/d?host=/nowhere", &other, &err),
		P2V_ELINK);
	assert_null(strstr(err.text, "secret"));
	assert_int_equal(store_ledger_open("postgresql://u:secret@[/d", &other, &err), P2V_EINVAL);
	assert_null(strstr(err.text, "secret"));
	assert_null(other);
}

/* ---- killed at any moment ---- */

#define JOBS	25
#define WORKERS 4

static char *noun_path(uint64_t job, int stage)
{
	return p2v_strf("%s/%llu.%s", dir, (unsigned long long)job, ledger_stage_words[stage]);
}

/* The effect of a stage, as the daemon's workers have it: under the job's lock, by rename, and not
 * where it is there already. A second one of the same would not be made by link(). */
static bool stage_run(uint64_t job, int stage)
{
	p2v_autofree char *lock = p2v_strf("%s/%llu.lock", dir, (unsigned long long)job);
	p2v_autofree char *temp = p2v_strf("%s/.%d.tmp", dir, (int)getpid());
	p2v_autofree char *noun = noun_path(job, stage), *doubled = p2v_strf("%s.twice", noun);
	p2v_autoclose int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600), made = -1;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	if (access(noun, F_OK) == 0)
		return true;
	made = open(temp, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	usleep((useconds_t)(rand() % 3000));
	if (made < 0 || link(temp, noun) < 0)
		close(open(doubled, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	unlink(temp);
	return true;
}

static _Noreturn void work(int index)
{
	p2v_autofree char *owner = p2v_strf("w%d", index);
	struct ledger *mine = NULL;

	srand((unsigned)getpid());
	if (store_ledger_open(url, &mine, NULL) < 0 || store_ledger_release(mine, owner, NULL) < 0)
		_exit(2);
	for (;;) {
		/* Some leases are over at once: another one takes the job meanwhile. */
		uint32_t lease_s = rand() % 4 ? 600 : 0;
		p2v_auto_job struct job job = {0};
		struct lease lease;
		struct ledger_outcome outcome = {.what = "finished"};
		int r = store_ledger_take(mine, owner, "main", lease_s, false, &job, NULL);

		if (r == 0)
			usleep(2000);
		if (r <= 0)
			continue;
		lease = (struct lease){job.id, job.lease, owner};
		outcome.stage = job.stage;
		if (stage_run(job.id, job.stage + 1))
			outcome.stage++;
		else
			outcome.what = NULL;
		store_ledger_give(mine, &lease, &outcome, NULL);
	}
}

static pid_t spawn(int index)
{
	pid_t pid = fork();

	if (pid == 0)
		work(index);
	return pid;
}

static size_t unfinished(void)
{
	p2v_auto_jobs struct jobs jobs = {0};
	size_t n = 0;

	assert_int_equal(store_ledger_jobs(ledger, &jobs, &err), 0);
	assert_int_equal(jobs.n_jobs, JOBS);
	for (size_t i = 0; i < jobs.n_jobs; i++)
		n += jobs.jobs[i].stage != LEDGER_PROVEN;
	return n;
}

static void check_job(uint64_t id)
{
	p2v_auto_events struct events events = {0};
	size_t finished = 0;

	for (int stage = LEDGER_INSPECTED; stage <= LEDGER_PROVEN; stage++) {
		p2v_autofree char *noun = noun_path(id, stage);
		p2v_autofree char *doubled = p2v_strf("%s.twice", noun);

		assert_int_equal(access(noun, F_OK), 0);
		assert_int_not_equal(access(doubled, F_OK), 0);
	}
	assert_int_equal(store_ledger_events(ledger, id, 0, 1000, &events, &err), 0);
	for (size_t i = 0; i < events.n_events; i++)
		finished += strcmp(events.events[i].what, "finished") == 0;
	assert_int_equal(finished, LEDGER_PROVEN - LEDGER_RECEIVED);
}

static void killed_workers_lose_and_repeat_nothing(void **state)
{
	pid_t pids[WORKERS];
	int kills = 0;

	(void)state;
	for (int i = 0; i < JOBS; i++) {
		p2v_autofree char *name = p2v_strf("job%d", i);

		assert_int_equal(see(name, LEDGER_RECEIVED), 1);
	}
	srand(1);
	for (int i = 0; i < WORKERS; i++)
		pids[i] = spawn(i);
	while (unfinished()) {
		int i = rand() % WORKERS;

		usleep((useconds_t)(rand() % 20000));
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		pids[i] = spawn(i);
		/* What never gets far enough between two kills would never end. */
		if (++kills > 40)
			usleep(300000);
	}
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	assert_true(kills > 3);
	for (uint64_t id = 1; id <= JOBS; id++)
		check_job(id);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_job_goes_its_way),
		CASE(priority_then_age),
		CASE(who_lost_his_lease_changes_nothing),
		CASE(holds_and_approvals),
		CASE(failures_wait_and_are_tried_again),
		CASE(rollback_and_removal_come_first),
		CASE(what_is_done_by_hand_is_seen),
		CASE(what_is_brought_past_its_gate_is_seen),
		CASE(texts_are_values),
		CASE(a_newer_ledger_is_refused),
		CASE(backup_is_a_ledger),
		CASE(who_looks_takes_nothing_away),
		CASE(bad_places),
		CASE(killed_workers_lose_and_repeat_nothing),
	};

	given = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
