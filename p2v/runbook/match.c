/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/match.h"

#include <string.h>
#include <strings.h>

/* What is not asked for is true of everybody. */
static bool fits(const char *wanted, const char *is)
{
	return !wanted || (is && strcasecmp(wanted, is) == 0);
}

static bool has_card(const struct machine *machine, const char *mac)
{
	for (size_t i = 0; i < machine->n_nics; i++)
		if (fits(mac, machine->nics[i].mac))
			return true;
	return !mac;
}

bool runbook_matches(const struct runbook_server *server, const struct machine *machine)
{
	const struct runbook_match *m = &server->match;

	if (!m->serial && !m->uuid && !m->mac && !m->name)
		return fits(server->name, machine->name);
	return fits(m->serial, machine->serial) && fits(m->uuid, machine->uuid) &&
	       fits(m->name, machine->name) && has_card(machine, m->mac);
}
