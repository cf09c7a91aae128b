/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/follow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"

#define LOG_READ_MAX	(4 << 20)
#define LOG_SEND_MAX	((size_t)49152)
#define LOG_LINE_MAX	1000
#define KERNEL_SEND_MAX ((size_t)12288)
#define KLOG_READ_ALL	3 /* syslog(2) */
#define LEVEL_INFO	6 /* of syslog(3) */

static void show(struct p2v_progress *progress, const struct conn_status *s)
{
	p2v_autobuf struct p2v_buf label = {0};

	p2v_buf_add_str(&label, "the server: ");
	p2v_text_add_printable(&label, s->stage);
	p2v_buf_add_str(&label, s->text[0] ? ", " : "");
	p2v_text_add_printable(&label, s->text);
	if (label.data && progress)
		p2v_progress_start(progress, (char *)label.data, "permille", 1000);
}

static void take(struct send_result *result, const struct conn_status *s)
{
	free(result->server_stage);
	free(result->server_text);
	result->server_stage = strdup(s->stage);
	result->server_text = strdup(s->text);
}

/* Shows what is new. */
static void look(struct conn *c, struct conn_status *shown, struct p2v_progress *progress,
	struct send_result *result)
{
	struct conn_status now;

	conn_log_show(c, progress);
	pthread_mutex_lock(&c->lock);
	now = c->far_status;
	pthread_mutex_unlock(&c->lock);
	if (now.n == shown->n)
		return;
	if (strcmp(now.text, shown->text) != 0 || strcmp(now.stage, shown->stage) != 0)
		show(progress, &now);
	p2v_progress_set(progress, now.permille);
	*shown = now;
	take(result, &now);
}

int send_follow(struct conn *c, struct p2v_progress *progress, struct send_result *result,
	struct p2v_err *err)
{
	struct conn_status shown = {0};
	struct p2v_err own = {0};
	int r = 0;

	if (!(c->terms.features & WIRE_FEATURE_STATUS))
		return 0;
	while (r == 0) {
		look(c, &shown, progress, result);
		p2v_sleep_ms(SEND_TICK_MS);
		r = conn_tick(c, &own);
	}
	look(c, &shown, progress, result);
	if (r == P2V_ECANCELED && p2v_stop_requested())
		return p2v_err_set(err, r, "interrupted; the disks are on the server");
	return 0;
}

/* The bytes from `from` on, of that the last `most`, whole lines. */
static struct p2v_span tail(const void *text, size_t n, uint64_t from, size_t most)
{
	struct p2v_span rest;

	if (from >= n)
		return (struct p2v_span){0};
	rest = p2v_span_of((const char *)text + from, n - (size_t)from);
	if (rest.n <= most)
		return rest;
	rest = p2v_span_of(rest.p + (rest.n - most), most);
	p2v_span_until(rest, '\n', &rest);
	return rest;
}

static int line_send(struct conn *c, const char *before, struct p2v_span line)
{
	p2v_autobuf struct p2v_buf clean = {0};
	p2v_autofree char *words =
		p2v_span_dup(p2v_span_of(line.p, line.n < LOG_LINE_MAX ? line.n : LOG_LINE_MAX));
	struct wire_msg msg = {.type = WIRE_LOG, .log = {.level = LEVEL_INFO}};

	p2v_buf_add_str(&clean, before);
	if (words)
		p2v_text_add_printable(&clean, words);
	if (!clean.data)
		return 0;
	msg.log.text = wire_text((char *)clean.data);
	return conn_send(c, &msg, NULL);
}

void send_unreadable_lines(struct conn *c, const char *disk, char *const *lines, size_t n)
{
	p2v_autofree char *before = p2v_strf("unreadable: %s: ", disk);
	int r = before ? 0 : P2V_ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		r = line_send(c, before, p2v_span_str(lines[i]));
}

void send_log(struct conn *c, const char *path, uint64_t *sent)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;
	int r = 0;

	if (!path || p2v_file_read(path, LOG_READ_MAX, &text, NULL) < 0)
		return;
	rest = tail(text.data, text.len, *sent, LOG_SEND_MAX);
	*sent = text.len;
	while (r == 0 && p2v_line_next(&rest, &line))
		r = line_send(c, "", line);
}

void send_kernel_log(struct conn *c, const char *path)
{
	p2v_autofree char *text = path ? malloc(LOG_READ_MAX) : NULL;
	int n = text ? klogctl(KLOG_READ_ALL, text, LOG_READ_MAX) : -1;
	struct p2v_span rest, line;
	int r = 0;

	if (n <= 0)
		return;
	rest = tail(text, (size_t)n, 0, KERNEL_SEND_MAX);
	while (r == 0 && p2v_line_next(&rest, &line))
		r = line_send(c, "kernel: ", line);
}
