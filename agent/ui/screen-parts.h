/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_SCREEN_PARTS_H
#define AGENT_UI_SCREEN_PARTS_H

/* What the files of one screen share. For screen*.c alone. */

#include "agent/ui/answers.h"
#include "agent/ui/contents.h"
#include "agent/ui/state.h"
#include "p2v/model/machine.h"

struct ui_screen {
	const char *dir;
	struct machine machine;
	struct ui_state state;
	struct ui_contents contents; /* empty: not known yet */
};

/* Dialogs: each changes the answers. False: left without a change. */
bool ui_screen_settings(struct ui_screen *s, struct ui_answers *a);
bool ui_screen_network(struct ui_screen *s, struct ui_answers *a);
bool ui_screen_disks(struct ui_screen *s, struct ui_answers *a);
/* Has somebody compare the server's fingerprint, where no host key is known. False: not confirmed.
 */
bool ui_screen_trust(struct ui_screen *s, struct ui_answers *a);

/* One row of a dialog: a setting and what it is called there. */
struct ui_field {
	const char *setting, *label;
};
bool ui_screen_fields(const char *title, const char *text, const struct ui_field *fields, size_t n,
	struct ui_answers *a);
/* What is on the disks, what needs attention, and what the server says that it changes. */
void ui_screen_details(const struct ui_screen *s);
/* A sentence and a button. */
void ui_screen_tell(const char *title, const char *text);
/* A sentence that stands while something is being done; until ui_screen_waited. */
void ui_screen_wait(const char *text);
void ui_screen_waited(void);

#endif
