/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_COMPLETE_H
#define P2V_CLI_COMPLETE_H

/* Completion for bash, from the verbs' own tables. */

#include "p2v/cli/verb.h"

void cli_complete_print(const struct verb *const *verbs, size_t n, FILE *out);

#endif
