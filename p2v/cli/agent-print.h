/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_AGENT_PRINT_H
#define P2V_CLI_AGENT_PRINT_H

/* Machines that ask, as people read them: appended as printable text, wrapped at `columns`. */

#include "p2v/core/buf.h"
#include "p2v/store/agents.h"

void cli_agents_print(
	const struct store_agents *agents, uint64_t now_s, size_t columns, struct p2v_buf *out);
/* A sentence for the one that was decided about. */
void cli_agent_decided(const struct store_agent *a, struct p2v_buf *out);

#endif
