/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The guest agent, whose package lies in the guest's own cache. Nothing of the guest is run here: a
 * unit is written (systemd.unit(5), systemd.service(5)), by which the virtual machine's first start
 * has the guest's package manager install it. It tries once, from what lies there alone, and takes
 * itself away.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define UNIT "/etc/systemd/system/p2v-guest-agent.service"
#define WANT "/etc/systemd/system/multi-user.target.d/p2v-guest-agent.conf"

/* How a package of that name is installed. What it depends on has to be there: each of them refuses
 * it as a whole otherwise, and changes nothing. (pacman would fetch the rest.) */
static const struct {
	const char *suffix, *command;
} installers[] = {
	{".deb", "/usr/bin/apt-get --yes --no-download --no-remove --no-install-recommends "
		 "-o DPkg::Lock::Timeout=60 install"},
	{".rpm", "/usr/bin/rpm --install"},
};

static const char *installer(const char *package)
{
	for (size_t i = 0; i < P2V_N(installers); i++)
		if (p2v_span_ends(p2v_span_str(package), installers[i].suffix))
			return installers[i].command;
	return NULL;
}

/* As a unit has it: '%' stands twice. False: it has what means something else there, or is long. */
static bool in_unit(const char *path, char text[512])
{
	size_t n = 0;

	for (; *path; path++) {
		if (n > 500 || (!isalnum((unsigned char)*path) && !strchr("/._+~:%-", *path)))
			return false;
		if (*path == '%')
			text[n++] = '%';
		text[n++] = *path;
	}
	text[n] = '\0';
	return true;
}

static void line(struct planning *p, const char *key, const char *value)
{
	char text[700];

	snprintf(text, sizeof(text), "%s=%s", key, value);
	plan_arg(p, "line", text);
}

static void write_unit(struct planning *p, const char *package, const char *command)
{
	char start[640];

	snprintf(start, sizeof(start), "-%s %s", command, package);
	plan_step(p, "file-write", UNIT,
		"The guest agent, by which the hypervisor talks to the guest, is installed once by "
		"the guest itself, from the package in its cache.");
	plan_arg(p, "line", "[Unit]");
	line(p, "Description", "Installs qemu-guest-agent from a package that lies at hand (p2v)");
	line(p, "ConditionVirtualization", "vm");
	line(p, "ConditionPathExists", package);
	plan_arg(p, "line", "[Service]");
	line(p, "Type", "oneshot");
	line(p, "TimeoutStartSec", "300");
	line(p, "Environment", "DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1");
	line(p, "ExecStart", start);
	/* It starts by itself when its port appears, which it has already. */
	line(p, "ExecStartPost", "-/bin/systemctl --no-block start qemu-guest-agent.service");
	line(p, "ExecStartPost", "-/bin/rm -f " WANT " " UNIT);
	plan_step(p, "file-write", WANT, "The first start of the virtual machine runs it.");
	plan_arg(p, "line", "[Unit]");
	line(p, "Wants", "p2v-guest-agent.service");
}

void plan_guest_agent(struct planning *p)
{
	const char *package = plan_text(p->os->guest_agent), *command = installer(package);
	char text[512];

	if (*package != '/')
		return;
	if (command && plan_is(p->os->init, "systemd") && !p->os->static_etc &&
		in_unit(package, text))
		write_unit(p, text, command);
	else
		plan_tell(p,
			"the package %s is there, but not installed: the virtual machine's guest "
			"agent can be installed from it once it runs",
			package);
}
