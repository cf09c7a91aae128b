/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_SEND_H
#define AGENT_UI_SEND_H

/*
 * p2v-agent as a child: started with what the settings say, heard through its progress lines
 * (p2v/core/progress.h, JSON).
 */

#include <sys/types.h>

#include "agent/ui/settings.h"
#include "agent/ui/state.h"
#include "p2v/core/buf.h"
#include "p2v/core/err.h"

struct ui_send {
	pid_t pid;
	int fd; /* its standard error; non-blocking */
	struct p2v_buf line;
	char last[512]; /* its last words that are not progress */
};

/* name: what the machine is called. Where no disk is told, those of m that are not removable. What
 * it prints in the end goes to DIR/result.json. */
int ui_send_start(const struct ui_settings *s, const struct machine *m, const char *name,
	const char *dir, struct ui_send *ret, struct p2v_err *err);
/* Takes what it has said meanwhile into state, waiting for at most wait_ms. ret_ended: it is over:
 * 0, or why not. */
int ui_send_step(struct ui_send *send, struct ui_state *state, int wait_ms, bool *ret_ended,
	struct p2v_err *err);
/* Orderly: what is on the server stays, and the next start goes on from there. */
void ui_send_stop(struct ui_send *send);

/* What it came to, after it has ended well, in a sentence; malloc'd, NULL for want of memory. */
char *ui_send_result(const char *dir);

/* One line of p2v-agent's standard error. True where it was an event. */
bool ui_send_line(struct ui_state *state, struct p2v_span line);

#endif
