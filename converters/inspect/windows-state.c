/* SPDX-License-Identifier: GPL-3.0-or-later */

/* In what state it was left, and what on it may mind a move: hibernation, updates that wait,
 * policies, a cluster, anti-virus software. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define SERVICING "Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\"
#define RESTRICT  "Policies\\Microsoft\\Windows\\DeviceInstall\\Restrictions"

/* Anti-virus software by a part of the name under which it can be removed. */
static const char *const antivirus[] = {"virus", "kaspersky", "mcafee", "trellix", "norton",
	"sophos", "apexone", "avg technologies", "crowdstrike", "sentinel agent", "eset ",
	"bitdefender", "trend micro", "cortex xdr", "carbon black"};

static const struct {
	const char *key, *words;
} software_pending[] = {
	{SERVICING "RebootPending", "updates wait for a restart"},
	{SERVICING "RebootInProgress", "updates are in the middle of a restart"},
	{SERVICING "PackagesPending", "packages wait to be installed"},
	{"Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update\\RebootRequired",
		"Windows Update wants a restart"},
};

static int add_pending(struct windows *win, const char *words)
{
	return inspect_add_str(win->in, &win->w->pending, &win->w->n_pending, words);
}

static bool has_file(struct windows *win, const char *rest)
{
	p2v_autofree char *path = windows_path(win, rest);

	return path && guest_is_file(win->in->g, path);
}

static int read_pending(struct windows *win)
{
	p2v_autofree char *manager = windows_key(win, "Control\\Session Manager");
	guest_auto_names struct guest_hive_names list = {0};
	int r = manager ? 0 : p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");

	for (size_t i = 0; r == 0 && win->software && i < P2V_N(software_pending); i++)
		if (guest_hive_has_key(win->software, software_pending[i].key))
			r = add_pending(win, software_pending[i].words);
	if (r == 0 && has_file(win, "WinSxS/pending.xml"))
		r = add_pending(win, "servicing is to go on at the next start (pending.xml)");
	if (r < 0)
		return r;
	windows_texts(win, win->system, manager, "PendingFileRenameOperations", &list);
	if (list.n_items)
		r = add_pending(win, "files are to be renamed at the next start");
	if (r == 0 && (windows_u32(win, win->system, "Setup", "SystemSetupInProgress", 0) ||
			      windows_u32(win, win->system, "Setup", "OOBEInProgress", 0)))
		r = add_pending(win, "its setup has not ended yet");
	return r;
}

/* hiberfil.sys: "hibr" waits to be resumed, "rstr" was in the middle of it; "wake" and zeros are
 * spent. */
static int read_hibernation(struct windows *win)
{
	p2v_autofree char *power = windows_key(win, "Control\\Session Manager\\Power");
	p2v_autofree char *path = NULL;
	p2v_autobuf struct p2v_buf head = {0};

	if (!power || guest_path_nocase(win->in->g, "/hiberfil.sys", &path, win->in->err) < 0)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	win->w->fast_startup = windows_u32(win, win->system, power, "HiberbootEnabled", 0) != 0;
	if (guest_is_file(win->in->g, path) &&
		guest_read_start(win->in->g, path, 4, &head, NULL) == 0 && head.len == 4)
		win->w->hibernated = strncasecmp((char *)head.data, "hibr", 4) == 0 ||
				     strncasecmp((char *)head.data, "rstr", 4) == 0;
	return 0;
}

static int read_policies(struct windows *win)
{
	p2v_autofree char *san = windows_key(win, "Services\\partmgr\\Parameters");
	p2v_autofree char *own = windows_key(win, RESTRICT);
	p2v_autofree char *cluster = windows_key(win, "Services\\ClusSvc");
	p2v_autofree char *hyperv = windows_key(win, "Services\\vmms");
	struct facts_windows *w = win->w;

	if (!san || !own || !cluster || !hyperv)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	w->staged = has_file(win, "p2v/firstboot.cmd");
	w->san_policy = windows_u32(win, win->system, san, "SanPolicy", 0);
	w->install_restricted = guest_hive_has_key(win->system, own) ||
				(win->software && guest_hive_has_key(win->software, RESTRICT));
	w->cluster = windows_u32(win, win->system, cluster, "Start", 4) <= 2;
	w->hyperv = windows_u32(win, win->system, hyperv, "Start", 4) <= 2;
	return 0;
}

static int add_signing(struct windows *win, const char *words)
{
	return inspect_add_str(win->in, &win->w->signing, &win->w->n_signing, words);
}

/* XP and 2003: 0 takes any driver, 1 asks, 2 refuses what Microsoft has not signed. */
static bool refuses_unsigned(struct windows *win)
{
	p2v_autobuf struct p2v_buf policy = {0};
	uint32_t type;

	if (!win->software || win->w->major >= 6)
		return false;
	if (guest_hive_get(win->software, "Microsoft\\Driver Signing", "Policy", &type, &policy,
		    NULL) == 0 &&
		policy.len && policy.data[0] == 2)
		return true;
	return windows_u32(win, win->software, "Policies\\Microsoft\\Windows NT\\Driver Signing",
		       "BehaviorOnFailedVerify", 0) == 2;
}

/* Later ones: what there is beside the signature that each 64-bit Windows asks for. */
static int read_signing(struct windows *win)
{
	p2v_autofree char *hvci = windows_key(win, "Control\\DeviceGuard\\Scenarios\\"
						   "HypervisorEnforcedCodeIntegrity");
	int r = hvci ? 0 : p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");

	if (r == 0 && refuses_unsigned(win))
		r = add_signing(win, "Windows refuses drivers that Microsoft has not signed "
				     "(Driver Signing)");
	if (r == 0 && has_file(win, "System32/CodeIntegrity/SIPolicy.p7b"))
		r = add_signing(win, "a list of its own says which programs may run (WDAC, "
				     "SIPolicy.p7b)");
	if (r == 0 && win->w->major >= 10 && windows_u32(win, win->system, hvci, "Enabled", 0))
		r = add_signing(win, "the hypervisor checks each driver (memory integrity, HVCI)");
	return r;
}

/* XP and 2003 have a kernel and a HAL for the board that they were installed on. */
static int read_board(struct windows *win)
{
	static const char *const devices[] = {"ACPI_HAL", "PCI_HAL"};
	p2v_autofree char *crash = windows_key(win, "Control\\CrashControl");
	int r = crash ? 0 : p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");

	if (r == 0)
		win->w->auto_reboot = windows_u32(win, win->system, crash, "AutoReboot", 0);
	for (size_t i = 0; r == 0 && win->w->major < 6 && i < P2V_N(devices); i++) {
		p2v_autofree char *rest = p2v_strf("Enum\\Root\\%s\\0000", devices[i]);
		p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;
		guest_auto_names struct guest_hive_names ids = {0};

		if (key)
			windows_texts(win, win->system, key, "HardwareID", &ids);
		if (ids.n_items)
			r = inspect_set(win->in, &win->w->hal, ids.items[0]);
	}
	return r;
}

/* Its volume was encrypted, and there was a key. */
static void read_bitlocker(struct windows *win)
{
	const struct facts *facts = win->in->facts;
	const char *parent = NULL;

	for (size_t i = 0; i < facts->n_filesystems; i++)
		if (strcmp(facts->filesystems[i].device, win->in->os->root) == 0)
			parent = facts->filesystems[i].parent;
	for (size_t i = 0; parent && i < facts->n_filesystems; i++)
		if (strcmp(facts->filesystems[i].device, parent) == 0)
			win->w->bitlocker = facts->filesystems[i].kind &&
					    strcmp(facts->filesystems[i].kind, "BitLocker") == 0;
}

static bool is_antivirus(const char *name)
{
	for (size_t i = 0; i < P2V_N(antivirus); i++)
		if (strcasestr(name, antivirus[i]))
			return true;
	return false;
}

static int read_uninstall(struct windows *win, const char *top)
{
	guest_auto_names struct guest_hive_names keys = {0};
	int r = guest_hive_keys(win->software, top, &keys, win->in->err);

	for (size_t i = 0; r == 0 && i < keys.n_items; i++) {
		p2v_autofree char *key = p2v_strf("%s\\%s", top, keys.items[i]);
		p2v_autofree char *name =
			key ? windows_text(win, win->software, key, "DisplayName") : NULL;

		if (name && is_antivirus(name))
			r = inspect_add_str(
				win->in, &win->w->antivirus, &win->w->n_antivirus, name);
	}
	/* A damaged list of programs is none. */
	return r == P2V_EFORMAT ? 0 : r;
}

static int read_antivirus(struct windows *win)
{
	int r = 0;

	if (win->software)
		r = read_uninstall(win, "Microsoft\\Windows\\CurrentVersion\\Uninstall");
	if (r == 0 && win->software)
		r = read_uninstall(
			win, "WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall");
	return r;
}

int windows_state(struct windows *win)
{
	int r = read_pending(win);

	if (r == 0)
		r = read_hibernation(win);
	if (r == 0)
		r = read_policies(win);
	if (r == 0)
		r = read_signing(win);
	if (r == 0)
		r = read_board(win);
	read_bitlocker(win);
	return r == 0 ? read_antivirus(win) : r;
}
