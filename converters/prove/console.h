/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_CONSOLE_H
#define P2V_PROVE_CONSOLE_H

/*
 * What a guest says on its serial port or text screen, recognised by one table. The bytes are
 * foreign: lines are bounded, escape sequences are dropped.
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/model/output.h"

#define PROVE_EVIDENCE 201 /* with its NUL */

struct prove_console {
	const struct output *output; /* which disk names can be the root */
	char line[PROVE_EVIDENCE];   /* the line so far, cleaned */
	size_t len;
	int escape; /* state of an escape sequence */
	/* The first line that showed it; empty: not seen. */
	char kernel[PROVE_EVIDENCE], root[PROVE_EVIDENCE], login[PROVE_EVIDENCE],
		failure[PROVE_EVIDENCE];
	const char *failure_reason; /* of static duration */
	/* Questions for the passphrase of an encrypted volume: the last one, and how many. */
	char prompt[PROVE_EVIDENCE];
	unsigned n_prompts;
	bool prompted; /* the line so far is one, and counted */
	/* systemd's lines about units that did not start: the first, and how many. */
	char unit[PROVE_EVIDENCE];
	unsigned n_units;
};

void prove_console_feed(struct prove_console *console, const void *bytes, size_t n);

/* A VGA text screen (80 x 25 cells of character and colour) as lines. */
#define PROVE_SCREEN_BYTES 4000
void prove_console_feed_screen(struct prove_console *console, const void *cells, size_t n);

#endif
