/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_AGENT_PRINT_H
#define P2V_CLI_AGENT_PRINT_H

/* Machines that ask, as people read them: appended as printable text, wrapped at `columns`; and
 * what is decided about one, for the verbs agent and enroll. */

#include "p2v/cli/server-door.h"
#include "p2v/control/api.h"
#include "p2v/core/buf.h"
#include "p2v/store/agents.h"

void cli_agents_print(
	const struct store_agents *agents, uint64_t now_s, size_t columns, struct p2v_buf *out);
/* A sentence for the one that was decided about. */
void cli_agent_decided(const struct store_agent *a, struct p2v_buf *out);
/* Asks for it; ret: the one it was about. */
int cli_agent_decide(const struct cli_server *server, const struct api_agent_action *action,
	struct store_agent *ret, struct p2v_err *err);

#endif
