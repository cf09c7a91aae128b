/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"

/* The rate is over the last ten samples, 500 ms apart. */
#define SAMPLES	  10
#define SAMPLE_MS 500

struct sample {
	uint64_t at_ms, done;
};

struct style;

struct p2v_progress {
	const struct style *style;
	bool active; /* between start and end */
	char *label, *unit;
	uint64_t total, done;
	uint64_t begin_ms, drawn_ms;
	uint64_t read_bytes, sent_bytes; /* p2v_progress_flow */
	const char *bottleneck;
	struct sample samples[SAMPLES]; /* a ring; n_samples counts all ever taken */
	size_t n_samples;
};

/* How the watcher is told. every_ms 0: only the start and the end. */
struct style {
	unsigned every_ms;
	void (*draw)(const struct p2v_progress *p, bool last);
	void (*say)(const struct p2v_progress *p, const char *text);
};

int p2v_progress_mode_parse(const char *text, enum p2v_progress_mode *ret, struct p2v_err *err)
{
	static const struct {
		const char *word;
		enum p2v_progress_mode mode;
	} rows[] = {{"auto", P2V_PROGRESS_AUTO}, {"json", P2V_PROGRESS_JSON},
		{"none", P2V_PROGRESS_NONE}};

	for (size_t i = 0; i < P2V_N(rows); i++) {
		if (!text || strcmp(text, rows[i].word) == 0) {
			*ret = rows[i].mode;
			return 0;
		}
	}
	return p2v_err_set(err, P2V_EINVAL, "progress '%s' is not auto, json or none", text);
}

/* ---- numbers ---- */

static bool is_bytes(const struct p2v_progress *p)
{
	return !p->unit || strcmp(p->unit, "bytes") == 0;
}

/* Units per second; 0: not known yet. */
static uint64_t rate_of(const struct p2v_progress *p)
{
	size_t oldest = p->n_samples > SAMPLES ? p->n_samples - SAMPLES : 0;
	const struct sample *from = &p->samples[oldest % SAMPLES];
	uint64_t ms = p2v_now_ms() - from->at_ms;

	if (!p->n_samples || ms == 0 || p->done <= from->done)
		return 0;
	return (uint64_t)((double)(p->done - from->done) * 1000 / (double)ms);
}

/* True with the milliseconds that are left, where they can be told. */
static bool eta_of(const struct p2v_progress *p, uint64_t rate, uint64_t *ret_ms)
{
	if (!p->total || !rate || p->done > p->total)
		return false;
	*ret_ms = (uint64_t)((double)(p->total - p->done) * 1000 / (double)rate);
	return true;
}

static double ratio_of(const struct p2v_progress *p)
{
	return (double)p->sent_bytes / (double)p->read_bytes;
}

static void sample_take(struct p2v_progress *p, uint64_t now)
{
	const struct sample *last = &p->samples[(p->n_samples + SAMPLES - 1) % SAMPLES];

	if (p->n_samples && now - last->at_ms < SAMPLE_MS)
		return;
	p->samples[p->n_samples++ % SAMPLES] = (struct sample){now, p->done};
}

/* ---- lines for people ---- */

static void amount_add(const struct p2v_progress *p, struct p2v_buf *line, uint64_t n)
{
	char text[P2V_NUM_TEXT];

	if (is_bytes(p))
		p2v_buf_add_str(line, p2v_num_bytes_text(n, text));
	else
		p2v_buf_addf(line, "%" PRIu64, n);
}

static unsigned percent_of(const struct p2v_progress *p)
{
	if (p->done >= p->total)
		return 100;
	return (unsigned)((double)p->done * 100 / (double)p->total);
}

static void line_amounts(const struct p2v_progress *p, struct p2v_buf *line)
{
	p2v_text_add_printable(line, p->label);
	/* Something that just takes its time has nothing to count. */
	if (!p->total && !p->done && !is_bytes(p))
		return;
	p2v_buf_add_str(line, "  ");
	amount_add(p, line, p->done);
	if (p->total) {
		p2v_buf_add_str(line, " of ");
		amount_add(p, line, p->total);
	}
	if (!is_bytes(p))
		p2v_buf_addf(line, " %s", p->unit);
	if (p->total)
		p2v_buf_addf(line, " (%u %%)", percent_of(p));
}

/* While it runs: the rate of late and what is left. At the end: the whole and how long it took. */
static void line_add(const struct p2v_progress *p, bool last, struct p2v_buf *line)
{
	uint64_t gone_ms = p2v_now_ms() - p->begin_ms, eta_ms;
	uint64_t rate = last ? (gone_ms ? p->done * 1000 / gone_ms : 0) : rate_of(p);
	char text[P2V_NUM_TEXT];

	line_amounts(p, line);
	if (rate && is_bytes(p))
		p2v_buf_addf(line, "  %s/s", p2v_num_bytes_text(rate, text));
	if (last)
		p2v_buf_addf(line, "  in %s", p2v_num_ms_text(gone_ms, text));
	else if (eta_of(p, rate, &eta_ms))
		p2v_buf_addf(line, "  %s left", p2v_num_ms_text(eta_ms, text));
	if (p->read_bytes)
		p2v_buf_addf(line, "  ratio %.2f", ratio_of(p));
	if (!last && p->bottleneck)
		p2v_buf_addf(line, "%s bound by %s", p->read_bytes ? "," : " ", p->bottleneck);
}

/* Cuts UTF-8 text to at most `columns` code points. */
static void cut(char *text, size_t columns)
{
	for (; *text; text++) {
		if (((unsigned char)*text & 0xc0) == 0x80)
			continue;
		if (columns-- == 0) {
			*text = '\0';
			return;
		}
	}
}

static void terminal_draw(const struct p2v_progress *p, bool last)
{
	p2v_autobuf struct p2v_buf line = {0};

	line_add(p, last, &line);
	if (line.failed)
		return;
	/* One column less: a full line would make some terminals wrap. */
	cut((char *)line.data, p2v_text_columns(STDERR_FILENO) - 1);
	fprintf(stderr, "\r%s\033[K%s", (char *)line.data, last ? "\n" : "");
	fflush(stderr);
}

static void terminal_say(const struct p2v_progress *p, const char *text)
{
	fprintf(stderr, "%s%s\n", p->active ? "\r\033[K" : "", text);
}

static void pipe_draw(const struct p2v_progress *p, bool last)
{
	p2v_autobuf struct p2v_buf line = {0};

	if (last)
		line_add(p, last, &line);
	else
		p2v_text_add_printable(&line, p->label);
	if (!line.failed)
		fprintf(stderr, "%s\n", line.data ? (char *)line.data : "");
}

static void pipe_say(const struct p2v_progress *p, const char *text)
{
	(void)p;
	fprintf(stderr, "%s\n", text);
}

/* ---- JSON lines ---- */

static void json_draw(const struct p2v_progress *p, bool last)
{
	p2v_autobuf struct p2v_buf line = {0};
	uint64_t rate = rate_of(p), eta_ms;

	(void)last;
	p2v_buf_add_str(&line, "{\"version\":1,\"event\":\"progress\",\"label\":");
	p2v_json_quote(p->label, &line);
	p2v_buf_addf(
		&line, ",\"done\":%" PRIu64 ",\"total\":%" PRIu64 ",\"unit\":", p->done, p->total);
	p2v_json_quote(p->unit ? p->unit : "bytes", &line);
	p2v_buf_addf(&line, ",\"rate\":%" PRIu64, rate);
	if (eta_of(p, rate, &eta_ms))
		p2v_buf_addf(&line, ",\"eta_ms\":%" PRIu64, eta_ms);
	if (p->read_bytes)
		p2v_buf_addf(&line, ",\"ratio\":%.3f", ratio_of(p));
	if (p->bottleneck) {
		p2v_buf_add_str(&line, ",\"bottleneck\":");
		p2v_json_quote(p->bottleneck, &line);
	}
	if (!line.failed)
		fprintf(stderr, "%s}\n", (char *)line.data);
}

static void json_say(const struct p2v_progress *p, const char *text)
{
	p2v_autobuf struct p2v_buf line = {0};

	(void)p;
	p2v_buf_add_str(&line, "{\"version\":1,\"event\":\"message\",\"text\":");
	p2v_json_quote(text, &line);
	if (!line.failed)
		fprintf(stderr, "%s}\n", (char *)line.data);
}

/* ---- the watcher ---- */

static const struct style terminal_style = {200, terminal_draw, terminal_say};
static const struct style pipe_style = {0, pipe_draw, pipe_say};
static const struct style json_style = {1000, json_draw, json_say};

static const struct style *style_of(enum p2v_progress_mode mode)
{
	const char *term = getenv("TERM");

	if (mode == P2V_PROGRESS_NONE)
		return NULL;
	if (mode == P2V_PROGRESS_JSON)
		return &json_style;
	/* A dumb terminal cannot redraw. */
	if (!isatty(STDERR_FILENO) || (term && strcmp(term, "dumb") == 0))
		return &pipe_style;
	return &terminal_style;
}

struct p2v_progress *p2v_progress_new(enum p2v_progress_mode mode)
{
	struct p2v_progress *p = calloc(1, sizeof(*p));

	if (p)
		p->style = style_of(mode);
	return p;
}

void p2v_progress_free(struct p2v_progress *p)
{
	p2v_progress_end(p);
	free(p);
}

void p2v_progress_start(struct p2v_progress *p, const char *label, const char *unit, uint64_t total)
{
	if (!p || !p->style)
		return;
	p2v_progress_end(p);
	p->label = strdup(label);
	p->unit = strdup(unit);
	if (!p->label || !p->unit) {
		free(p2v_steal(p->label));
		free(p2v_steal(p->unit));
		return;
	}
	p->active = true;
	p->total = total;
	p->done = 0;
	p->n_samples = 0;
	p->read_bytes = 0;
	p->bottleneck = NULL;
	p->begin_ms = p->drawn_ms = p2v_now_ms();
	sample_take(p, p->begin_ms);
	p->style->draw(p, false);
}

void p2v_progress_set(struct p2v_progress *p, uint64_t done)
{
	uint64_t now;

	if (!p || !p->active)
		return;
	p->done = done;
	now = p2v_now_ms();
	sample_take(p, now);
	if (p->style->every_ms && now - p->drawn_ms >= p->style->every_ms) {
		p->style->draw(p, false);
		p->drawn_ms = now;
	}
}

void p2v_progress_flow(
	struct p2v_progress *p, uint64_t read_bytes, uint64_t sent_bytes, const char *bottleneck)
{
	if (!p)
		return;
	p->read_bytes = read_bytes;
	p->sent_bytes = sent_bytes;
	p->bottleneck = bottleneck;
}

void p2v_progress_say(struct p2v_progress *p, const char *fmt, ...)
{
	p2v_autobuf struct p2v_buf clean = {0};
	p2v_autofree char *text = NULL;
	va_list ap;
	int n;

	if (!p || !p->style)
		return;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return;
	}
	p2v_text_add_printable(&clean, text);
	if (clean.failed)
		return;
	p->style->say(p, clean.data ? (char *)clean.data : "");
	if (p->active && p->style == &terminal_style)
		p->style->draw(p, false);
}

void p2v_progress_end(struct p2v_progress *p)
{
	if (!p || !p->active)
		return;
	p->style->draw(p, true);
	p->active = false;
	free(p2v_steal(p->label));
	free(p2v_steal(p->unit));
}
