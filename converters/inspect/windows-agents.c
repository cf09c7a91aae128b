/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Services that serve the old hardware, and the virtual machine's own agent. */

#include <stdlib.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define DISABLED 4

static const struct {
	const char *name, *reason;
} agents[] = {
	{"CqMgHost", "is HP's agent for its servers"},
	{"CqMgServ", "is HP's agent for its servers"},
	{"CqMgStor", "is HP's agent for its disks"},
	{"CpqNicMgmt", "is HP's agent for its network cards"},
	{"SysMgmtHp", "is HP's management page for its servers"},
	{"ProLiantMonitor", "watches HP's management processor"},
	{"Cissesrv", "reports the events of HP's RAID controllers"},
	{"cpqasm2", "watches HP's management processor"},
	{"ams", "is HP's agentless management"},
	{"amsd", "is HP's agentless management"},
	{"Server Administrator", "is Dell's management page for its servers"},
	{"omsad", "is Dell's management page for its servers"},
	{"dcevt64", "reports the events of Dell's servers"},
	{"dcevt32", "reports the events of Dell's servers"},
	{"dcstor64", "is Dell's agent for its servers"},
	{"dcstor32", "is Dell's agent for its servers"},
	{"mr2kserv", "is Dell's agent for its disks"},
	{"dcismsvc", "talks to Dell's management processor"},
	{"ibmasrex", "watches IBM's servers"},
	{"ibmspsvc", "talks to IBM's management processor"},
	{"tier1slp", "announces IBM's servers"},
	{"wmicimserver", "is IBM's agent for its servers"},
	{"MSMFramework", "manages LSI's RAID controllers"},
	{"mrmonitor", "watches LSI's RAID controllers"},
	{"StorManAgent", "manages Adaptec's RAID controllers"},
	{"StorMan", "manages Adaptec's RAID controllers"},
	{"IAStorDataMgrSvc", "watches Intel's RAID"},
	{"RSTMwService", "watches Intel's RAID"},
};

static int read_agent(struct windows *win, const char *name, const char *reason)
{
	p2v_autofree char *rest = p2v_strf("Services\\%s", name);
	p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;
	struct facts_service *s;
	int r;

	if (!key)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	if (windows_u32(win, win->system, key, "Start", DISABLED) == DISABLED)
		return 0;
	s = inspect_grow(
		win->in, (void **)&win->in->os->services, &win->in->os->n_services, sizeof(*s));
	if (!s)
		return P2V_ENOMEM;
	r = inspect_set(win->in, &s->name, name);
	return r < 0 ? r : inspect_set(win->in, &s->reason, reason);
}

int windows_agents(struct windows *win)
{
	static const char *const ours[] = {"QEMU-GA", "QEMU Guest Agent"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(agents); i++)
		r = read_agent(win, agents[i].name, agents[i].reason);
	for (size_t i = 0; r == 0 && i < P2V_N(ours); i++) {
		p2v_autofree char *rest = p2v_strf("Services\\%s", ours[i]);
		p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;

		if (key && guest_hive_has_key(win->system, key))
			r = inspect_set(win->in, &win->in->os->guest_agent, "installed");
	}
	return r;
}
