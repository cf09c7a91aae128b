/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/send.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"

#define LINE_MAX_BYTES 65536
#define STOP_MS	       15000
#define END_MS	       10000

/* A line of progress. */
struct event {
	char *event, *label, *unit, *text, *bottleneck;
	uint64_t done, total, rate, eta_ms;
};

static const struct p2v_json_field event_fields[] = {
	P2V_JSON_STR(struct event, event, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct event, label, 0),
	P2V_JSON_STR(struct event, unit, 0),
	P2V_JSON_STR(struct event, text, 0),
	P2V_JSON_STR(struct event, bottleneck, 0),
	P2V_JSON_U64(struct event, done, 0),
	P2V_JSON_U64(struct event, total, 0),
	P2V_JSON_U64(struct event, rate, 0),
	P2V_JSON_U64(struct event, eta_ms, 0),
	P2V_JSON_END,
};

static const struct p2v_json_type event_type = {"event", sizeof(struct event), event_fields};

static const char *what_it_does(const struct event *e)
{
	static const char words[] = "the server: ";

	if (e->unit && strcmp(e->unit, "permille") == 0)
		return "every disk was sent and verified";
	if (e->label && strncmp(e->label, words, strlen(words)) == 0)
		return "waiting for the server";
	return "sending the disks";
}

/* Our standard error is DIR/log. */
static void log_line(const char *text)
{
	p2v_autobuf struct p2v_buf clean = {0};
	char now[32];

	p2v_text_add_printable(&clean, text);
	p2v_now_text(now);
	if (clean.data)
		fprintf(stderr, "%s %s\n", now, (char *)clean.data);
}

/* The server's plan is a list of its own. */
static void text_take(struct ui_state *state, const char *text)
{
	static const char plan[] = "the server: plan: ";

	if (strncmp(text, plan, strlen(plan)) == 0)
		ui_plan_add(state, text + strlen(plan));
	else
		ui_message_add(state, text);
	log_line(text);
}

bool ui_send_line(struct ui_state *state, struct p2v_span line)
{
	struct event e = {0};

	if (!p2v_span_starts(line, "{") || p2v_json_decode(&event_type, line.p, line.n, &e, NULL))
		return false;
	if (strcmp(e.event, "progress") == 0) {
		ui_text_set(&state->label, e.label);
		ui_text_set(&state->unit, e.unit);
		ui_text_set(&state->bottleneck, e.bottleneck);
		state->done = e.done;
		state->total = e.total;
		state->rate = e.rate;
		state->eta_ms = e.eta_ms;
		ui_text_set(&state->text, what_it_does(&e));
	} else if (e.text) {
		text_take(state, e.text);
	}
	p2v_json_free(&event_type, &e);
	return true;
}

/* ---- its command line ---- */

struct words {
	char **items;
	size_t n_items;
	int failed; /* 0, or why */
};

static void word_add(struct words *w, struct p2v_err *err, const char *name, const char *value)
{
	p2v_autofree char *word = NULL;

	if (!value || w->failed)
		return;
	word = p2v_strf("%s%s", name, value);
	w->failed = word ? p2v_json_add_str(&w->items, &w->n_items, word, err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static void words_finish(struct words *w)
{
	for (size_t i = 0; i < w->n_items; i++)
		free(w->items[i]);
	free(w->items);
}

static int words_make(const struct ui_settings *s, const struct machine *m, const char *name,
	const char *dir, struct words *w, struct p2v_err *err)
{
	p2v_autofree char *log = p2v_path_join(dir, UI_LOG);
	p2v_autofree char *limit = p2v_strf("%llu", (unsigned long long)s->limit_bytes);

	word_add(w, err, "p2v-agent", "");
	word_add(w, err, "--server=", s->server);
	word_add(w, err, "--identity=", s->identity);
	word_add(w, err, "--host-key=", s->host_key);
	word_add(w, err, "--known-hosts=", s->host_key ? NULL : s->known_hosts);
	word_add(w, err, "--name=", name);
	word_add(w, err, "--compress=", s->compress);
	word_add(w, err, "--link=", s->link);
	word_add(w, err, "--limit=", s->limit_bytes ? limit : NULL);
	word_add(w, err, "--refresh", s->refresh ? "" : NULL);
	word_add(w, err, "--rescue", s->rescue ? "" : NULL);
	word_add(w, err, "--assign", s->assign && !s->name ? "" : NULL);
	for (size_t i = 0; i < s->n_disks; i++)
		word_add(w, err, "--disk=", s->disks[i]);
	for (size_t i = 0; !s->n_disks && i < m->n_disks; i++)
		word_add(w, err, "--disk=", m->disks[i].removable ? NULL : m->disks[i].path);
	word_add(w, err, "--follow", strcmp(s->until, "proven") == 0 ? "" : NULL);
	word_add(w, err, "--log=", log);
	word_add(w, err, "--yes", "");
	word_add(w, err, "--json", "");
	word_add(w, err, "--progress=json", "");
	return w->failed;
}

/* ---- what it said in the end ---- */

struct result {
	char *server_stage, *server_text;
};

static const struct p2v_json_field result_fields[] = {
	P2V_JSON_STR(struct result, server_stage, 0),
	P2V_JSON_STR(struct result, server_text, 0),
	P2V_JSON_END,
};

static const struct p2v_json_type result_type = {"result", sizeof(struct result), result_fields};

char *ui_send_result(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, UI_RESULT);
	p2v_autobuf struct p2v_buf clean = {0};
	struct result result = {0};

	if (path)
		p2v_json_load(&result_type, path, &result, NULL);
	p2v_buf_add_str(&clean, "every disk was sent and verified");
	if (result.server_stage) {
		p2v_buf_add_str(&clean, "; the server: ");
		p2v_text_add_printable(&clean, result.server_stage);
		p2v_buf_add_str(&clean, ", ");
		p2v_text_add_printable(&clean, result.server_text ? result.server_text : "");
	}
	p2v_json_free(&result_type, &result);
	return p2v_buf_take_str(&clean);
}

/* ---- its life ---- */

static int start(
	const char *const *argv, const char *dir, struct ui_send *send, struct p2v_err *err)
{
	p2v_autofree char *result = p2v_path_join(dir, UI_RESULT);
	p2v_autoclose int out = -1, write_end = -1;
	struct p2v_proc_spec spec = {.argv = argv, .stdin_fd = -1};
	int pipe_fds[2], r;

	if (result)
		out = open(result, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return p2v_err_errno(err, errno, "%s", dir);
	write_end = pipe_fds[1];
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	spec.stdout_fd = out;
	spec.stderr_fd = write_end;
	r = p2v_proc_start(&spec, &send->pid, err);
	if (r < 0)
		close(pipe_fds[0]);
	else
		send->fd = pipe_fds[0];
	return r;
}

int ui_send_start(const struct ui_settings *s, const struct machine *m, const char *name,
	const char *dir, struct ui_send *ret, struct p2v_err *err)
{
	struct ui_send send = {.fd = -1};
	struct words w = {0};
	p2v_autofree const char **argv = NULL;
	int r = words_make(s, m, name, dir, &w, err);

	if (r == 0) {
		argv = calloc(w.n_items + 1, sizeof(*argv));
		r = argv ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	for (size_t i = 0; r == 0 && i < w.n_items; i++)
		argv[i] = w.items[i];
	if (r == 0)
		r = start(argv, dir, &send, err);
	words_finish(&w);
	if (r == 0)
		*ret = send;
	return r;
}

static void line_take(struct ui_send *send, struct ui_state *state, struct p2v_span line)
{
	p2v_autobuf struct p2v_buf clean = {0};
	p2v_autofree char *text = NULL;

	line = p2v_span_trim(line);
	if (!line.n || ui_send_line(state, line))
		return;
	text = p2v_span_dup(line);
	if (text)
		p2v_text_add_printable(&clean, text);
	if (!clean.data)
		return;
	snprintf(send->last, sizeof(send->last), "%s", (const char *)clean.data);
	ui_message_add(state, send->last);
	log_line(send->last);
}

/* What is there now. False: the far end of the pipe is closed. */
static bool take(struct ui_send *send, struct ui_state *state)
{
	uint8_t bytes[4096];
	ssize_t got;

	while ((got = read(send->fd, bytes, sizeof(bytes))) > 0) {
		struct p2v_span rest, line;

		if (send->line.len > LINE_MAX_BYTES)
			p2v_buf_reset(&send->line);
		p2v_buf_add(&send->line, bytes, (size_t)got);
		rest = p2v_span_of(send->line.data, send->line.len);
		while (p2v_span_has(rest, '\n')) {
			line = p2v_span_until(rest, '\n', &rest);
			line_take(send, state, line);
		}
		memmove(send->line.data, rest.p, rest.n);
		send->line.len = rest.n;
	}
	return got < 0;
}

int ui_send_step(struct ui_send *send, struct ui_state *state, int wait_ms, bool *ret_ended,
	struct p2v_err *err)
{
	struct pollfd pfd = {.fd = send->fd, .events = POLLIN};
	int status = 0, r;

	*ret_ended = false;
	if (poll(&pfd, 1, wait_ms) <= 0 || take(send, state))
		return 0;
	*ret_ended = true;
	r = p2v_proc_wait(send->pid, END_MS, &status, err);
	if (r < 0)
		p2v_proc_stop(send->pid, STOP_MS);
	send->pid = 0;
	ui_send_stop(send);
	if (r == 0 && status != 0)
		r = p2v_err_set(err, status == 3 ? P2V_EREFUSED : P2V_EIO, "%s",
			send->last[0] ? send->last : "p2v-agent ended without a word");
	return r;
}

void ui_send_stop(struct ui_send *send)
{
	p2v_proc_stop(send->pid, STOP_MS);
	if (send->fd >= 0)
		close(send->fd);
	p2v_buf_finish(&send->line);
	send->pid = 0;
	send->fd = -1;
}
