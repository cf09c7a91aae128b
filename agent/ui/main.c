/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v-boot: what runs on a machine that was booted from the medium. p2v-agent does the copying;
 * this brings the machine to where that can run, and shows it on every console.
 */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "agent/ui/layers.h"
#include "agent/ui/screen.h"
#include "agent/ui/settings.h"
#include "agent/ui/state.h"
#include "agent/ui/worker.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/opt.h"
#include "p2v/core/publish.h"
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

/* A settings file, before a machine is sent away with it. */
static int check(const char *path, int argc, char **argv, struct p2v_err *err)
{
	ui_autosaid struct ui_said said = {0};
	ui_auto_settings struct ui_settings s = {0};
	p2v_autobuf struct p2v_buf text = {0};
	int r = p2v_file_read(path, UI_CONFIG_MAX, &text, err);

	if (r == 0)
		r = ui_said_add_file(&said, path, p2v_span_of(text.data, text.len), NULL, err);
	return r < 0 ? r : ui_settings_resolve(&said, argc, argv, &s, err);
}

static const struct mode {
	const char *word,
		*operand; /* operand: what it is where none is told; NULL: one is needed */
	int (*run)(const char *operand, int argc, char **argv, struct p2v_err *err);
} modes[] = {{"run", UI_DIR, ui_worker_run}, {"screen", UI_DIR, screen},
	{"settings", UI_DIR, ui_worker_settings}, {"check", NULL, check}};

static int mode_run(const struct ui_settings *s, int argc, char **argv, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(modes); i++) {
		const char *operand = s->n_operands > 1 ? s->operands[1] : modes[i].operand;

		if (strcmp(s->operands[0], modes[i].word) != 0)
			continue;
		return operand ? modes[i].run(operand, argc, argv, err)
			       : p2v_err_set(err, P2V_EINVAL, "'%s' needs a file", modes[i].word);
	}
	return p2v_err_set(
		err, P2V_EINVAL, "'%s' is none of run, screen, settings, check", s->operands[0]);
}

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
	if (r == 0)
		r = mode_run(&s, argc, argv, &err);
	return r < 0 ? p2v_opt_fail(ui_settings_cmd.name, &err) : 0;
}
