/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_PRINT_H
#define P2V_CLI_PRINT_H

/* What the verbs print: a noun as JSON, and foreign text made safe for a terminal. */

#include "p2v/core/buf.h"
#include "p2v/core/json.h"

/* The noun on stdout, pretty. */
int cli_print_json(const struct p2v_json_type *type, const void *noun, struct p2v_err *err);
/* For people: in each string of the noun, control characters become \xNN, so that none of them can
 * end a line that is printed and begin another. */
int cli_make_printable(const struct p2v_json_type *type, void *noun, struct p2v_err *err);
/* The bytes on stdout, with control characters (but line ends and tabs) shown as \xNN: a guest's
 * strings must not drive the operator's terminal. */
void cli_print_text(const void *bytes, size_t n);

#endif
