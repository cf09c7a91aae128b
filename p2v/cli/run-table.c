/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where each server of a campaign is, on a terminal. */
#include <string.h>
#include <time.h>

#include "p2v/cli/job-print.h"
#include "p2v/cli/run.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

#define NAME_COLUMNS 16 /* at most, or a third of the line */
#define STEP_COLUMNS 11
#define WAVE_COLUMNS 10 /* at most */

uint64_t cli_run_away_s(const struct campaign_entry *e)
{
	const struct campaign_server *s = e->state;

	return s->final_s ? s->final_s : runbook_cuts_over(e->server) ? 0 : s->seen_s;
}

uint64_t cli_run_outage_s(const struct campaign_entry *e)
{
	const struct campaign_server *s = e->state;
	uint64_t from = cli_run_away_s(e);
	uint64_t to = s->done_s ? s->done_s : s->proven_s;

	return from && to > from ? to - from : 0;
}

/* What p2vd does with it now, or why it waits. */
static void doing_add(struct p2v_buf *out, const struct campaign_entry *e)
{
	const struct job *job = e->job;
	char took[P2V_NUM_TEXT];
	uint64_t outage_s = cli_run_outage_s(e);

	if (e->hook.pid)
		p2v_buf_addf(out, "program %s runs", campaign_hook_words[e->hook.which]);
	else if (job && job->running && !campaign_step_rests(e->state->step)) {
		p2v_buf_addf(out, "%s", job->step && *job->step ? job->step : "runs");
		if (job->total)
			p2v_buf_addf(out, " %u %%", (unsigned)(job->done * 100 / job->total));
	} else if (e->state->note)
		p2v_buf_add_str(out, e->state->note);
	else if (e->state->step == CAMPAIGN_DONE && outage_s)
		p2v_buf_addf(out, "outage %s", p2v_num_ms_text(outage_s * 1000, took));
	p2v_buf_add_str(out, "");
}

static void line_end(struct p2v_buf *out)
{
	while (!out->failed && out->len && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	p2v_buf_add_str(out, "\n");
}

/* No wider than what is in them: the rest is for what somebody has to do. Two servers that begin
 * alike are to be told apart. */
static void columns_find(
	const struct campaign *c, size_t columns, size_t *ret_waves, size_t *ret_names)
{
	*ret_waves = strlen("WAVE");
	*ret_names = strlen("SERVER");
	for (size_t i = 0; i < c->n_entries; i++) {
		*ret_waves = p2v_max_u64(*ret_waves, strlen(c->entries[i].wave->name));
		*ret_names = p2v_max_u64(*ret_names, strlen(c->entries[i].server->name));
	}
	*ret_waves = p2v_min_u64(*ret_waves, WAVE_COLUMNS);
	*ret_names = p2v_min_u64(*ret_names, p2v_max_u64(NAME_COLUMNS, columns / 3));
}

void cli_run_table(const struct campaign *c, size_t columns, struct p2v_buf *out)
{
	size_t waves, names, fixed;

	columns_find(c, columns, &waves, &names);
	fixed = waves + names + STEP_COLUMNS + 3;
	cli_cell_add(out, "WAVE", waves);
	cli_cell_add(out, "SERVER", names);
	cli_cell_add(out, "STEP", STEP_COLUMNS);
	p2v_buf_add_str(out, "WHAT\n");
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct campaign_entry *e = &c->entries[i];
		p2v_autobuf struct p2v_buf doing = {0};

		if (!e->wanted)
			continue;
		doing_add(&doing, e);
		cli_cell_add(out, e->wave->name, waves);
		cli_cell_add(out, e->server->name, names);
		cli_cell_add(out, campaign_step_words[e->state->step], STEP_COLUMNS);
		cli_cut_add(out, doing.failed || !doing.data ? "" : (const char *)doing.data,
			columns > fixed + 10 ? columns - fixed : 10);
		line_end(out);
	}
}
