/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_TEXT_H
#define AGENT_UI_TEXT_H

/* The lines of the main screen, as text: what stands on it does not depend on the terminal. */

#include "agent/ui/contents.h"
#include "agent/ui/state.h"
#include "p2v/core/buf.h"
#include "p2v/model/machine.h"

/* Maker, model, serial number, processors and memory: two lines. */
void ui_text_machine(const struct machine *m, struct p2v_buf *out);
/* One line: "/dev/sda  3.0 GiB  QEMU HARDDISK  gpt, 1.2 GiB used". contents: NULL: not known. */
void ui_text_disk(
	const struct machine_disk *d, const struct ui_contents *contents, struct p2v_buf *out);
/* Network, server and name: a line each. */
void ui_text_where(const struct ui_state *state, struct p2v_buf *out);
/* How much there is to copy, and how long that takes; nothing where it is not known. */
void ui_text_copy(const struct ui_contents *contents, const struct machine *m, struct p2v_buf *out);
/* What is being done, and how far it is. contents: NULL: not known. */
void ui_text_status(
	const struct ui_state *state, const struct ui_contents *contents, struct p2v_buf *out);
/* 0 to 100. */
unsigned ui_text_percent(const struct ui_state *state);

#endif
