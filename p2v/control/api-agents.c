/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines that wait to be let in or to be given a name (p2v/store/agents.h). */
#include <string.h>

#include "p2v/control/api-route.h"
#include "p2v/core/publish.h"

static const struct p2v_json_field agent_action_fields[] = {
	P2V_JSON_STR(struct api_agent_action, action, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct api_agent_action, code, 0),
	P2V_JSON_STR(struct api_agent_action, which, 0),
	P2V_JSON_STR(struct api_agent_action, name, 0),
	P2V_JSON_U64(struct api_agent_action, for_s, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type control_agent_action_type = {
	"agent_action", sizeof(struct api_agent_action), agent_action_fields};

static const struct p2v_json_field door_action_fields[] = {
	P2V_JSON_U64(struct api_door_action, for_s, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct api_door_action, from, 0),
	P2V_JSON_END,
};
const struct p2v_json_type control_door_action_type = {
	"door_action", sizeof(struct api_door_action), door_action_fields};

int control_run_agents(struct api_call *call, struct p2v_err *err)
{
	p2v_auto_agents struct store_agents agents = {0};
	int r = store_agents_list(call->api->config->base, &agents, err);

	return r < 0 ? r
		     : p2v_json_encode(
			       &store_agents_type, &agents, false, &call->answer->body, err);
}

static int enroll(struct api_call *call, const struct api_agent_action *a, struct store_agent *ret,
	struct p2v_err *err)
{
	if (!a->code)
		return p2v_err_set(err, P2V_EINVAL, "enroll takes a code");
	return store_agents_enroll(
		call->api->config->base, a->code, a->name, a->for_s, call->request->who, ret, err);
}

static int assign(struct api_call *call, const struct api_agent_action *a, struct store_agent *ret,
	struct p2v_err *err)
{
	if (!a->which || !a->name)
		return p2v_err_set(err, P2V_EINVAL, "assign takes a machine and a name");
	return store_agents_assign(
		call->api->config->base, a->which, a->name, call->request->who, ret, err);
}

static int rm(struct api_call *call, const struct api_agent_action *a, struct store_agent *ret,
	struct p2v_err *err)
{
	if (!a->which)
		return p2v_err_set(err, P2V_EINVAL, "rm takes a machine");
	return store_agents_drop(call->api->config->base, a->which, ret, err);
}

static const struct {
	const char *word, *event;
	int (*run)(struct api_call *call, const struct api_agent_action *a, struct store_agent *ret,
		struct p2v_err *err);
} actions[] = {{"enroll", "enroll", enroll}, {"assign", "assign", assign}, {"rm", "forget", rm}};

static int action_run(struct api_call *call, const struct api_agent_action *a,
	struct store_agent *ret, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(actions); i++) {
		p2v_autofree char *text = NULL;
		int r;

		if (strcmp(actions[i].word, a->action) != 0)
			continue;
		r = actions[i].run(call, a, ret, err);
		if (r < 0)
			return r;
		text = p2v_strf("machine %s, serial number %s, as %s", ret->id,
			ret->serial ? ret->serial : "unknown", ret->name ? ret->name : ret->wants);
		return store_ledger_note(call->api->ledger, NULL, call->request->who,
			actions[i].event, text ? text : "", err);
	}
	return p2v_err_set(err, P2V_EINVAL, "'%.40s' is none of enroll, assign, rm", a->action);
}

int control_run_agent_action(struct api_call *call, struct p2v_err *err)
{
	struct api_agent_action action = {0};
	p2v_auto_agent struct store_agent agent = {0};
	int r = p2v_json_decode(
		&control_agent_action_type, call->request->body, call->request->n, &action, err);

	if (r < 0)
		return p2v_err_wrap(err, P2V_EINVAL, "the request's body");
	r = action_run(call, &action, &agent, err);
	p2v_json_free(&control_agent_action_type, &action);
	return r < 0 ? r
		     : p2v_json_encode(&store_agent_type, &agent, false, &call->answer->body, err);
}

/* ---- the door ---- */

int control_run_door(struct api_call *call, struct p2v_err *err)
{
	struct store_door door = {.version = 1};
	int r = store_agents_door(call->api->config->base, &door, err);

	if (r == 0 && !store_agents_door_open(&door))
		door.until_s = 0;
	if (r == 0)
		r = p2v_json_encode(&store_door_type, &door, false, &call->answer->body, err);
	p2v_json_free(&store_door_type, &door);
	return r;
}

int control_run_door_action(struct api_call *call, struct p2v_err *err)
{
	struct api_door_action a = {0};
	p2v_autofree char *text = NULL;
	int r = p2v_json_decode(
		&control_door_action_type, call->request->body, call->request->n, &a, err);

	if (r < 0)
		return p2v_err_wrap(err, P2V_EINVAL, "the request's body");
	r = store_agents_door_set(call->api->config->base, a.for_s, a.from, err);
	text = p2v_strf("machines with unknown keys may ask for %llu s%s%s",
		(unsigned long long)a.for_s, a.from ? ", from " : "", a.from ? a.from : "");
	if (r == 0)
		r = store_ledger_note(
			call->api->ledger, NULL, call->request->who, "door", text ? text : "", err);
	p2v_json_free(&control_door_action_type, &a);
	return r < 0 ? r : control_run_door(call, err);
}
