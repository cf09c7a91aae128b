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
/* The same, and each control character (C0, DEL, C1) becomes '?'. */
void p2v_text_add_printable(struct p2v_buf *out, const char *text);
/* Columns that UTF-8 text takes, one per code point. */
size_t p2v_text_width(const char *text);
/* Columns of the terminal behind fd: $COLUMNS, else what the terminal says, else 80; at least 20.
 */
size_t p2v_text_columns(int fd);

#endif
