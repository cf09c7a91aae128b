/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Only what every Windows since XP has: cmd, reg, sc, netsh, getmac, ping (to wait), shutdown; from
 * Vista on pnputil. getmac finds a card by its address and says what netsh calls it.
 *
 *	let Windows finish what it has to   at most one more restart
 *	drivers into the store              pnputil; 259: it had a better one, 3010: wants a
 *restart; their publisher is trusted meanwhile (certutil) addresses                           of
 *the cards that appear then balloon service, guest agent clean up                            the
 *log stays: %SystemRoot%\p2v\firstboot.log
 */

#include "converters/plan/windows-script.h"

#include <stdio.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define HERE "%here%"

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
	"for %%i in (\"" HERE "\\drivers\\*.cer\") do call :trust \"%%i\"",
	"for /r \"" HERE "\\drivers\" %%i in (*.inf) do call :driver \"%%i\"",
	"for %%i in (\"" HERE "\\drivers\\*.cer\") do call :distrust \"%%i\"",
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
	"rem By the certificate's number, its file's name. What was trusted before stays so.",
	":trust",
	"certutil -store TrustedPublisher %~n1 >nul 2>&1",
	"if \"%ERRORLEVEL%\"==\"0\" del \"%~1\"",
	"if exist \"%~1\" certutil -addstore -f TrustedPublisher \"%~1\"",
	"exit /b 0",
	":distrust",
	"certutil -delstore TrustedPublisher %~n1",
	"exit /b 0",
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
	"set guid=",
	"for /l %%n in (1,1,60) do if not defined card call :look %1",
	"if defined guid set \"guid=%guid:*{={%\"",
	"if defined card echo %1 is \"%card%\"",
	"if not defined card echo FAILED: no network card %1 appeared",
	"if not defined card set failed=1",
	"exit /b 0",
	":look",
	"for /f \"tokens=1,3,4 delims=,\" %%a in ('getmac /v /fo csv /nh') do if /i "
	"\"%%~b\"==\"%1\" "
	"call :found \"%%~a\" \"%%~c\"",
	"if not defined card ping -n 6 127.0.0.1 >nul",
	"exit /b 0",
	":found",
	"set \"card=%~1\"",
	"set \"guid=%~2\"",
	"exit /b 0",
	"",
	":net",
	"if not defined card exit /b 1",
	"for /l %%n in (1,1,6) do (",
	"  netsh interface %* && exit /b 0",
	"  ping -n 11 127.0.0.1 >nul",
	")",
	"echo FAILED: netsh interface %*",
	"set failed=1",
	"exit /b 1",
	"",
	"rem What netsh has no word for; the card heeds it from the next start on.",
	":value",
	"if not \"%guid:~0,1%\"==\"{\" goto :novalue",
	"reg add \"HKLM\\SYSTEM\\CurrentControlSet\\Services\\%1%guid%\" /v %2 /t %3 /d %4 /f",
	"if errorlevel 1 goto :novalue",
	"set reboot=1",
	"exit /b 0",
	":novalue",
	"echo FAILED: %2=%4 of the card %card%",
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
	lines(p, head);
	if (plan_windows(p)->major >= 6 && plan_windows_installs(p))
		lines(p, install);
	plan_windows_script_cards(p);
	if (plan_windows_takes_agent(p))
		lines(p, agent);
	restore(p);
	lines(p, tail);
}
