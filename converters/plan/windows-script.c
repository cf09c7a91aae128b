/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Only what every Windows since XP has: cmd, reg, sc, netsh, getmac, ping (to wait), shutdown; from
 * Vista on pnputil. getmac finds a card by its address and says what netsh calls it.
 *
 *	let Windows finish what it has to   at most one more restart
 *	drivers into the store              pnputil; 259: it had a better one, 3010: wants a restart
 *	addresses                           of the cards that appear then
 *	balloon service, guest agent
 *	clean up                            the log stays: %SystemRoot%\p2v\firstboot.log
 */

#include "converters/plan/windows-script.h"

#include <stdio.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define HERE	  "%here%"
#define IPV4_TEXT 16

static const char *const head[] = {
	"@echo off",
	"rem Written by p2v: what Windows itself has to do at its first start as a virtual",
	"rem machine. The service " WINDOWS_SERVICE " runs it; both are gone afterwards.",
	"setlocal",
	"set here=%SystemRoot%\\p2v",
	"call :main >>\"" HERE "\\firstboot.log\" 2>&1",
	"if not exist \"" HERE "\\done\" exit /b 0",
	"del \"" HERE "\\done\" \"" HERE "\\waited\" 2>nul",
	"(goto) 2>nul & del \"%~f0\"",
	"",
	":main",
	"echo ==== %DATE% %TIME%",
	"set reboot=0",
	"set failed=0",
	"call :busy",
	"if errorlevel 1 exit /b 0",
	NULL,
};
static const char *const install[] = {
	"for /r \"" HERE "\\drivers\" %%i in (*.inf) do call :driver \"%%i\"",
	"if exist \"" HERE "\\drivers\\balloon\\blnsvr.exe\" call :balloon",
	NULL,
};
static const char *const agent[] = {"call :agent", NULL};
static const char *const tail[] = {
	"sc delete " WINDOWS_SERVICE,
	"if \"%failed%\"==\"0\" del \"" HERE "\\qemu-ga.msi\" 2>nul",
	"echo done, failed: %failed%, restart: %reboot%",
	"echo done>\"" HERE "\\done\"",
	"if \"%reboot%\"==\"1\" shutdown -r -t 15",
	"exit /b 0",
	"",
	"rem Updates that wait for a restart go first.",
	":busy",
	"if exist \"" HERE "\\waited\" exit /b 0",
	"reg query \"HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based "
	"Servicing\\RebootPending\" >nul 2>&1",
	"if errorlevel 1 exit /b 0",
	"echo Windows has to restart before drivers can be installed",
	"echo waited>\"" HERE "\\waited\"",
	"shutdown -r -t 15",
	"exit /b 1",
	"",
	":driver",
	"\"%SystemRoot%\\System32\\pnputil.exe\" -i -a \"%~1\"",
	"set rc=%ERRORLEVEL%",
	"echo %~nx1: exit code %rc%",
	"if \"%rc%\"==\"3010\" set reboot=1",
	"if \"%rc%\"==\"1641\" set reboot=1",
	"for %%r in (0 259 3010 1641) do if \"%rc%\"==\"%%r\" exit /b 0",
	"set failed=1",
	"exit /b 1",
	"",
	":balloon",
	"md \"%ProgramFiles%\\Balloon\" 2>nul",
	"copy /y \"" HERE "\\drivers\\balloon\\blnsvr.exe\" \"%ProgramFiles%\\Balloon\\\"",
	"\"%ProgramFiles%\\Balloon\\blnsvr.exe\" -i",
	"exit /b 0",
	"",
	"rem The installer is busy with itself for a while after a start.",
	":agent",
	"for /l %%n in (1,1,10) do (",
	"  start \"\" /wait msiexec /i \"" HERE "\\qemu-ga.msi\" /qn /norestart /l*v "
	"\"" HERE "\\qemu-ga.log\"",
	"  if not errorlevel 1 exit /b 0",
	"  if errorlevel 3010 exit /b 0",
	"  ping -n 31 127.0.0.1 >nul",
	")",
	"echo FAILED: the guest agent",
	"set failed=1",
	"exit /b 1",
	"",
	"rem The card with that address, as netsh calls it; five minutes to appear.",
	":find",
	"set card=",
	"for /l %%n in (1,1,60) do if not defined card call :look %1",
	"if defined card echo %1 is \"%card%\"",
	"if not defined card echo FAILED: no network card %1 appeared",
	"if not defined card set failed=1",
	"exit /b 0",
	":look",
	"for /f \"tokens=1,3 delims=,\" %%a in ('getmac /v /fo csv /nh') do if /i \"%%~b\"==\"%1\" "
	"set \"card=%%~a\"",
	"if not defined card ping -n 6 127.0.0.1 >nul",
	"exit /b 0",
	"",
	":net",
	"if not defined card exit /b 1",
	"for /l %%n in (1,1,6) do (",
	"  netsh interface ip %* && exit /b 0",
	"  ping -n 11 127.0.0.1 >nul",
	")",
	"echo FAILED: netsh interface ip %*",
	"set failed=1",
	"exit /b 1",
	NULL,
};

static void line(struct planning *p, const char *text)
{
	plan_arg(p, "line", text);
}

static void lines(struct planning *p, const char *const *text)
{
	for (; *text; text++)
		line(p, *text);
}

static bool read_ipv4(struct p2v_span text, uint32_t *ret)
{
	uint32_t all = 0;

	for (int i = 0; i < 4; i++) {
		uint64_t n;
		struct p2v_span part = i < 3 ? p2v_span_until(text, '.', &text) : text;

		if (part.n == 0 || part.n > 3 || !p2v_span_u64(part, 255, &n))
			return false;
		all = all << 8 | (uint32_t)n;
	}
	*ret = all;
	return true;
}

static void show_ipv4(uint32_t n, char ret[IPV4_TEXT])
{
	snprintf(ret, IPV4_TEXT, "%u.%u.%u.%u", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255);
}

/* "192.0.2.10/24" to "192.0.2.10 255.255.255.0"; false: no such address. */
static bool address_and_mask(const char *text, char *ret, size_t size)
{
	struct p2v_span after, address = p2v_span_until(p2v_span_str(text), '/', &after);
	char one[IPV4_TEXT], mask[IPV4_TEXT];
	uint64_t bits;
	uint32_t n;

	if (!p2v_span_u64(after, 32, &bits) || !read_ipv4(address, &n))
		return false;
	show_ipv4(n, one);
	show_ipv4(bits ? UINT32_MAX << (32 - bits) : 0, mask);
	snprintf(ret, size, "%s %s", one, mask);
	return true;
}

static bool is_ipv4(const char *text)
{
	uint32_t n;

	return read_ipv4(p2v_span_str(text), &n);
}

static void add_addresses(struct planning *p, const struct facts_nic *nic)
{
	bool first = true;

	for (size_t i = 0; i < nic->n_addresses; i++) {
		const struct facts_address *a = &nic->addresses[i];
		bool gateway = is_ipv4(a->gateway);
		char both[2 * IPV4_TEXT], text[200];

		if (!plan_is(a->method, "static") ||
			!address_and_mask(a->address, both, sizeof(both)))
			continue;
		if (first)
			snprintf(text, sizeof(text),
				"call :net set address \"%%card%%\" static %s %s%s", both,
				gateway ? a->gateway : "none", gateway ? " 1" : "");
		else
			snprintf(text, sizeof(text), "call :net add address \"%%card%%\" %s%s%s",
				both, gateway ? " " : "", gateway ? a->gateway : "");
		line(p, text);
		first = false;
	}
}

/* A name server that does not answer is no reason to try again, but since 7 netsh asks it. */
static void add_name_servers(struct planning *p, const struct facts_nic *nic)
{
	const char *unasked = plan_windows_version(p) >= 601 ? " validate=no" : "";
	char text[200];

	for (size_t i = 0; i < nic->n_dns; i++) {
		if (!is_ipv4(nic->dns[i]))
			continue;
		if (i == 0)
			snprintf(text, sizeof(text), "call :net set dns \"%%card%%\" static %s%s",
				nic->dns[i], unasked);
		else
			snprintf(text, sizeof(text),
				"call :net add dns \"%%card%%\" %s index=%zu%s", nic->dns[i], i + 1,
				unasked);
		line(p, text);
	}
}

static void add_card(struct planning *p, const struct windows_lease *l)
{
	char mac[18], text[64];
	size_t n = 0;

	for (const char *m = l->to->mac; *m && n + 1 < sizeof(mac); m++)
		mac[n++] = *m == ':' ? '-' : *m;
	mac[n] = '\0';
	snprintf(text, sizeof(text), "call :find %s", mac);
	line(p, text);
	add_addresses(p, l->from);
	add_name_servers(p, l->from);
}

static void restore(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);
	char text[200];

	snprintf(text, sizeof(text),
		"reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\CrashControl /v AutoReboot /t "
		"REG_DWORD /d %u /f",
		w->auto_reboot);
	if (w->auto_reboot)
		line(p, text);
	if (w->major >= 6) {
		line(p, "if \"%failed%\"==\"0\" rd /s /q \"" HERE "\\drivers\" 2>nul");
		return;
	}
	/* The files stay where Windows looks for drivers (DevicePath). */
	line(p, "reg delete HKLM\\SYSTEM\\CurrentControlSet\\Services\\PlugPlay\\Parameters /v "
		"SuppressUI /f");
	line(p, "reg delete HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\DeviceInstall\\Settings "
		"/v SuppressNewHWUI /f");
}

bool plan_windows_takes_agent(const struct planning *p)
{
	return *plan_text(p->target->guest_agent) && !*plan_text(p->os->guest_agent) &&
	       plan_windows_version(p) >= 601;
}

bool plan_windows_has_script(const struct planning *p)
{
	struct windows_lease leases[PLAN_WINDOWS_MAX_NICS];
	size_t n = plan_windows_leases(p, leases);

	for (size_t i = 0; i < n; i++)
		if (leases[i].to)
			return !plan_windows(p)->staged;
	return !plan_windows(p)->staged &&
	       (plan_windows_installs(p) || plan_windows_takes_agent(p));
}

void plan_windows_script(struct planning *p)
{
	struct windows_lease leases[PLAN_WINDOWS_MAX_NICS];
	size_t n = plan_windows_leases(p, leases);

	lines(p, head);
	if (plan_windows(p)->major >= 6 && plan_windows_installs(p))
		lines(p, install);
	for (size_t i = 0; i < n; i++)
		if (leases[i].to)
			add_card(p, &leases[i]);
	if (plan_windows_takes_agent(p))
		lines(p, agent);
	restore(p);
	lines(p, tail);
}
