/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v-boot: what runs on a machine that was booted from the medium. p2v-agent does the copying;
 * this brings the machine to where that can run, and shows it on every console.
 */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "agent/ui/screen.h"
#include "agent/ui/settings.h"
#include "agent/ui/state.h"
#include "agent/ui/worker.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/opt.h"
#include "p2v/core/stop.h"

static int screen(const char *dir, int argc, char **argv, struct p2v_err *err)
{
	(void)argc;
	(void)argv;
	/* newt asks a terminal that has hung up for its next key again and again, and a screen has
	 * nothing to lose: whoever looks next gets another. */
	signal(SIGHUP, SIG_DFL);
	return ui_screen_run(dir, err);
}

static const struct {
	const char *word;
	int (*run)(const char *dir, int argc, char **argv, struct p2v_err *err);
} modes[] = {{"run", ui_worker_run}, {"screen", screen}, {"settings", ui_worker_settings}};

int main(int argc, char **argv)
{
	ui_auto_settings struct ui_settings s = {0};
	struct ui_said none = {0};
	struct p2v_err err = {0};
	int r = ui_settings_resolve(&none, argc, argv, &s, &err);

	if (r == 1)
		return 0;
	setlocale(LC_CTYPE, "C.UTF-8");
	p2v_stop_install();
	for (size_t i = 0; r == 0 && i < P2V_N(modes); i++)
		if (strcmp(s.operands[0], modes[i].word) == 0) {
			r = modes[i].run(
				s.n_operands > 1 ? s.operands[1] : UI_DIR, argc, argv, &err);
			return r < 0 ? p2v_opt_fail(ui_settings_cmd.name, &err) : 0;
		}
	if (r == 0)
		p2v_err_set(
			&err, P2V_EINVAL, "'%s' is none of run, screen, settings", s.operands[0]);
	return p2v_opt_fail(ui_settings_cmd.name, &err);
}
