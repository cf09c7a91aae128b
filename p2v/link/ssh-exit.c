/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-exit.h"

#include <stdio.h>
#include <string.h>

/* Exit codes: the shell's of a program that is not there, and p2v-recv's for "refused". */
#define STATUS_NOT_RUNNABLE 126
#define STATUS_NOT_FOUND    127
#define STATUS_REFUSED	    3

void ssh_words_add(struct ssh_words *w, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = bytes[i];

		if (c == '\n' || c == '\r') {
			w->ended = true;
			continue;
		}
		if (w->ended)
			w->n = 0;
		w->ended = false;
		if (w->n + 1 < sizeof(w->text))
			w->text[w->n++] = c >= ' ' && c <= '~' ? c : '?';
		w->text[w->n] = '\0';
	}
}

int ssh_words_tell(const char *words, int kind, struct p2v_err *err)
{
	size_t n;

	if (!err || !words[0])
		return kind;
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", words);
	return kind;
}

int ssh_exit_explain(const char *command, int status, const char *words, struct p2v_err *err)
{
	int kind = P2V_ELINK;

	if (status == 0)
		return 0;
	if (status == STATUS_NOT_RUNNABLE || status == STATUS_NOT_FOUND)
		kind = P2V_ENOTFOUND;
	else if (status == STATUS_REFUSED)
		kind = P2V_EREFUSED;
	p2v_err_set(err, kind, "%s failed there (exit status %d)", command, status);
	return ssh_words_tell(words, kind, err);
}
