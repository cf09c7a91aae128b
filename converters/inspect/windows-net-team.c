/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a team of network cards is made of. Before Windows 10 nothing says which MAC address it has;
 * but a team's driver is bound to its cards as a protocol, and each protocol's bindings are listed:
 *
 *	Services\NdisImPlatform\Linkage   Bind = "\Device\{GUID}", ...
 */

#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* Windows' own since 2012, Intel's, Broadcom's, HP's. */
static const char *const protocols[] = {
	"NdisImPlatform", "iANSProtocol", "iANSP", "Blfp", "CPQTeam", "cpqteammp"};

/* The lists do not say whose cards they are: that is plain where there is one team. */
static struct facts_nic *only_team(struct facts_os *os)
{
	struct facts_nic *team = NULL;

	for (size_t i = 0; i < os->n_nics; i++) {
		if (strcmp(os->nics[i].kind, "bond") != 0)
			continue;
		if (team)
			return NULL;
		team = &os->nics[i];
	}
	return team;
}

/* bound: "\Device\{GUID}" */
static int add_member(struct windows *win, struct facts_nic *team, const char *bound)
{
	const struct facts_os *os = win->in->os;
	const char *guid = strchr(bound, '{');
	int r = 0;

	for (size_t i = 0; r == 0 && guid && i < os->n_nics; i++)
		if (strcmp(os->nics[i].kind, "ethernet") == 0 &&
			strcasecmp(os->nics[i].path, guid) == 0)
			r = inspect_add_str(
				win->in, &team->members, &team->n_members, os->nics[i].name);
	return r;
}

int windows_network_team(struct windows *win)
{
	struct facts_nic *team = only_team(win->in->os);
	int r = 0;

	for (size_t i = 0; r == 0 && team && i < P2V_N(protocols); i++) {
		p2v_autofree char *rest = p2v_strf("Services\\%s\\Linkage", protocols[i]);
		p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;
		guest_auto_names struct guest_hive_names bound = {0};

		if (!key)
			return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
		windows_texts(win, win->system, key, "Bind", &bound);
		for (size_t k = 0; r == 0 && k < bound.n_items; k++)
			r = add_member(win, team, bound.items[k]);
	}
	return r;
}
