/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_EXIT_H
#define P2V_LINK_SSH_EXIT_H

/* How the far program ended, and what it said last: the same sentences for all rows. For ssh-*.c
 * alone. */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/err.h"
#include "p2v/link/link.h"

/* The last line of a stream of text, printable ASCII only. Zeroed: none yet. */
struct ssh_words {
	char text[LINK_WORDS_MAX];
	size_t n;
	bool ended; /* the next byte begins a new line */
};

void ssh_words_add(struct ssh_words *w, const char *bytes, size_t n);

/* Puts ": <words>" behind what err says, where there are words; returns kind. */
int ssh_words_tell(const char *words, int kind, struct p2v_err *err);

/* 0 where status (0..255) is a good end; else the sentence for it. */
int ssh_exit_explain(const char *command, int status, const char *words, struct p2v_err *err);

#endif
