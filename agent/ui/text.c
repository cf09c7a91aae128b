/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/text.h"

#include <inttypes.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/text.h"

/* A word of the machine's own, made safe to show. */
static void word(struct p2v_buf *out, const char *before, const char *text)
{
	if (!text || !*text)
		return;
	p2v_buf_add_str(out, before);
	p2v_text_add_printable(out, text);
}

void ui_text_machine(const struct machine *m, struct p2v_buf *out)
{
	char memory[P2V_NUM_TEXT];

	p2v_buf_add_str(out, "Machine ");
	word(out, " ", m->vendor);
	word(out, " ", m->product);
	word(out, ", serial number ", m->serial);
	p2v_buf_addf(out, "\n         %s, %" PRIu32 " processor%s, %s, %s", m->arch ? m->arch : "",
		m->cpus, m->cpus == 1 ? "" : "s", p2v_num_bytes_text(m->memory_bytes, memory),
		m->firmware ? m->firmware : "");
}

void ui_text_disk(
	const struct machine_disk *d, const struct ui_contents *contents, struct p2v_buf *out)
{
	const struct ui_disk_contents *c = contents ? ui_contents_disk(contents, d->path) : NULL;
	char size[P2V_NUM_TEXT];

	p2v_text_add_printable(out, d->path);
	p2v_buf_addf(out, "  %s", p2v_num_bytes_text(d->size_bytes, size));
	word(out, "  ", d->model);
	word(out, "  ", d->table);
	if (c)
		p2v_buf_addf(out, ", %s used", p2v_num_bytes_text(c->used_bytes, size));
	if (d->removable)
		p2v_buf_add_str(out, "  (removable: not sent)");
}

void ui_text_where(const struct ui_state *state, struct p2v_buf *out)
{
	p2v_buf_add_str(out, "Network  ");
	word(out, "", state->network ? state->network : "not up");
	p2v_buf_add_str(out, "\nServer   ");
	word(out, "", state->server ? state->server : "not known");
	p2v_buf_add_str(out, "\nName     ");
	word(out, "", state->name);
}

void ui_text_copy(const struct ui_contents *contents, const struct machine *m, struct p2v_buf *out)
{
	uint64_t ms = ui_contents_ms(contents, m);
	char used[P2V_NUM_TEXT], time[P2V_NUM_TEXT];

	if (ms)
		p2v_buf_addf(out, "Copy     %s are used, which takes %s or so",
			p2v_num_bytes_text(ui_contents_used(contents), used),
			p2v_num_ms_text(ms, time));
}

unsigned ui_text_percent(const struct ui_state *state)
{
	if (!state->total)
		return 0;
	if (state->done >= state->total)
		return 100;
	return (unsigned)((double)state->done * 100 / (double)state->total);
}

static void progress(const struct ui_state *state, struct p2v_buf *out)
{
	char done[P2V_NUM_TEXT], total[P2V_NUM_TEXT], rate[P2V_NUM_TEXT], left[P2V_NUM_TEXT];
	bool bytes = !state->unit || strcmp(state->unit, "bytes") == 0;

	if (!state->label)
		return;
	word(out, "\n", state->label);
	if (!state->total)
		return;
	if (bytes)
		p2v_buf_addf(out, "  %s of %s (%u %%)", p2v_num_bytes_text(state->done, done),
			p2v_num_bytes_text(state->total, total), ui_text_percent(state));
	if (bytes && state->rate)
		p2v_buf_addf(out, "  %s/s", p2v_num_bytes_text(state->rate, rate));
	/* Of a step of the server's. */
	if (!bytes && state->done)
		p2v_buf_addf(out, "  %u %%", ui_text_percent(state));
	if (bytes && state->eta_ms)
		p2v_buf_addf(out, "  %s left", p2v_num_ms_text(state->eta_ms, left));
}

/* The whole, where there are several disks; and what it waits for. */
static void progress_whole(
	const struct ui_state *state, const struct ui_contents *contents, struct p2v_buf *out)
{
	uint64_t before = 0, total = contents ? ui_contents_used(contents) : 0;
	size_t at = contents ? ui_contents_at(contents, state->label, &before) : 0;
	char left[P2V_NUM_TEXT];

	if (!state->total || !state->unit || strcmp(state->unit, "bytes") != 0)
		return;
	p2v_buf_add_str(out, "\n");
	if (at && contents->n_disks > 1 && total) {
		uint64_t done = before + state->done < total ? before + state->done : total;

		p2v_buf_addf(out, "disk %zu of %zu, %u %% of all", at, contents->n_disks,
			(unsigned)((double)done * 100 / (double)total));
		if (state->rate)
			p2v_buf_addf(out, ", %s left for all",
				p2v_num_ms_text((uint64_t)((double)(total - done) * 1000 /
							   (double)state->rate),
					left));
		p2v_buf_add_str(out, state->bottleneck ? "; " : "");
	}
	word(out, "bound by ", state->bottleneck);
}

static const char *const titles[] = {
	"Getting ready: ", "Waiting for you: ", "", "", "Done: ", "Failed: "};

static const char *leaving(const struct ui_state *state)
{
	const char *then = state->then ? state->then : "";

	return strcmp(then, "poweroff") == 0 ? "Switches itself off"
	       : strcmp(then, "reboot") == 0 ? "Starts anew"
					     : "Tries again";
}

void ui_text_status(
	const struct ui_state *state, const struct ui_contents *contents, struct p2v_buf *out)
{
	size_t phase = (size_t)state->phase;

	word(out, phase < P2V_N(titles) ? titles[phase] : "", state->text);
	if (state->phase == UI_COUNTING)
		p2v_buf_addf(out, " in %" PRIu64 " s", state->seconds_left);
	if ((state->phase == UI_FAILED || state->phase == UI_DONE) && state->seconds_left)
		p2v_buf_addf(out, "\n%s in %" PRIu64 " s", leaving(state), state->seconds_left);
	if (state->phase == UI_SENDING && state->attempt > 1)
		p2v_buf_addf(out, " (attempt %" PRIu64 ")", state->attempt);
	if (state->phase == UI_SENDING) {
		progress(state, out);
		progress_whole(state, contents, out);
	}
}
