/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each server is to become, told to p2vd; again where the runbook has changed since. */
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/runbook/campaign.h"

/* What was ordered for it is what we would order. */
static bool orders_are(
	const struct campaign *c, const struct campaign_entry *e, const struct orders *wanted)
{
	p2v_auto_orders struct orders is = {0};
	p2v_autobuf struct p2v_buf a = {0}, b = {0};
	struct orders want = *wanted;

	if (campaign_noun(c, e->state->job, "orders.json", &model_orders_type, &is, NULL) < 0)
		return false;
	/* Where we say nothing it is the server's choice. */
	if (!want.format)
		want.format = is.format;
	return p2v_json_encode(&model_orders_type, &is, false, &a, NULL) == 0 &&
	       p2v_json_encode(&model_orders_type, &want, false, &b, NULL) == 0 && a.len == b.len &&
	       memcmp(a.data, b.data, a.len) == 0;
}

/* It has gone on without its orders. What was only looked at is brought back for them. */
static int order_late(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	int r;

	if (e->job->running || e->job->wish != LEDGER_NO_WISH || e->job->stage <= LEDGER_RECEIVED)
		return campaign_waits(c, e, "waits for the step that runs now");
	if (e->job->stage > LEDGER_PLANNED) {
		campaign_fail(c, e, false,
			"it was converted before the runbook could say what it is to become: p2v "
			"job rollback, then p2v run --retry");
		return 0;
	}
	r = campaign_act(c, e->state->job, "rollback", CAMPAIGN_OURS "it has other orders", 0, err);
	if (r == 0)
		e->state->rolled = c->dirty = true;
	if (r == P2V_EREFUSED) {
		p2v_err_clear(err);
		r = 0;
	}
	return r;
}

static int order_post(struct campaign *c, const struct campaign_entry *e,
	const struct orders *orders, struct p2v_err *err)
{
	p2v_autofree char *path =
		p2v_strf("/v1/jobs/%llu/orders", (unsigned long long)e->state->job);
	p2v_autobuf struct p2v_buf text = {0}, answer = {0};
	int r = p2v_json_encode(&model_orders_type, orders, false, &text, err);

	if (r == 0 && !path)
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0)
		r = c->door->call(
			c->door->ctx, "POST", path, (const char *)text.data, &answer, err);
	if (r == 0 && e->server->priority)
		r = campaign_act(c, e->state->job, "priority", NULL, e->server->priority, err);
	return r;
}

/* Right after it has its orders: what was brought back for them goes on. What stands at its gate
 * already had them, and somebody was killed before he wrote it down. */
static int order_given(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	int r = 0;

	if (e->state->rolled && campaign_job_brought_back(e->job))
		r = campaign_act(
			c, e->state->job, "approve", CAMPAIGN_OURS "it has its orders", 0, err);
	if (r == P2V_EREFUSED) {
		p2v_err_clear(err);
		r = 0;
	}
	if (r == 0)
		e->state->ordered = c->dirty = true;
	return r;
}

int campaign_order(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	p2v_auto_orders struct orders orders = {0};
	struct p2v_err why = {0};
	int r = runbook_orders(e->server, &orders, &why);

	if (r < 0) {
		campaign_fail(c, e, false, why.text);
		return 0;
	}
	if (orders_are(c, e, &orders))
		return order_given(c, e, err);
	if (e->job->stage > LEDGER_RECEIVED || e->job->running)
		return order_late(c, e, err);
	r = order_post(c, e, &orders, &why);
	if (r == P2V_EREFUSED)
		return campaign_waits(c, e, "waits for the step that runs now");
	if (r == P2V_EINVAL || r == P2V_EFORMAT || r == P2V_EUNSUPPORTED) {
		campaign_fail(c, e, false, why.text);
		return 0;
	}
	if (r < 0)
		return p2v_err_set(err, r, "%s", why.text);
	return order_given(c, e, err);
}

/* Whether the runbook says something else of it than what it was ordered to become. */
static bool orders_changed(const struct campaign *c, const struct campaign_entry *e)
{
	p2v_auto_orders struct orders orders = {0};

	return runbook_orders(e->server, &orders, NULL) < 0 || !orders_are(c, e, &orders);
}

void campaign_orders_compare(struct campaign *c, struct campaign_entry *e)
{
	if (e->compared || !e->state->ordered || !e->job)
		return;
	e->compared = true;
	if (orders_changed(c, e)) {
		e->state->ordered = false;
		c->dirty = true;
	}
}

int campaign_orders_renew(struct campaign *c, struct campaign_entry *e, struct p2v_err *err)
{
	struct campaign_server *s = e->state;
	int r = 0;

	if (!e->job || !s->ordered || !orders_changed(c, e))
		return 0;
	s->ordered = false;
	if (s->back > CAMPAIGN_READY)
		s->back = CAMPAIGN_READY;
	if (e->job->stage <= LEDGER_RECEIVED)
		return campaign_order(c, e, err);
	s->rolled = true;
	if (e->job->wish == LEDGER_NO_WISH)
		r = campaign_act(
			c, s->job, "rollback", CAMPAIGN_OURS "it has other orders", 0, err);
	/* Somebody was faster. */
	return r == P2V_EREFUSED ? (p2v_err_clear(err), 0) : r;
}
