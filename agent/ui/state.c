/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/state.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define MESSAGES_MAX 6
#define PLAN_MAX     160

static const char *const phases[] = {
	"preparing", "asking", "counting", "sending", "done", "failed", NULL};

static const struct p2v_json_field value_fields[] = {
	P2V_JSON_STR(struct ui_value, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct ui_value, value, P2V_JSON_REQUIRED),
	P2V_JSON_END,
};

static const struct p2v_json_type value_type = {"value", sizeof(struct ui_value), value_fields};

static const struct p2v_json_field state_fields[] = {
	P2V_JSON_U32(struct ui_state, version, P2V_JSON_REQUIRED),
	P2V_JSON_ENUM(struct ui_state, phase, P2V_JSON_REQUIRED, phases),
	P2V_JSON_STR(struct ui_state, text, 0),
	P2V_JSON_STR(struct ui_state, network, 0),
	P2V_JSON_STR(struct ui_state, server, 0),
	P2V_JSON_STR(struct ui_state, name, 0),
	P2V_JSON_STR(struct ui_state, after, 0),
	P2V_JSON_STR(struct ui_state, then, 0),
	P2V_JSON_U64(struct ui_state, seconds_left, P2V_JSON_OMIT),
	P2V_JSON_U64(struct ui_state, attempt, P2V_JSON_OMIT),
	P2V_JSON_STR(struct ui_state, label, 0),
	P2V_JSON_STR(struct ui_state, unit, 0),
	P2V_JSON_STR(struct ui_state, bottleneck, 0),
	P2V_JSON_U64(struct ui_state, done, P2V_JSON_OMIT),
	P2V_JSON_U64(struct ui_state, total, P2V_JSON_OMIT),
	P2V_JSON_U64(struct ui_state, rate, P2V_JSON_OMIT),
	P2V_JSON_U64(struct ui_state, eta_ms, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct ui_state, messages, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct ui_state, plan, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct ui_state, values, P2V_JSON_OMIT, &value_type),
	P2V_JSON_END,
};

const struct p2v_json_type ui_state_type = {"state", sizeof(struct ui_state), state_fields};

int ui_state_save(const struct ui_state *state, const char *dir, struct p2v_err *err)
{
	struct ui_state s = *state;

	s.version = 1;
	return p2v_json_save(&ui_state_type, &s, dir, UI_STATE, err);
}

int ui_state_load(const char *dir, struct ui_state *ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, UI_STATE);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return p2v_json_load(&ui_state_type, path, ret, err);
}

void ui_state_finish(struct ui_state *state)
{
	p2v_json_free(&ui_state_type, state);
}

void ui_text_set(char **member, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	free(*member);
	*member = copy;
}

void ui_message_add(struct ui_state *state, const char *text)
{
	if (state->n_messages == MESSAGES_MAX) {
		free(state->messages[0]);
		memmove(state->messages, state->messages + 1,
			(MESSAGES_MAX - 1) * sizeof(*state->messages));
		state->n_messages--;
	}
	p2v_json_add_str(&state->messages, &state->n_messages, text, NULL);
}

void ui_messages_drop(struct ui_state *state)
{
	while (state->n_messages)
		free(state->messages[--state->n_messages]);
}

void ui_plan_add(struct ui_state *state, const char *text)
{
	if (state->n_plan < PLAN_MAX)
		p2v_json_add_str(&state->plan, &state->n_plan, text, NULL);
}
