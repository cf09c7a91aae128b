/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_ANSWERS_H
#define AGENT_UI_ANSWERS_H

/* What a screen has to say: the settings as the state showed them, with what somebody changed. */

#include "agent/ui/state.h"
#include "p2v/core/buf.h"

struct ui_answers {
	struct ui_value *items;
	size_t n_items;
};

int ui_answers_begin(const struct ui_state *state, struct ui_answers *ret, struct p2v_err *err);
/* "" where it is not said. */
const char *ui_answers_get(const struct ui_answers *a, const char *name);
/* Replaces; "" takes it back. A quote or a control character cannot be written down: they become
 * blanks. */
int ui_answers_set(struct ui_answers *a, const char *name, const char *value, struct p2v_err *err);
/* Whether all of it can be meant; the sentence names the setting. */
int ui_answers_check(const struct ui_answers *a, struct p2v_err *err);
/* A settings file. */
int ui_answers_text(const struct ui_answers *a, struct p2v_buf *ret, struct p2v_err *err);
int ui_answers_send(const struct ui_answers *a, const char *dir, struct p2v_err *err);
void ui_answers_finish(struct ui_answers *a);
#define ui_autoanswers __attribute__((cleanup(ui_answers_finish)))

#endif
