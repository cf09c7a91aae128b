/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Which Windows it is, in whose words, and its name and clock. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define VERSION	 "Microsoft\\Windows NT\\CurrentVersion"
#define BUILD_11 22000

/* What libosinfo calls it. A row without `server` is a client's; build: that one or later. */
static const struct {
	uint32_t major, minor, build;
	bool server;
	const char *id;
} ids[] = {
	{10, 0, 26100, true, "win2k25"},
	{10, 0, 20348, true, "win2k22"},
	{10, 0, 17763, true, "win2k19"},
	{10, 0, 0, true, "win2k16"},
	{10, 0, BUILD_11, false, "win11"},
	{10, 0, 0, false, "win10"},
	{6, 3, 0, true, "win2k12r2"},
	{6, 3, 0, false, "win8.1"},
	{6, 2, 0, true, "win2k12"},
	{6, 2, 0, false, "win8"},
	{6, 1, 0, true, "win2k8r2"},
	{6, 1, 0, false, "win7"},
	{6, 0, 0, true, "win2k8"},
	{6, 0, 0, false, "winvista"},
	{5, 2, 0, true, "win2k3"},
	{5, 2, 0, false, "winxp"},
	{5, 1, 0, false, "winxp"},
	{5, 0, 0, false, "win2k"},
};

static const struct {
	const char *processor, *lab, *arch;
	uint16_t machine;
} archs[] = {
	{"AMD64", "amd64", "x86_64", 0x8664},
	{"x86", "x86", "i686", 0x014c},
	{"ARM64", "arm64", "aarch64", 0xaa64},
	{"IA64", "ia64", "ia64", 0x0200},
};

static void take(char **to, char *text)
{
	free(*to);
	*to = text;
}

static uint32_t number_text(const char *text, char **ret_rest)
{
	unsigned long n = text ? strtoul(text, ret_rest, 10) : 0;

	return n > UINT32_MAX ? 0 : (uint32_t)n;
}

static void read_numbers(struct windows *win)
{
	p2v_autofree char *version = windows_text(win, win->software, VERSION, "CurrentVersion");
	p2v_autofree char *build = windows_text(win, win->software, VERSION, "CurrentBuildNumber");
	char *rest = NULL;
	struct facts_windows *w = win->w;

	/* CurrentVersion stays 6.3 from 10 on. */
	w->major = windows_u32(win, win->software, VERSION, "CurrentMajorVersionNumber", 0);
	w->minor = windows_u32(win, win->software, VERSION, "CurrentMinorVersionNumber", 0);
	if (!w->major) {
		w->major = number_text(version, &rest);
		w->minor = rest && *rest == '.' ? number_text(rest + 1, NULL) : 0;
	}
	w->build = number_text(build, NULL);
	w->revision = windows_u32(win, win->software, VERSION, "UBR", 0);
}

static int read_role(struct windows *win)
{
	p2v_autofree char *key = windows_key(win, "Control\\ProductOptions");
	p2v_autofree char *type = key ? windows_text(win, win->system, key, "ProductType") : NULL;
	const char *role = "client";

	if (type && strcasecmp(type, "LanmanNT") == 0)
		role = "domain-controller";
	else if (type && strcasecmp(type, "ServerNT") == 0)
		role = "server";
	return inspect_set(win->in, &win->w->role, role);
}

static int read_id(struct windows *win)
{
	const struct facts_windows *w = win->w;
	bool server = strcmp(w->role, "client") != 0;
	char text[32];

	snprintf(text, sizeof(text), "%u.%u", w->major, w->minor);
	for (size_t i = 0; i < P2V_N(ids); i++)
		if (ids[i].major == w->major && ids[i].minor == w->minor &&
			w->build >= ids[i].build && ids[i].server == server) {
			int r = inspect_set(win->in, &win->in->os->id, ids[i].id);

			return r < 0 ? r : inspect_set(win->in, &win->in->os->version_id, text);
		}
	return inspect_set(win->in, &win->in->os->version_id, text);
}

/* 11 still calls itself "Windows 10 Pro". */
static int read_product(struct windows *win)
{
	p2v_autofree char *name = windows_text(win, win->software, VERSION, "ProductName");
	const char *ten = name ? strstr(name, "Windows 10") : NULL;

	take(&win->w->edition, windows_text(win, win->software, VERSION, "EditionID"));
	take(&win->w->service_pack, windows_text(win, win->software, VERSION, "CSDVersion"));
	take(&win->w->release, windows_text(win, win->software, VERSION, "DisplayVersion"));
	if (!win->w->release)
		take(&win->w->release, windows_text(win, win->software, VERSION, "ReleaseId"));
	if (ten && win->w->build >= BUILD_11) {
		p2v_autofree char *eleven = p2v_strf(
			"%.*sWindows 11%s", (int)(ten - name), name, ten + strlen("Windows 10"));

		return inspect_set(win->in, &win->in->os->pretty, eleven ? eleven : name);
	}
	return inspect_set(win->in, &win->in->os->pretty, name ? name : "Windows");
}

/* PE: the offset of the header at 0x3c; "PE\0\0", then the machine. */
static const char *program_arch(struct windows *win)
{
	p2v_autofree char *path = windows_path(win, "System32/ntoskrnl.exe");
	p2v_autobuf struct p2v_buf head = {0};
	struct p2v_rd rd;
	uint32_t at, machine;

	if (!path || guest_read_start(win->in->g, path, 4096, &head, NULL) < 0 || head.len < 64)
		return NULL;
	rd = p2v_rd_init(head.data + 0x3c, 4);
	at = p2v_rd_le32(&rd);
	if (at > head.len || head.len - at < 6 || memcmp(head.data + at, "PE\0\0", 4) != 0)
		return NULL;
	machine = (uint32_t)(head.data[at + 4] | head.data[at + 5] << 8);
	for (size_t i = 0; i < P2V_N(archs); i++)
		if (archs[i].machine == machine)
			return archs[i].arch;
	return NULL;
}

/* What the system says of itself; its kernel's file may be compressed so that only it can read it.
 */
static int read_arch(struct windows *win)
{
	p2v_autofree char *key = windows_key(win, "Control\\Session Manager\\Environment");
	p2v_autofree char *processor =
		key ? windows_text(win, win->system, key, "PROCESSOR_ARCHITECTURE") : NULL;
	p2v_autofree char *lab = windows_text(win, win->software, VERSION, "BuildLabEx");
	const char *arch = program_arch(win);

	for (size_t i = 0; !arch && i < P2V_N(archs); i++)
		if ((processor && strcasecmp(processor, archs[i].processor) == 0) ||
			(!processor && lab && strstr(lab, archs[i].lab)))
			arch = archs[i].arch;
	return inspect_set(win->in, &win->in->os->arch, arch ? arch : "");
}

static int read_name_and_clock(struct windows *win)
{
	p2v_autofree char *tcpip = windows_key(win, "Services\\Tcpip\\Parameters");
	p2v_autofree char *computer = windows_key(win, "Control\\ComputerName\\ComputerName");
	p2v_autofree char *zone = windows_key(win, "Control\\TimeZoneInformation");
	struct facts_os *os = win->in->os;

	if (!tcpip || !computer || !zone)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	take(&os->hostname, windows_text(win, win->system, tcpip, "Hostname"));
	if (!os->hostname)
		take(&os->hostname, windows_text(win, win->system, computer, "ComputerName"));
	take(&os->machine_id,
		windows_text(win, win->software, "Microsoft\\Cryptography", "MachineGuid"));
	return inspect_set(win->in, &os->rtc,
		windows_u32(win, win->system, zone, "RealTimeIsUniversal", 0) == 1 ? "utc"
										   : "localtime");
}

int windows_version(struct windows *win)
{
	static int (*const steps[])(struct windows * w) = {
		read_role, read_id, read_product, read_arch, read_name_and_clock};
	int r = 0;

	read_numbers(win);
	for (size_t i = 0; r == 0 && i < P2V_N(steps); i++)
		r = steps[i](win);
	return r;
}
