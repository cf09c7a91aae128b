/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report of a campaign, from its state and the nouns of its jobs. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2v/cli/assessment.h"
#include "p2v/cli/run.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/model/changes.h"
#include "p2v/model/proof.h"
#include "p2v/model/receipt.h"
#include "p2v/runbook/page.h"

/* What a job has left; what is not there is empty. */
struct left {
	struct facts facts;
	struct machine machine;
	struct plan plan;
	struct proof proof;
	struct receipt receipt;
	struct changes changes;
	struct assessment assessment;
};

static void left_finish(struct left *l)
{
	model_facts_finish(&l->facts);
	model_machine_finish(&l->machine);
	model_plan_finish(&l->plan);
	model_proof_finish(&l->proof);
	model_receipt_finish(&l->receipt);
	model_changes_finish(&l->changes);
	p2v_json_free(&cli_assessment_type, &l->assessment);
}

static int left_load(const struct campaign *c, const struct campaign_entry *e, struct left *l,
	struct p2v_err *err)
{
	const struct {
		const char *noun;
		const struct p2v_json_type *type;
		void *obj;
	} rows[] = {{"machine.json", &model_machine_type, &l->machine},
		{"receipt", &model_receipt_type, &l->receipt},
		{"facts.json", &model_facts_type, &l->facts},
		{"plan.json", &model_plan_type, &l->plan},
		{"changes.json", &model_changes_type, &l->changes},
		{"proof.json", &model_proof_type, &l->proof}};
	int r = 0;

	for (size_t i = 0; r == 0 && e->state->job && i < P2V_N(rows); i++) {
		r = campaign_noun(c, e->state->job, rows[i].noun, rows[i].type, rows[i].obj, err);
		/* One that cannot be read is as good as none here: the job says why. */
		if (r == P2V_ENOTFOUND || r == P2V_EFORMAT) {
			p2v_err_clear(err);
			r = 0;
		}
	}
	if (r == 0 && l->plan.name && l->facts.version) {
		const struct assess_input in = {&l->facts, &l->machine, &l->plan, true, false};

		r = cli_assessment_make(&in, &l->assessment, err);
	}
	return r;
}

static void time_text(uint64_t at_s, char text[32])
{
	time_t at = (time_t)at_s;
	struct tm local;

	*text = '\0';
	if (at_s && localtime_r(&at, &local))
		strftime(text, 32, "%Y-%m-%d %H:%M:%S", &local);
}

static const char *took_text(uint64_t s, char text[P2V_NUM_TEXT])
{
	return s ? p2v_num_ms_text(s * 1000, text) : "";
}

/* ---- one server ---- */

static void by_hand_add(struct page *page, const struct campaign_entry *e, const struct left *l)
{
	const struct campaign_server *s = e->state;

	page_text(page, "To do by hand:");
	page_list_begin(page);
	if (s->step == CAMPAIGN_FAILED || s->step == CAMPAIGN_ROLLED)
		page_item(page, s->note);
	if (s->step == CAMPAIGN_FAILED)
		page_item(page,
			"Once that is mended, p2v run --retry goes on with it. Or start the "
			"physical machine again: it is as it was.");
	if (s->step == CAMPAIGN_DONE && !e->server->cutover.handover.n_run)
		page_item(page, "Switch the physical machine off for good, then start the virtual "
				"one where "
				"it belongs: the runbook has no handover.");
	for (size_t i = 0; i < l->assessment.n_needs; i++)
		page_item(page, l->assessment.needs[i].text);
	for (size_t i = 0; i < l->plan.n_warnings; i++)
		page_item(page, l->plan.warnings[i]);
	page_list_end(page);
}

static bool has_by_hand(const struct campaign_entry *e, const struct left *l)
{
	int step = e->state->step;

	return step == CAMPAIGN_FAILED || step == CAMPAIGN_ROLLED || l->assessment.n_needs ||
	       l->plan.n_warnings || (step == CAMPAIGN_DONE && !e->server->cutover.handover.n_run);
}

static void proof_add(struct page *page, const struct campaign *c, const struct campaign_entry *e,
	const struct proof *proof)
{
	static const char *const names[] = {"Check", "Seen", "Evidence"};
	p2v_autofree char *line = NULL, *where = NULL;
	char took[P2V_NUM_TEXT];

	if (!proof->name)
		return;
	line = p2v_strf("Proof: %s after %s under %s. %s", model_verdict_words[proof->verdict],
		p2v_num_ms_text(proof->boot_ms, took), proof->accel ? proof->accel : "?",
		proof->reason ? proof->reason : "");
	page_text(page, line);
	page_table_begin(page, names, P2V_N(names));
	for (size_t i = 0; i < proof->n_checks; i++) {
		const struct proof_check *check = &proof->checks[i];
		const char *const cells[] = {check->name,
			check->ok	  ? "yes"
			: check->required ? "no"
					  : "no (not required)",
			check->evidence};

		page_row(page, cells, P2V_N(cells));
	}
	page_table_end(page);
	where = p2v_strf("Serial log, screenshot and frames: %s/%s/proof on the conversion server.",
		c->base ? c->base : "", e->state->job_name ? e->state->job_name : "");
	page_text(page, where);
}

static void copy_add(struct page *page, const struct campaign_entry *e, const struct receipt *r)
{
	uint64_t read = 0, sent = 0;
	char took[P2V_NUM_TEXT], read_text[P2V_NUM_TEXT], sent_text[P2V_NUM_TEXT];
	p2v_autobuf struct p2v_buf text = {0};

	if (!r->n_disks)
		return;
	for (size_t i = 0; i < r->n_disks; i++) {
		read += r->disks[i].read_bytes;
		sent += r->disks[i].sent_bytes;
	}
	p2v_buf_addf(&text, "Copied in %u pass%s; the last took %s. Read %s, sent %s.",
		e->state->passes, e->state->passes == 1 ? "" : "es",
		p2v_num_ms_text(e->state->pass_ms, took), p2v_num_bytes_text(read, read_text),
		p2v_num_bytes_text(sent, sent_text));
	for (size_t i = 0; i < r->n_disks; i++)
		p2v_buf_addf(&text, " %s: digest %s%s.", r->disks[i].id,
			r->disks[i].digest ? r->disks[i].digest : "?",
			r->disks[i].verified ? ", read back" : "");
	if (!text.failed)
		page_text(page, (const char *)text.data);
}

static void times_add(struct page *page, const struct campaign_server *s)
{
	const struct {
		const char *what;
		uint64_t at_s;
	} rows[] = {{"called in", s->seen_s}, {"copied", s->copied_s},
		{"last pass begun", s->final_s}, {"conversion begun", s->approved_s},
		{"proven", s->proven_s}, {"done", s->done_s}};
	p2v_autobuf struct p2v_buf text = {0};
	char at[32];

	for (size_t i = 0; i < P2V_N(rows); i++) {
		time_text(rows[i].at_s, at);
		if (*at)
			p2v_buf_addf(
				&text, "%s%s %s", text.len ? ", " : "Times: ", rows[i].what, at);
	}
	if (text.len && !text.failed)
		page_text(page, (const char *)text.data);
}

static void server_add(struct page *page, const struct campaign *c, const struct campaign_entry *e,
	const struct left *l)
{
	p2v_autofree char *line = NULL;

	page_heading(page, e->server->name);
	line = p2v_strf("%s%s%s. Job %llu (%s). %zu change%s in the guest; p2v job show %s has the "
			"history.",
		campaign_step_words[e->state->step], e->state->note ? ": " : "",
		e->state->note ? e->state->note : "", (unsigned long long)e->state->job,
		e->state->job_name ? e->state->job_name : "none", l->changes.n_changes,
		l->changes.n_changes == 1 ? "" : "s",
		e->state->job_name ? e->state->job_name : "JOB");
	page_text(page, line);
	times_add(page, e->state);
	copy_add(page, e, &l->receipt);
	proof_add(page, c, e, &l->proof);
	if (has_by_hand(e, l))
		by_hand_add(page, e, l);
}

/* ---- all of them ---- */

/* One that has failed, or is not done yet, may still be away. */
static const char *outage_text(const struct campaign_entry *e, char text[64])
{
	uint64_t outage_s = cli_run_outage_s(e);
	char at[32];

	*text = '\0';
	time_text(cli_run_away_s(e), at);
	if (outage_s)
		return p2v_num_ms_text(outage_s * 1000, text);
	if (*at && e->state->step != CAMPAIGN_ROLLED && e->state->step != CAMPAIGN_DONE)
		snprintf(text, 64, "since %s", at);
	return text;
}

static void summary_row(struct page *page, const struct campaign_entry *e, const struct left *l)
{
	char outage[64], convert[P2V_NUM_TEXT], pass[P2V_NUM_TEXT];
	const struct campaign_server *s = e->state;
	const char *const cells[] = {e->wave->name, e->server->name, campaign_step_words[s->step],
		l->assessment.grade ? l->assessment.grade : "",
		took_text(p2v_div_up(s->pass_ms, 1000), pass),
		took_text(s->proven_s > s->approved_s && s->approved_s ? s->proven_s - s->approved_s
								       : 0,
			convert),
		outage_text(e, outage), l->proof.name ? model_verdict_words[l->proof.verdict] : ""};

	page_row(page, cells, P2V_N(cells));
}

static void totals_add(struct page *page, const struct campaign *c)
{
	char began[32], ended[32];
	p2v_autofree char *line = NULL;
	size_t n = 0, done = 0, failed = 0;

	for (size_t i = 0; i < c->n_entries; i++) {
		n += c->entries[i].wanted;
		done += c->entries[i].wanted && c->entries[i].state->step == CAMPAIGN_DONE;
		failed += c->entries[i].wanted && c->entries[i].state->step == CAMPAIGN_FAILED;
	}
	time_text(c->state.began_s, began);
	time_text(c->state.ended_s, ended);
	line = p2v_strf("%zu server%s, %zu done, %zu failed. Begun %s%s%s.", n, n == 1 ? "" : "s",
		done, failed, began, *ended ? ", ended " : ", under way", ended);
	page_text(page, line);
	page_text(page,
		"The outage is from the last pass (or, where there was only one, from when the "
		"machine called in) until it was handed over or proven; 'since': it is not over, "
		"unless the physical machine was started again. No physical machine was "
		"changed: each can be started again as it was once its virtual one is off.");
}

static int pages_make(struct campaign *c, struct page *page, struct p2v_err *err)
{
	static const char *const names[] = {"Wave", "Server", "Step", "Grade", "Last pass",
		"Conversion and proof", "Outage", "Proof"};
	p2v_autofree char *title = p2v_strf("Campaign %s", c->book->name);
	p2v_autofree struct left *left = calloc(c->n_entries + 1, sizeof(*left));
	int r = left ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < c->n_entries; i++)
		r = left_load(c, &c->entries[i], &left[i], err);
	page_begin(page, title);
	totals_add(page, c);
	page_table_begin(page, names, P2V_N(names));
	for (size_t i = 0; r == 0 && i < c->n_entries; i++)
		if (c->entries[i].wanted)
			summary_row(page, &c->entries[i], &left[i]);
	page_table_end(page);
	for (size_t i = 0; r == 0 && i < c->n_entries; i++)
		if (c->entries[i].wanted)
			server_add(page, c, &c->entries[i], &left[i]);
	page_end(page);
	for (size_t i = 0; left && i < c->n_entries; i++)
		left_finish(&left[i]);
	return r;
}

static int page_save(const struct campaign *c, const char *suffix, const struct p2v_buf *text,
	char **ret_path, struct p2v_err *err)
{
	p2v_autofree char *dir = NULL, *name = NULL;
	int r = p2v_buf_check(text, err);

	if (r == 0)
		r = campaign_file(c->path, suffix, &dir, &name, err);
	if (r == 0)
		r = p2v_publish_bytes(dir, name, text->data, text->len, 0644, err);
	if (r == 0 && ret_path)
		*ret_path = p2v_path_join(dir, name);
	return r;
}

int cli_run_report(struct campaign *c, char **ret_path, struct p2v_err *err)
{
	struct page page = {0};
	int r = pages_make(c, &page, err);

	if (r == 0)
		r = page_save(c, ".report.html", &page.html, NULL, err);
	if (r == 0)
		r = page_save(c, ".report.md", &page.md, ret_path, err);
	page_finish(&page);
	return r < 0 ? p2v_err_wrap(err, r, "the report") : 0;
}
