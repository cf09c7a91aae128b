/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_WINDOW_H
#define P2V_CONTROL_WINDOW_H

/*
 * When work may begin: "22:00-06:00", "sat,sun 00:00-24:00", "mon-fri 20:30-05:00", in the server's
 * own time. One that passes midnight belongs to the day on which it begins.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "p2v/core/err.h"

struct window {
	uint8_t days;		   /* bit 0: sunday */
	uint16_t from_min, to_min; /* of the day; to_min may be 24 * 60 */
};

int control_window_parse(const char *text, struct window *ret, struct p2v_err *err);
bool control_window_open(const struct window *window, const struct tm *now);

#endif
