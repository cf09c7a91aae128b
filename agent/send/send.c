/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/send.h"

#include <stdlib.h>
#include <string.h>

#include "agent/send/disk.h"
#include "agent/send/follow.h"
#include "agent/send/unreadable.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/opt.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

#define PAUSE_FIRST_MS 1000u
#define PAUSE_MAX_MS   30000u

struct wait_watch {
	struct p2v_progress *progress;
	char shown[sizeof(((struct conn *)NULL)->far_wait)];
};

/* Shows what the far end says while it lets us wait: as what is being done, as it may take days. */
static void words_watch(struct conn *c, void *ctx)
{
	struct wait_watch *w = ctx;
	char wait[sizeof(c->far_wait)];
	p2v_autofree char *label = NULL;

	pthread_mutex_lock(&c->lock);
	memcpy(wait, c->far_wait, sizeof(wait));
	pthread_mutex_unlock(&c->lock);
	conn_log_show(c, w->progress);
	if (strcmp(w->shown, wait) == 0)
		return;
	memcpy(w->shown, wait, sizeof(wait));
	label = p2v_strf("the server: %s", wait);
	if (label && w->progress)
		p2v_progress_start(w->progress, label, "steps", 0);
}

static int greet(struct conn *c, struct p2v_err *err)
{
	struct wire_msg msg;
	int r = conn_answer(c, NULL, NULL, &msg, err);

	if (r == 0)
		conn_answer_done(c);
	return r;
}

static int limit_tell(struct conn *c, uint64_t rate, struct p2v_err *err)
{
	struct wire_msg msg = {.type = WIRE_LIMIT, .limit = {.bytes_per_second = rate}};

	return rate ? conn_send(c, &msg, err) : 0;
}

/* With what is used of each disk: the receiver reserves room for that before it admits us. */
static int inventory_send(struct conn *c, const struct send_spec *spec, struct p2v_err *err)
{
	struct machine machine = *spec->machine;
	p2v_autofree struct machine_disk *disks = calloc(machine.n_disks, sizeof(*disks));
	p2v_autobuf struct p2v_buf json = {0};
	struct wire_msg msg = {.type = WIRE_INVENTORY};
	int r;

	if (!disks)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < machine.n_disks; i++) {
		disks[i] = machine.disks[i];
		disks[i].used_bytes = block_extents_sum(spec->disks[i].extents, EXTENT_USED);
	}
	machine.disks = disks;
	r = p2v_json_encode(&model_machine_type, &machine, false, &json, err);
	if (r < 0)
		return r;
	msg.inventory.json = json.data;
	msg.inventory.n = (uint32_t)json.len;
	return conn_send(c, &msg, err);
}

static bool all_verified(const struct send_result *result)
{
	for (size_t i = 0; i < result->n_disks; i++)
		if (!result->disks[i].verified)
			return false;
	return true;
}

static bool any_again(const struct send_result *result)
{
	for (size_t i = 0; i < result->n_disks; i++)
		if (result->disks[i].again)
			return true;
	return false;
}

/* In a second pass all are wanted, and only we know which of them are done. Else the receiver does
 * not want what is verified; but the machine may have been in use since an earlier run came so far:
 * that disk is gone over again. */
static bool is_wanted(const struct conn *c, const struct send_spec *spec,
	const struct wire_admit *admit, uint16_t i, struct send_disk_result *disk)
{
	bool wanted = wire_admit_wants(admit, i);

	if (spec->refresh || admit->how == WIRE_HOW_REFRESH)
		return !disk->verified;
	if (!wanted && !disk->opened && c->terms.features & WIRE_FEATURE_REFRESH)
		disk->again = true;
	return wanted || (disk->again && !disk->verified);
}

/* A job that has been finished is written to only by who said so. */
static int how_check(const struct wire_admit *admit, const struct send_spec *spec,
	const struct send_result *result, struct p2v_err *err)
{
	if (admit->how != WIRE_HOW_REFRESH || spec->refresh || all_verified(result) ||
		any_again(result))
		return 0;
	return p2v_err_set(err, P2V_EREFUSED,
		"job %s was copied before: --refresh sends what has changed since; to copy the "
		"machine anew, remove the job on the server or give this one another --name",
		result->job);
}

/* ret_wanted: one entry a disk. */
static int admit(struct conn *c, const struct send_spec *spec, struct send_result *result,
	bool *ret_wanted, struct p2v_err *err)
{
	struct wait_watch watch = {.progress = spec->progress};
	char name[256];
	struct wire_msg msg;
	int r;

	if (spec->refresh && !(c->terms.features & WIRE_FEATURE_REFRESH))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"the server's p2v-recv knows no second pass (--refresh)");
	if (spec->assign && !(c->terms.features & WIRE_FEATURE_ASSIGN))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"the server's p2v-recv gives machines no names (--assign)");
	r = inventory_send(c, spec, err);
	if (r == 0)
		r = conn_answer(c, words_watch, &watch, &msg, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < spec->machine->n_disks; i++)
		ret_wanted[i] = is_wanted(c, spec, &msg.admit, (uint16_t)i, &result->disks[i]);
	c->token = msg.admit.token;
	wire_text_copy(msg.admit.job, name, sizeof(name));
	free(result->job);
	result->job = strdup(name);
	if (result->job && spec->progress && strcmp(name, spec->machine->name) != 0)
		p2v_progress_say(spec->progress, "the server calls this machine %s", name);
	r = result->job ? how_check(&msg.admit, spec, result, err)
			: p2v_err_set(err, P2V_ENOMEM, "out of memory");
	conn_answer_done(c);
	return r;
}

static int finish(struct conn *c, struct receipt *ret, struct p2v_err *err)
{
	struct wire_msg msg = {.type = WIRE_FINISH};
	int r = conn_send(c, &msg, err);

	if (r == 0)
		r = conn_answer(c, NULL, NULL, &msg, err);
	if (r < 0)
		return r;
	r = model_receipt_decode(msg.finished.json, msg.finished.n, ret, err);
	conn_answer_done(c);
	return r < 0 ? p2v_err_wrap(err, r, "the server's receipt") : 0;
}

static int disks_send(struct conn *c, const struct send_spec *spec, struct send_result *result,
	struct p2v_err *err)
{
	bool wanted[WIRE_DISKS_MAX] = {false};
	int r = greet(c, err);

	if (r == 0)
		r = limit_tell(c, spec->limit_bytes_per_second, err);
	if (r == 0)
		r = admit(c, spec, result, wanted, err);
	if (r == 0)
		send_log(c, spec->log_file, &result->logged_bytes);
	for (size_t i = 0; i < spec->machine->n_disks && r == 0; i++)
		if (wanted[i])
			r = send_disk_run(
				c, spec, (uint16_t)i, &result->streams, &result->disks[i], err);
	if (r == 0)
		r = send_unreadable(c, spec, result, err);
	if (r == 0)
		r = finish(c, &result->receipt, err);
	result->duration_ms = p2v_now_ms() - result->started_ms;
	return r < 0 ? r : send_follow(c, spec->progress, result, err);
}

/* An orderly word before we go; whether it arrives is not our business any more. */
static void farewell(struct conn *c, int kind, const struct p2v_err *why)
{
	struct wire_msg cancel = {
		.type = WIRE_CANCEL, .cancel = {.why = wire_text("interrupted at the source")}};
	struct wire_msg error = {.type = WIRE_ERROR};

	error.error.kind = kind == P2V_EFORMAT ? WIRE_ERROR_PROTOCOL : WIRE_ERROR_IO;
	error.error.sentence = wire_text(why ? why->text : "failed");
	if (kind == P2V_EREFUSED && why)
		cancel.cancel.why = wire_text(why->text);
	if (kind == P2V_ECANCELED || kind == P2V_EREFUSED)
		conn_send(c, &cancel, NULL);
	else if (kind != P2V_ELINK)
		conn_send(c, &error, NULL);
}

/* What is pulled out of turn may be of another moment than what the root is folded from; over
 * several connections nobody knows which of the two comes last. */
static uint64_t features(const struct send_spec *spec)
{
	uint64_t with = SEND_FEATURES | (spec->follow ? WIRE_FEATURE_STATUS : 0) |
			(spec->assign ? WIRE_FEATURE_ASSIGN : 0);

	return with & ~(spec->streams == 1 ? WIRE_FEATURE_DATA : WIRE_FEATURE_PULL);
}

/* One connection, from HELLO to FINISHED or its end. */
static int connection_run(
	const struct send_spec *spec, struct send_result *result, struct p2v_err *err)
{
	struct send_load load = {0};
	const struct conn_offer offer = {.program = SEND_PROGRAM,
		.features = features(spec),
		.limit_bytes_per_second = spec->limit_bytes_per_second,
		.load = &load};
	p2v_auto(conn_free) struct conn *c = NULL;
	struct link *link;
	int r = spec->connect(spec->connect_ctx, &link, err);

	if (r < 0)
		return r;
	result->connections++;
	r = conn_open(link, &offer, &c, err);
	if (r < 0)
		return r;
	r = disks_send(c, spec, result, err);
	if (r < 0 && r != P2V_ELINK && r != P2V_ECANCELED) {
		send_log(c, spec->log_file, &result->logged_bytes);
		send_kernel_log(c, spec->log_file);
	}
	if (r < 0)
		farewell(c, r, err);
	else /* the server need not wait for our end, nor our reader for its next tick */
		link_shutdown_write(c->link, NULL);
	return r;
}

/* What has gone over so far, in any form: it grows while a connection is of use. */
static uint64_t gone(const struct send_result *result)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < result->n_disks; i++)
		sum += result->disks[i].sent_bytes;
	return sum;
}

/* How long to go on trying, counted anew where a connection was of use; while one stands, it stands
 * still: to wait in the queue or to find nothing that has changed is not in vain. */
struct patience {
	uint64_t since_ms, gone_bytes;
	unsigned pause_ms;
};

static void patience_renew(struct patience *p, const struct send_result *result)
{
	*p = (struct patience){p2v_now_ms(), gone(result), PAUSE_FIRST_MS};
}

/* What ended a connection: whether another one may come further. */
static const struct again {
	int kind;
	const char *doing;
	/* So much has to go over for a connection to have been of use. Into a disk that is full may
	 * go what never becomes durable there (PROTOCOL.md, "Flow and time"). */
	uint64_t of_use_bytes;
} again[] = {
	{P2V_ELINK, "connecting again", 1},
	{P2V_ENOSPC, "waiting for room there, looking again", 64 * P2V_MIB + 1},
	{0, NULL, 0},
};

/* NULL: it is over. Who is told at the very start can do something about it at once. */
static const struct again *again_of(int kind, const struct send_result *result)
{
	const struct again *a = again;

	while (a->kind && a->kind != kind)
		a++;
	if (!a->kind || result->connections == 0 || (kind == P2V_ENOSPC && gone(result) == 0))
		return NULL;
	return a;
}

/* Waits before the next try. The kind of `why` where the time is up. */
static int pause_for(const struct send_spec *spec, struct patience *p, const struct again *why,
	struct p2v_err *err)
{
	uint64_t passed = p2v_now_ms() - p->since_ms;
	char tried[P2V_NUM_TEXT], next[P2V_NUM_TEXT];

	if (passed + p->pause_ms > spec->retry_for_ms)
		return p2v_err_wrap(err, why->kind,
			"gave up after %s; run the same command again to "
			"continue",
			p2v_num_ms_text(passed, tried));
	if (spec->progress)
		p2v_progress_say(spec->progress, "%s; %s in %s",
			err ? err->text : "the copy stopped", why->doing,
			p2v_num_ms_text(p->pause_ms, next));
	p2v_sleep_ms(p->pause_ms);
	p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
	return p2v_stop_check(err);
}

static int connections_run(
	const struct send_spec *spec, struct send_result *result, struct p2v_err *err)
{
	struct patience patience;

	patience_renew(&patience, result);
	for (;;) {
		uint64_t began_ms = p2v_now_ms();
		uint32_t before = result->connections;
		int r = connection_run(spec, result, err);
		const struct again *why = again_of(r, result);

		if (!why)
			return r;
		if (result->connections > before)
			patience.since_ms += p2v_now_ms() - began_ms;
		if (gone(result) - patience.gone_bytes >= why->of_use_bytes)
			patience_renew(&patience, result);
		r = pause_for(spec, &patience, why, err);
		if (r < 0)
			return r;
		p2v_err_clear(err);
	}
}

int send_run(const struct send_spec *spec, struct send_result *ret, struct p2v_err *err)
{
	struct send_result result = {.n_disks = spec->machine->n_disks, .started_ms = p2v_now_ms()};
	struct p2v_err own = {0};
	int r;

	/* A limit is no load for a second processor. */
	result.streams.chosen = spec->streams || spec->limit_bytes_per_second;
	result.streams.n = spec->streams ? spec->streams : 1;
	result.streams.most = 1;
	if (result.n_disks == 0 || result.n_disks > WIRE_DISKS_MAX)
		return p2v_err_set(err, P2V_EINVAL, "%zu disks to send: 1 to %u go", result.n_disks,
			WIRE_DISKS_MAX);
	result.disks = calloc(result.n_disks, sizeof(*result.disks));
	if (!result.disks)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = connections_run(spec, &result, err ? err : &own);
	/* One that was only tried does not count. */
	if (!spec->streams && result.streams.chosen)
		result.streams.most = result.streams.n;
	if (r < 0) {
		send_result_finish(&result);
		return r;
	}
	*ret = result;
	return 0;
}

void send_result_finish(struct send_result *result)
{
	free(result->job);
	free(result->disks);
	free(result->server_stage);
	free(result->server_text);
	model_receipt_finish(&result->receipt);
	memset(result, 0, sizeof(*result));
}
