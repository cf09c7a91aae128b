/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_WIRE_GREET_H
#define P2V_WIRE_GREET_H

/*
 * HELLO and WELCOME: what both ends agree on (PROTOCOL.md, "Versions and features").
 */

#include "p2v/core/err.h"
#include "p2v/wire/msg.h"

struct wire_terms {
	uint16_t version;
	uint64_t features; /* offered by both */
	uint32_t max_frame, window, keepalive_ms;
};

/* A: the HELLO of this program; token NULL for a control connection. */
void wire_hello_make(
	const char *program, uint64_t features, const struct digest *token, struct wire_hello *ret);
/* R: what a HELLO and these features come to, and the WELCOME that says so. P2V_EUNSUPPORTED where
 * no version is known to both: the sentence has both ranges. P2V_EFORMAT: a max_frame too low. */
int wire_welcome_make(const struct wire_hello *hello, const char *program, uint64_t features,
	uint32_t window, struct wire_terms *ret_terms, struct wire_welcome *ret_welcome,
	struct p2v_err *err);
/* A: what its HELLO and the WELCOME come to. P2V_EUNSUPPORTED, P2V_EFORMAT as above. */
int wire_welcome_check(const struct wire_hello *hello, const struct wire_welcome *welcome,
	struct wire_terms *ret_terms, struct p2v_err *err);

#endif
