/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_SCREEN_H
#define AGENT_UI_SCREEN_H

/*
 * One text screen, on the terminal that is its standard input and output: 80x25 of a VGA, a serial
 * line, or a remote console over it. Any number of them run at once; each shows what the worker
 * says in DIR and may answer it, so that leaving one, or pulling its cable, changes nothing.
 */

#include "p2v/core/err.h"

/* Until a stop request. */
int ui_screen_run(const char *dir, struct p2v_err *err);

#endif
