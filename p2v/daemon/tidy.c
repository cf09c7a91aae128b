/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/daemon/tidy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/queue.h"

int daemon_limits_say(const struct server_config *config, struct p2v_err *err)
{
	const struct store_limits limits = {.receivers = config->receivers,
		.keep_free_bytes = config->keep_free_bytes,
		.quota_bytes = config->quota_bytes,
		.job_quota_bytes = config->job_quota_bytes,
		.patience_s = config->patience_s};

	return store_limits_save(config->base, &limits, err);
}

/* ---- arrivals ---- */

static int arrival_add(void *ctx, const char *job, uint32_t place, struct p2v_err *err)
{
	struct daemon_arrivals *arrivals = ctx;
	struct daemon_arrival *a =
		p2v_json_grow((void **)&arrivals->items, &arrivals->n, sizeof(*a));

	if (a)
		*a = (struct daemon_arrival){strdup(job), place};
	return a && a->job ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int daemon_arrivals_read(const char *base, struct daemon_arrivals *ret, struct p2v_err *err)
{
	return store_queue_list(base, arrival_add, ret, err);
}

void daemon_arrivals_finish(struct daemon_arrivals *arrivals)
{
	for (size_t i = 0; i < arrivals->n; i++)
		free(arrivals->items[i].job);
	free(arrivals->items);
	*arrivals = (struct daemon_arrivals){0};
}

char *daemon_arrival_reason(
	const struct daemon_arrivals *arrivals, const char *base, const char *job)
{
	p2v_autofree char *dir = p2v_path_join(base, job);

	for (size_t i = 0; i < arrivals->n; i++) {
		const struct daemon_arrival *a = &arrivals->items[i];

		if (strcmp(a->job, job) == 0)
			return a->place ? p2v_strf("place %u in the queue of those that wait to be "
						   "received",
						  a->place)
					: strdup("is being received");
	}
	return strdup(dir && store_jobdir_busy(dir)
			      ? "its agent is connected"
			      : "no agent is connected: it goes on when one calls again");
}

/* ---- retention ---- */

/* A receiver touches the lock while it hears its agent. */
static uint64_t since_s(const struct server_config *config, const struct job *job)
{
	p2v_autofree char *lock = p2v_strf("%s/%s/" STORE_LOCK, config->base, job->name);
	struct stat st;

	if (job->stage == LEDGER_WAITING && lock && stat(lock, &st) == 0 &&
		(uint64_t)st.st_mtime > job->changed_s)
		return (uint64_t)st.st_mtime;
	return job->changed_s;
}

/* The rule that the job falls under; n_retention: none. Where somebody is at work in its directory
 * it is not over. */
static size_t rule_of(const struct server_config *config, const struct job *job, uint64_t now_s)
{
	uint64_t since = since_s(config, job);
	p2v_autofree char *dir = p2v_path_join(config->base, job->name);
	size_t rule = 0;

	if (!dir || store_jobdir_busy(dir))
		return config->n_retention;
	while (rule < config->n_retention &&
		!control_retention_over(&config->rules[rule], job, since, now_s))
		rule++;
	return rule;
}

static int job_let_go(const struct server_config *config, struct ledger *ledger,
	const struct job *job, const char *rule, struct p2v_err *err)
{
	p2v_autofree char *who = p2v_strf("p2vd %s", config->host);
	p2v_autofree char *text = p2v_strf("retention: %s", rule);
	int r;

	if (!who || !text)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = store_ledger_act(ledger, job->id, "rm", who, text, NULL, err);
	/* Somebody else was quicker. */
	return r == P2V_EREFUSED || r == P2V_ENOTFOUND ? 0 : r < 0 ? r : 1;
}

int daemon_tidy(const struct server_config *config, struct ledger *ledger, struct p2v_err *err)
{
	p2v_auto_jobs struct jobs jobs = {0};
	int r = config->n_retention ? store_ledger_jobs(ledger, &jobs, err) : 0, n = 0;

	for (size_t i = 0; r >= 0 && i < jobs.n_jobs; i++) {
		const struct job *job = &jobs.jobs[i];
		size_t rule = rule_of(config, job, jobs.now_s);

		if (rule == config->n_retention || strcmp(job->pool, config->pool) != 0)
			continue;
		r = job_let_go(config, ledger, job, config->retention[rule], err);
		n += r > 0;
	}
	return r < 0 ? r : n;
}
