/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

#define SLICE_MS 100

/* ---- the documents ---- */

struct version {
	bool ignored;
};
static const struct p2v_json_field nothing_fields[] = {P2V_JSON_END};
static const struct p2v_json_type nothing_type = {
	"QMP greeting", sizeof(struct version), nothing_fields};

struct greeting {
	struct version qmp;
};
static const struct p2v_json_field greeting_fields[] = {
	{"QMP", P2V_JSON_KIND_OBJ, P2V_JSON_REQUIRED, offsetof(struct greeting, qmp), 0,
		&nothing_type, NULL},
	P2V_JSON_END,
};
static const struct p2v_json_type greeting_type = {
	"QMP greeting", sizeof(struct greeting), greeting_fields};

struct failure {
	char *class_, *desc;
};
static const struct p2v_json_field failure_fields[] = {
	{"class", P2V_JSON_KIND_STR, 0, offsetof(struct failure, class_), 0, NULL, NULL},
	P2V_JSON_STR(struct failure, desc, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type failure_type = {
	"QMP error", sizeof(struct failure), failure_fields};

struct envelope {
	char *event;
	struct failure error;
};
static const struct p2v_json_field envelope_fields[] = {
	P2V_JSON_STR(struct envelope, event, 0),
	P2V_JSON_OBJ(struct envelope, error, 0, &failure_type),
	P2V_JSON_END,
};
static const struct p2v_json_type envelope_type = {
	"QMP line", sizeof(struct envelope), envelope_fields};

struct raw_stats {
	uint64_t wr_operations, wr_bytes, flush_operations, rd_operations;
};
static const struct p2v_json_field raw_stats_fields[] = {
	P2V_JSON_U64(struct raw_stats, wr_operations, 0),
	P2V_JSON_U64(struct raw_stats, wr_bytes, 0),
	P2V_JSON_U64(struct raw_stats, flush_operations, 0),
	P2V_JSON_U64(struct raw_stats, rd_operations, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type raw_stats_type = {
	"block statistics", sizeof(struct raw_stats), raw_stats_fields};

struct raw_disk {
	char *node;
	struct raw_stats stats;
};
static const struct p2v_json_field raw_disk_fields[] = {
	{"node-name", P2V_JSON_KIND_STR, 0, offsetof(struct raw_disk, node), 0, NULL, NULL},
	P2V_JSON_OBJ(struct raw_disk, stats, P2V_JSON_REQUIRED, &raw_stats_type),
	P2V_JSON_END,
};
static const struct p2v_json_type raw_disk_type = {
	"block device", sizeof(struct raw_disk), raw_disk_fields};

struct raw_answer {
	struct raw_disk *disks;
	size_t n_disks;
};
static const struct p2v_json_field raw_answer_fields[] = {
	{"return", P2V_JSON_KIND_OBJS, P2V_JSON_REQUIRED, offsetof(struct raw_answer, disks),
		offsetof(struct raw_answer, n_disks), &raw_disk_type, NULL},
	P2V_JSON_END,
};
static const struct p2v_json_type raw_answer_type = {
	"query-blockstats", sizeof(struct raw_answer), raw_answer_fields};

int prove_qmp_line_decode(
	const void *text, size_t n, struct prove_qmp_line *ret, struct p2v_err *err)
{
	struct greeting greeting = {{0}};
	struct envelope e = {0};
	int r = p2v_json_decode(&envelope_type, text, n, &e, err);

	if (r < 0)
		return r;
	*ret = (struct prove_qmp_line){
		.greeting = p2v_json_decode(&greeting_type, text, n, &greeting, NULL) == 0,
		.event = p2v_steal(e.event),
		.is_error = e.error.class_ || e.error.desc,
		.error = p2v_steal(e.error.desc),
	};
	p2v_json_free(&greeting_type, &greeting);
	p2v_json_free(&envelope_type, &e);
	return 0;
}

void prove_qmp_line_finish(struct prove_qmp_line *line)
{
	free(line->event);
	free(line->error);
	memset(line, 0, sizeof(*line));
}

static int blockstats_take(
	struct raw_answer *raw, struct prove_blockstats *ret, struct p2v_err *err)
{
	struct prove_blockstat *disks = calloc(raw->n_disks + 1, sizeof(*disks));

	if (!disks)
		return p2v_err_set(err, P2V_ENOMEM, "block statistics: out of memory");
	for (size_t i = 0; i < raw->n_disks; i++)
		disks[i] = (struct prove_blockstat){
			.node = p2v_steal(raw->disks[i].node),
			.writes = raw->disks[i].stats.wr_operations,
			.write_bytes = raw->disks[i].stats.wr_bytes,
			.flushes = raw->disks[i].stats.flush_operations,
			.reads = raw->disks[i].stats.rd_operations,
		};
	ret->disks = disks;
	ret->n_disks = raw->n_disks;
	return 0;
}

int prove_blockstats_decode(
	const void *text, size_t n, struct prove_blockstats *ret, struct p2v_err *err)
{
	struct raw_answer raw = {0};
	int r = p2v_json_decode(&raw_answer_type, text, n, &raw, err);

	if (r < 0)
		return r;
	r = blockstats_take(&raw, ret, err);
	p2v_json_free(&raw_answer_type, &raw);
	return r;
}

void prove_blockstats_finish(struct prove_blockstats *stats)
{
	for (size_t i = 0; i < stats->n_disks; i++)
		free(stats->disks[i].node);
	free(stats->disks);
	memset(stats, 0, sizeof(*stats));
}

/* ---- the conversation ---- */

static int receive(struct prove_qmp *qmp, int timeout_ms, struct p2v_err *err)
{
	struct pollfd wait = {.fd = qmp->fd, .events = POLLIN};
	uint8_t *space;
	ssize_t n;

	if (poll(&wait, 1, timeout_ms) <= 0)
		return 0;
	if (qmp->in.len > PROVE_QMP_MAX_LINE)
		return p2v_err_set(err, P2V_EFORMAT, "QEMU: a line without end");
	space = p2v_buf_reserve(&qmp->in, 65536);
	if (!space)
		return p2v_buf_check(&qmp->in, err);
	n = read(qmp->fd, space, 65536);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return p2v_err_set(err, P2V_ELINK, "QEMU ended");
	qmp->in.len += (size_t)n;
	return 0;
}

static void note_event(struct prove_qmp *qmp, const char *event)
{
	qmp->resets += strcmp(event, "RESET") == 0;
	qmp->shutdown |= strcmp(event, "SHUTDOWN") == 0;
}

bool prove_qmp_is_crash(const void *line, size_t n, uint64_t *ret_stop)
{
	static const char event[] = "\"GUEST_PANICKED\"", first[] = "\"arg1\":";
	const char *at = memmem(line, n, event, sizeof(event) - 1), *end = (const char *)line + n;
	uint64_t code = 0;

	*ret_stop = 0;
	if (!at)
		return false;
	at = memmem(line, n, first, sizeof(first) - 1);
	for (at = at ? at + sizeof(first) - 1 : end; at < end && *at == ' ';)
		at++;
	for (; at < end && *at >= '0' && *at <= '9'; at++)
		if (!p2v_mul_u64(code, 10, &code) ||
			!p2v_add_u64(code, (uint64_t)(*at - '0'), &code))
			return true;
	*ret_stop = code;
	return true;
}

static void drop_line(struct prove_qmp *qmp, size_t n)
{
	memmove(qmp->in.data, qmp->in.data + n, qmp->in.len - n);
	qmp->in.len -= n;
}

/* Takes lines that have come until one is no event: 1 and that line (text: malloc'd), or 0. */
static int next_answer(
	struct prove_qmp *qmp, struct prove_qmp_line *ret, char **ret_text, struct p2v_err *err)
{
	uint8_t *end;

	while (qmp->in.len && (end = memchr(qmp->in.data, '\n', qmp->in.len))) {
		size_t n = (size_t)(end - qmp->in.data) + 1;
		struct prove_qmp_line line = {0};
		uint64_t stop;
		int r;

		if (prove_qmp_is_crash(qmp->in.data, n, &stop)) {
			qmp->panicked = true;
			qmp->stop = stop;
			drop_line(qmp, n);
			continue;
		}
		r = prove_qmp_line_decode(qmp->in.data, n, &line, err);
		if (r < 0)
			return p2v_err_wrap(err, r, "QEMU");
		if (!line.event) {
			*ret_text = strndup((const char *)qmp->in.data, n);
			*ret = line;
			drop_line(qmp, n);
			return *ret_text ? 1 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
		}
		note_event(qmp, line.event);
		prove_qmp_line_finish(&line);
		drop_line(qmp, n);
	}
	return 0;
}

static int wait_answer(struct prove_qmp *qmp, int timeout_ms, struct prove_qmp_line *ret,
	char **ret_text, struct p2v_err *err)
{
	uint64_t end = p2v_now_ms() + (uint64_t)timeout_ms;
	int r;

	for (;;) {
		r = next_answer(qmp, ret, ret_text, err);
		if (r != 0)
			return r < 0 ? r : 0;
		if (p2v_now_ms() >= end)
			return p2v_err_set(err, P2V_ETIMEDOUT, "QEMU does not answer");
		r = p2v_stop_check(err);
		if (r == 0)
			r = receive(qmp, SLICE_MS, err);
		if (r < 0)
			return r;
	}
}

int prove_qmp_command(struct prove_qmp *qmp, const char *json, const struct p2v_json_type *type,
	void *obj, int timeout_ms, struct p2v_err *err)
{
	p2v_autofree char *line = p2v_strf("%s\n", json);
	p2v_autofree char *text = NULL;
	struct prove_qmp_line answer = {0};
	int r;

	if (!line)
		return p2v_err_set(err, P2V_ENOMEM, "QEMU: out of memory");
	/* Commands are short and QEMU reads them at once: they fit into the socket. */
	if (send(qmp->fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)strlen(line))
		return p2v_err_set(err, P2V_ELINK, "QEMU takes no commands");
	r = wait_answer(qmp, timeout_ms, &answer, &text, err);
	if (r < 0)
		return r;
	if (answer.is_error)
		r = p2v_err_set(err, P2V_EIO, "QEMU: %s: %.300s", json,
			answer.error ? answer.error : "failed");
	else if (type)
		r = p2v_json_decode(type, text, strlen(text), obj, err);
	prove_qmp_line_finish(&answer);
	return r;
}

int prove_qmp_start(struct prove_qmp *qmp, int fd, int timeout_ms, struct p2v_err *err)
{
	struct prove_qmp_line greeting = {0};
	p2v_autofree char *text = NULL;
	bool ok;
	int r;

	*qmp = (struct prove_qmp){.fd = fd};
	r = wait_answer(qmp, timeout_ms, &greeting, &text, err);
	if (r < 0)
		return r;
	ok = greeting.greeting;
	prove_qmp_line_finish(&greeting);
	if (!ok)
		return p2v_err_set(err, P2V_EFORMAT, "QEMU: no QMP greeting");
	return prove_qmp_command(
		qmp, "{\"execute\":\"qmp_capabilities\"}", NULL, NULL, timeout_ms, err);
}

void prove_qmp_finish(struct prove_qmp *qmp)
{
	if (qmp->fd > 0)
		close(qmp->fd);
	p2v_buf_finish(&qmp->in);
	memset(qmp, 0, sizeof(*qmp));
	qmp->fd = -1;
}

int prove_qmp_drain(struct prove_qmp *qmp, struct p2v_err *err)
{
	struct prove_qmp_line line = {0};
	p2v_autofree char *text = NULL;
	int r = receive(qmp, 0, err);

	if (r == 0)
		r = next_answer(qmp, &line, &text, err);
	prove_qmp_line_finish(&line);
	return r < 0 ? r : 0;
}

int prove_qmp_blockstats(
	struct prove_qmp *qmp, int timeout_ms, struct prove_blockstats *ret, struct p2v_err *err)
{
	struct raw_answer raw = {0};
	int r = prove_qmp_command(
		qmp, "{\"execute\":\"query-blockstats\"}", &raw_answer_type, &raw, timeout_ms, err);

	if (r < 0)
		return r;
	r = blockstats_take(&raw, ret, err);
	p2v_json_free(&raw_answer_type, &raw);
	return r;
}
