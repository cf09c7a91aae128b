/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_STOP_H
#define P2V_CORE_STOP_H

/*
 * Ctrl-C and the clock. A program calls p2v_stop_install once; SIGINT, SIGTERM and SIGHUP then set
 * a flag, long loops ask for it and unwind in order (a second SIGINT kills at once). SIGPIPE is
 * ignored: writes fail with EPIPE instead.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/err.h"

void p2v_stop_install(void);
bool p2v_stop_requested(void);
/* P2V_ECANCELED "interrupted" where stop was requested, else 0. */
int p2v_stop_check(struct p2v_err *err);

uint64_t p2v_now_ms(void);	 /* CLOCK_MONOTONIC */
void p2v_sleep_ms(unsigned ms);	 /* ends early on a stop request */
void p2v_now_text(char buf[32]); /* UTC, "2026-11-23T22:57:47Z" */

#endif
