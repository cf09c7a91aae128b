/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/estimate.h"

#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"

/* Until a job has shown it. */
#define CONVERT_S 60
#define PROVE_S	  120
#define JOBS_MAX  20
/* A second pass reads all and sends little: until one was seen. */
#define SECOND_PART 4

struct seconds {
	uint64_t convert, prove;
	bool whole;
};

/* From when the conversion was let go to its output, and from there to the proof; of the last time
 * that it went that far. */
static struct seconds seconds_of(const struct events *events)
{
	struct seconds s = {0};
	uint64_t begun = 0, emitted = 0;

	for (size_t i = 0; i < events->n_events; i++) {
		const struct event *e = &events->events[i];

		if (strcmp(e->what, "approve") == 0 || strcmp(e->what, "inspect") == 0)
			begun = e->at_s;
		else if (strcmp(e->what, "emit") == 0)
			emitted = e->at_s;
		else if (strcmp(e->what, "prove") == 0 && begun && emitted >= begun)
			s = (struct seconds){emitted - begun, e->at_s - emitted, true};
	}
	return s;
}

int campaign_pace_learn(const struct campaign *c, struct campaign_pace *ret, struct p2v_err *err)
{
	struct campaign_pace sum = {0};

	for (size_t i = c->jobs.n_jobs; i-- > 0 && sum.n_jobs < JOBS_MAX;) {
		p2v_auto_events struct events events = {0};
		struct seconds s;
		int r;

		if (c->jobs.jobs[i].stage != LEDGER_PROVEN)
			continue;
		r = campaign_history(c, c->jobs.jobs[i].id, &events, err);
		if (r < 0)
			return r;
		s = seconds_of(&events);
		sum.convert_s += s.convert;
		sum.prove_s += s.prove;
		sum.n_jobs += s.whole;
	}
	*ret = sum.n_jobs ? (struct campaign_pace){sum.convert_s / sum.n_jobs,
				    sum.prove_s / sum.n_jobs, sum.n_jobs}
			  : (struct campaign_pace){CONVERT_S, PROVE_S, 0};
	return 0;
}

uint64_t campaign_disk_bytes(const struct machine *machine)
{
	uint64_t bytes = 0;

	for (size_t i = 0; machine && i < machine->n_disks; i++)
		if (!p2v_add_u64(bytes, machine->disks[i].size_bytes, &bytes))
			return UINT64_MAX;
	return bytes;
}

static uint64_t bytes_of(const struct campaign *c, const struct campaign_entry *e)
{
	const struct campaign_machine *m = campaign_candidate(c, e);
	uint64_t bytes = 0;

	if (e->server->size && p2v_num_parse_bytes(e->server->size, "size", &bytes, NULL) == 0)
		return bytes;
	return campaign_disk_bytes(m ? &m->machine : NULL);
}

struct campaign_estimate campaign_estimate(
	const struct campaign *c, const struct campaign_entry *e, const struct campaign_pace *pace)
{
	struct campaign_estimate est = {.seen = e->state->passes > 0, .bytes = bytes_of(c, e)};
	uint64_t rate = ESTIMATE_RATE_BYTES, most = 0, pass_s = p2v_div_up(e->state->pass_ms, 1000);

	if (e->server->rate)
		p2v_num_parse_bytes(e->server->rate, "rate", &rate, NULL);
	if (e->server->bandwidth &&
		p2v_num_parse_bytes(e->server->bandwidth, "bandwidth", &most, NULL) == 0)
		rate = p2v_min_u64(rate, most);
	est.known = est.seen || est.bytes;
	est.copy_s = est.seen ? pass_s : p2v_div_up(est.bytes, rate ? rate : 1);
	est.last_s = est.copy_s;
	if (runbook_cuts_over(e->server) && e->state->passes < 2)
		est.last_s = p2v_div_up(est.copy_s, SECOND_PART);
	est.outage_s = est.last_s + pace->convert_s + pace->prove_s;
	return est;
}
