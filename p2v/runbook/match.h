/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_MATCH_H
#define P2V_RUNBOOK_MATCH_H

#include "p2v/model/machine.h"
#include "p2v/runbook/runbook.h"

/* Whether the machine is the one that the server of the runbook means. */
bool runbook_matches(const struct runbook_server *server, const struct machine *machine);

#endif
