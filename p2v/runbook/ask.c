/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a campaign asks p2vd. */
#include <stdio.h>

#include "p2v/control/api.h"
#include "p2v/control/history.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/runbook/campaign.h"

int campaign_get(const struct campaign *c, const char *path, const struct p2v_json_type *type,
	void *obj, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf answer = {0};
	int r = c->door->call(c->door->ctx, "GET", path, NULL, &answer, err);

	return r < 0 ? r : p2v_json_decode(type, answer.data, answer.len, obj, err);
}

static int history_get(const void *ctx, const char *path, const struct p2v_json_type *type,
	void *obj, struct p2v_err *err)
{
	return campaign_get(ctx, path, type, obj, err);
}

int campaign_history(
	const struct campaign *c, uint64_t job, struct events *ret, struct p2v_err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)job);
	return control_history(history_get, c, text, ret, err);
}

int campaign_noun(const struct campaign *c, uint64_t job, const char *noun,
	const struct p2v_json_type *type, void *obj, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("/v1/jobs/%llu/files/%s", (unsigned long long)job, noun);

	return path ? campaign_get(c, path, type, obj, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int campaign_act(const struct campaign *c, uint64_t job, const char *action, const char *reason,
	uint32_t priority, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("/v1/jobs/%llu/actions", (unsigned long long)job);
	const struct api_action body = {
		(char *)(uintptr_t)action, (char *)(uintptr_t)reason, priority};
	p2v_autobuf struct p2v_buf text = {0}, answer = {0};
	int r = p2v_json_encode(&control_action_type, &body, false, &text, err);

	if (r == 0 && !path)
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return r < 0 ? r
		     : c->door->call(
			       c->door->ctx, "POST", path, (const char *)text.data, &answer, err);
}

int campaign_save(struct campaign *c, struct p2v_err *err)
{
	int r = c->dirty ? campaign_state_save(&c->state, c->path, err) : 0;

	if (r == 0)
		c->dirty = false;
	return r;
}
