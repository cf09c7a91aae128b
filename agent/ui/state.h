/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_STATE_H
#define AGENT_UI_STATE_H

/*
 * What the one worker (`p2v-boot run`) and the screens (`p2v-boot screen`, one a console) tell each
 * other: files in one directory, each of which appears by rename.
 *
 *	DIR/machine.json  the inventory; there before the first state
 *	DIR/state.json    written by the worker, read by all screens
 *	DIR/answers       written by a screen in the form of a settings file; the worker takes it
 *			  away and puts it on top of what it was told
 *	DIR/map.json      what is on the disks (agent/ui/contents.h), once it is known
 *	DIR/result.json   what p2v-agent said in the end
 *	DIR/log           what the worker and p2v-agent had to say
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"
#include "p2v/core/json.h"

#define UI_DIR	   "/run/p2v"
#define UI_MACHINE "machine.json"
#define UI_STATE   "state.json"
#define UI_ANSWERS "answers"
#define UI_MAP	   "map.json"
#define UI_RESULT  "result.json"
#define UI_LOG	   "log"

enum ui_phase {
	UI_PREPARING, /* network, settings */
	UI_ASKING,    /* something is missing, or somebody asked for it: a screen has to say it */
	UI_COUNTING,  /* starts by itself in seconds_left, unless held */
	UI_SENDING,
	UI_DONE,
	UI_FAILED, /* in seconds_left, where that is not 0: then */
};

/* What a setting is now, for the screens to begin with. */
struct ui_value {
	char *name, *value;
};

struct ui_state {
	uint32_t version; /* 1 */
	int phase;
	char *text;    /* one sentence: what is being done, is missing, or went wrong */
	char *network; /* "eth0 10.0.0.7/24"; NULL: not up */
	char *server;
	char *name;
	char *after;
	char *then; /* what comes in seconds_left: retry, poweroff or reboot */
	uint64_t seconds_left;
	uint64_t attempt; /* of sending, from 1 */
	/* of p2v-agent's progress */
	char *label, *unit, *bottleneck;
	uint64_t done, total, rate, eta_ms;
	char **messages; /* the last ones */
	size_t n_messages;
	char **plan; /* what the server says that it will change, and what needs attention */
	size_t n_plan;
	struct ui_value *values;
	size_t n_values;
};

extern const struct p2v_json_type ui_state_type;

int ui_state_save(const struct ui_state *state, const char *dir, struct p2v_err *err);
/* P2V_ENOTFOUND: the worker has not begun. */
int ui_state_load(const char *dir, struct ui_state *ret, struct p2v_err *err);
void ui_state_finish(struct ui_state *state);
#define ui_autostate __attribute__((cleanup(ui_state_finish)))

/* Replaces *member by a copy; for want of memory it becomes NULL. */
void ui_text_set(char **member, const char *text);
/* Keeps the last few. */
void ui_message_add(struct ui_state *state, const char *text);
void ui_messages_drop(struct ui_state *state);
/* Keeps the first ones. */
void ui_plan_add(struct ui_state *state, const char *text);

#endif
