/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_TEXT_H
#define P2V_CORE_TEXT_H

/*
 * Text from elsewhere (host names, labels, tool output) made safe to store as UTF-8 or to show on a
 * terminal, where a raw escape sequence could rewrite what the reader sees.
 */

#include <stddef.h>

#include "p2v/core/buf.h"

/* Length of the well-formed UTF-8 sequence at text (of n bytes left, n > 0), or 0. */
size_t p2v_text_utf8_len(const char *text, size_t n);
/* Appends text; each byte that is not part of well-formed UTF-8 becomes U+FFFD. */
void p2v_text_add_utf8(struct p2v_buf *out, const char *text);
/* Length of the control character at text (of n bytes left, n > 0), or 0: C0, DEL, C1, and those
 * that turn the direction of text or separate lines. */
size_t p2v_text_control_len(const char *text, size_t n);
/* The same as add_utf8, and each control character becomes '?'. */
void p2v_text_add_printable(struct p2v_buf *out, const char *text);
/* The bytes of control characters, and those that are no UTF-8, become \xNN; nothing is lost. */
void p2v_text_add_escaped(struct p2v_buf *out, const char *text);
/* `first`, then the printable words of text, broken before column `columns`; later lines are
 * indented by so many blanks. Ends the line. A word that is too long has a line of its own. */
void p2v_text_add_wrapped(
	struct p2v_buf *out, const char *first, size_t indent, size_t columns, const char *text);
/* Columns that UTF-8 text takes, one per code point. */
size_t p2v_text_width(const char *text);
/* Columns of the terminal behind fd: $COLUMNS, else what the terminal says, else 80; at least 20.
 */
size_t p2v_text_columns(int fd);

#endif
