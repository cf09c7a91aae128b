/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_WORDS_H
#define P2V_PROVE_WORDS_H

/*
 * What a Windows shows on its screen, by its words: the login, a stop with its code, what its
 * loader and its recovery say. A program has read them off a picture, with mistakes: letters that
 * look alike are one here, blanks and signs count for nothing.
 *
 * Known are English words, the names and numbers of stops (which are the same in every language),
 * and "Ctrl+Alt+Del" in some.
 */

#include <stddef.h>
#include <stdint.h>

#include "converters/prove/console.h"
#include "converters/prove/picture.h"

#define PROVE_READER "tesseract" /* Debian: tesseract-ocr */

/* Fills login or failure and failure_reason of a zeroed one, where it is sure. */
void prove_words_read(const char *text, size_t n, struct prove_console *ret);

/* The same of a picture, whose words PROVE_READER reads: seconds. What it cannot read is no words,
 * and so is everything where it is not installed. */
int prove_words_of_picture(
	const struct prove_picture *picture, struct prove_console *ret, struct p2v_err *err);

/* Why a stop of that number happens after a move to other hardware; never NULL. */
const char *prove_stop_reason(uint64_t code);

#endif
