/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Kernel command lines and settings files of the boot medium: broken ones are refused whole, and
 * what was taken names settings only. */

#include <stdlib.h>
#include <string.h>

#include "agent/ui/settings.h"
#include "tests/fuzz/fuzz.h"

static void check(int r, struct ui_said *said)
{
	char program[] = "p2v-boot", mode[] = "run";
	char *argv[] = {program, mode, NULL};
	struct ui_settings s;

	if (r < 0 && said->n_items)
		abort();
	for (size_t i = 0; i < said->n_items; i++) {
		const struct p2v_opt *o = ui_settings_cmd.opts;

		while (o->name && strcmp(o->name, said->items[i].name) != 0)
			o++;
		if (!o->name)
			abort();
	}
	if (ui_settings_resolve(said, 2, argv, &s, NULL) == 0) {
		if (s.vlan > 4094 || s.n_operands != 1)
			abort();
		ui_settings_finish(&s);
	}
	ui_said_finish(said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char mac[] = "00:1b:21:aa:bb:01";
	struct machine_nic nic = {.mac = mac};
	const struct machine m = {.nics = &nic, .n_nics = 1};
	struct p2v_span text = p2v_span_of(data, n);
	struct ui_said said = {0};

	check(ui_said_add_cmdline(&said, "x", text, NULL), &said);
	check(ui_said_add_file(&said, "x", text, &m, NULL), &said);
	return 0;
}
