/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_UTF16_H
#define P2V_CORE_UTF16_H

/*
 * UTF-16 (RFC 2781), which Windows writes into hives, driver files and boot configuration, to and
 * from UTF-8. Foreign bytes: nothing is refused, what is wrong becomes U+FFFD.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"

/* Appends the code point as UTF-8; a surrogate, or what lies above U+10FFFF, is wrong. */
void p2v_utf8_add(struct p2v_buf *out, uint32_t code_point);
/* Appends n bytes of UTF-16, up to the first NUL, as UTF-8; an odd byte at the end is left out. */
void p2v_utf16_to_utf8(const void *bytes, size_t n, bool big_endian, struct p2v_buf *out);
/* Appends UTF-16LE without a NUL. */
void p2v_utf8_to_utf16le(const char *text, struct p2v_buf *out);

#endif
