/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The boot loader: kernels that also talk on the serial line. */

#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

static void add_console(struct planning *p, const char *op, const char *path)
{
	plan_step(p, op, path,
		"A virtual machine's console is its serial line; the screen stays in use beside "
		"it.");
	plan_arg(p, "loader", p->os->bootloader.kind);
	plan_arg(p, "add", "console=tty0");
	/* The last console is /dev/console. */
	plan_arg(p, "add", "console=ttyS0,115200n8");
}

static const char login[] = "A login on the serial line, which is a virtual machine's console.";

/* Inits that do not offer a login there by themselves. */
static void add_getty(struct planning *p)
{
	const struct facts_os *os = p->os;
	char line[200];

	if (os->console_getty)
		return;
	if (!*plan_text(os->getty) || plan_is(os->init, "unknown") || !*plan_text(os->init)) {
		plan_warn(p,
			"no login will be offered on the serial line: this guest's init (%s) "
			"needs a getty configured for it",
			plan_text(os->init));
		return;
	}
	if (plan_is(os->init, "upstart")) {
		plan_step(p, "file-write", "/etc/init/ttyS0.conf", "%s", login);
		plan_arg(p, "line", "start on stopped rc RUNLEVEL=[2345]");
		plan_arg(p, "line", "stop on runlevel [!2345]");
		plan_arg(p, "line", "respawn");
		snprintf(line, sizeof(line), "exec %.100s -L 115200 ttyS0 vt102", os->getty);
		plan_arg(p, "line", line);
		return;
	}
	plan_step(p, "lines-add", "/etc/inittab", "%s", login);
	snprintf(line, sizeof(line), "S0:2345:respawn:%.100s -L 115200 ttyS0 vt102", os->getty);
	plan_arg(p, "line", line);
}

static void add_securetty(struct planning *p)
{
	if (p->os->console_root)
		return;
	plan_step(p, "lines-add", "/etc/securetty",
		"root may log in where a virtual machine's console is.");
	plan_arg(p, "line", "ttyS0");
}

static void warn_of_fixed_arguments(struct planning *p)
{
	const char *kind = p->os->bootloader.kind;

	if (plan_is(kind, "efi-stub"))
		plan_warn(p, "the firmware starts the kernel itself, and the arguments in its "
			     "entry stay as they are: no console is added on the serial line");
	else if (p->sealed && !plan_is(kind, "lilo"))
		plan_warn(p, "the kernels' arguments are part of their programs: no console is "
			     "added on the serial line");
	else
		plan_warn(p,
			"the boot loader (%s) is left as it is: no console is added on the serial "
			"line",
			*plan_text(kind) ? kind : "unknown");
}

/* Entries without a kernel command line that can be edited: the loader stays as it is. */
static void add_consoles(struct planning *p)
{
	const struct facts_bootloader *b = &p->os->bootloader;

	const size_t n_programs = p->sealed ? 0 : b->n_programs;

	if (!b->n_configs && (p->sealed || !n_programs)) {
		warn_of_fixed_arguments(p);
		return;
	}
	if (b->serial_console)
		return;
	for (size_t i = 0; i < b->n_configs; i++)
		add_console(p, "boot-args", b->configs[i]);
	for (size_t i = 0; i < n_programs; i++)
		add_console(p, "unified-args", b->programs[i]);
	for (size_t i = 0; i < b->n_sources; i++)
		add_console(p, "boot-args", b->sources[i]);
}

#define VERITY "each block of the root is checked (dm-verity)"

/* Arguments of systems that refuse what somebody else has changed in them. */
static const struct {
	const char *begins, *why;
	bool whole; /* that is all of it */
} guards[] = {
	{"roothash=", VERITY, false},
	{"systemd.verity_root_", VERITY, false},
	{"verity", VERITY, true}, /* dm-mod.create="..." */
	{"ima_appraise=enforce", "each file must be signed (IMA)", true},
};

static void block_guarded(struct planning *p)
{
	struct p2v_span rest = p2v_span_str(p->os->bootloader.cmdline), word;

	while (p2v_word_next(&rest, &word))
		for (size_t i = 0; i < P2V_N(guards); i++)
			if (guards[i].whole ? p2v_span_eq(word, guards[i].begins)
					    : p2v_span_starts(word, guards[i].begins)) {
				plan_block(p,
					"%.*s on the kernel's command line: %s, and a changed one "
					"is not accepted. Take that off on the old system first, "
					"or install this system anew",
					(int)(word.n < 60 ? word.n : 60), word.p, guards[i].why);
				return;
			}
}

void plan_boot(struct planning *p)
{
	block_guarded(p);
	add_consoles(p);
	add_getty(p);
	add_securetty(p);
}
