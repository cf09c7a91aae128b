/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/screen.h"

#include <newt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ui/screen-parts.h"
#include "agent/ui/text.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/opt.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

#define TICK_MS	    500
#define WIDTH	    76
#define HEIGHT	    20
#define COPY_ROW    10
#define STATUS_ROW  11
#define STATUS_ROWS 7
#define SCALE_ROW   14
#define MESSAGE_ROW 15
#define BUTTON_ROW  19
#define DISKS_SHOWN 4
#define BUTTONS_MAX 7
#define LEAVE_MS    20000

/* What a press of a button comes to. */
enum after { STAY, LEAVE };

struct button {
	const char *word;
	enum after (*press)(struct ui_screen *s);
	unsigned phases; /* bits: where it is there */
};

struct view {
	newtComponent form, where, copy, status, scale, messages, buttons[BUTTONS_MAX];
	const struct button *rows[BUTTONS_MAX];
	size_t n_buttons;
};

static void failure_tell(int r, const struct p2v_err *err)
{
	if (r < 0)
		ui_screen_tell("This did not work", err->text);
}

/* ---- what the buttons do ---- */

static int hold(struct ui_screen *s, struct p2v_err *err)
{
	ui_autoanswers struct ui_answers a = {0};
	int r = ui_answers_begin(&s->state, &a, err);

	if (r == 0)
		r = ui_answers_set(&a, "start", "ask", err);
	return r < 0 ? r : ui_answers_send(&a, s->dir, err);
}

static void answer(struct ui_screen *s, const char *start,
	bool (*dialog)(struct ui_screen *s, struct ui_answers *a))
{
	ui_autoanswers struct ui_answers a = {0};
	struct p2v_err err = {0};
	int r = ui_answers_begin(&s->state, &a, &err);

	/* While somebody is at a dialog nothing begins by itself. */
	if (r == 0 && dialog && s->state.phase == UI_COUNTING)
		r = hold(s, &err);
	if (r == 0 && dialog && !dialog(s, &a))
		return;
	if (r == 0)
		r = ui_answers_set(&a, "start", start, &err);
	if (r == 0)
		r = ui_answers_send(&a, s->dir, &err);
	failure_tell(r, &err);
}

static enum after press_start(struct ui_screen *s)
{
	answer(s, "now", ui_screen_trust);
	return STAY;
}

static enum after press_hold(struct ui_screen *s)
{
	struct p2v_err err = {0};

	failure_tell(hold(s, &err), &err);
	return STAY;
}

static enum after press_settings(struct ui_screen *s)
{
	answer(s, "ask", ui_screen_settings);
	return STAY;
}

static enum after press_disks(struct ui_screen *s)
{
	answer(s, "ask", ui_screen_disks);
	return STAY;
}

static enum after press_network(struct ui_screen *s)
{
	answer(s, "ask", ui_screen_network);
	return STAY;
}

static enum after press_details(struct ui_screen *s)
{
	ui_screen_details(s);
	return STAY;
}

static enum after machine_leave(const char *program)
{
	const char *const argv[] = {program, NULL};
	struct p2v_err err = {0};

	failure_tell(p2v_proc_run(argv, NULL, 0, LEAVE_MS, NULL, &err), &err);
	return STAY;
}

static enum after leave_if_sure(const char *program)
{
	static char title[] = "Are you sure?", yes[] = "Yes", no[] = "No", format[] = "%s %s";
	char words[32];

	snprintf(words, sizeof(words), "%s", program);
	return newtWinChoice(title, no, yes, format, words, "this machine?") == 2
		       ? machine_leave(program)
		       : STAY;
}

/* Before the end, where there is less room for buttons. */
static enum after press_leave(struct ui_screen *s)
{
	static char title[] = "Leave", no[] = "Cancel", off[] = "Power off", again[] = "Reboot",
		    text[] = "Nothing was changed on this machine: without the medium it starts as "
			     "it did before.";

	(void)s;
	switch (newtWinTernary(title, no, again, off, text)) {
	case 2:
		return machine_leave("reboot");
	case 3:
		return machine_leave("poweroff");
	default:
		return STAY;
	}
}

static enum after press_poweroff(struct ui_screen *s)
{
	(void)s;
	return leave_if_sure("poweroff");
}

static enum after press_reboot(struct ui_screen *s)
{
	(void)s;
	return leave_if_sure("reboot");
}

/* The console's init starts a shell where a screen ends, and a screen again where that does. */
static enum after press_shell(struct ui_screen *s)
{
	(void)s;
	return LEAVE;
}

#define IN(phase) (1u << (phase))
#define IDLE	  (IN(UI_ASKING) | IN(UI_COUNTING) | IN(UI_FAILED))

/* In the order in which they stand; the first one that is there has the cursor. */
static const struct button buttons[] = {
	{"Start", press_start, IDLE},
	{"Hold", press_hold, IN(UI_COUNTING) | IN(UI_SENDING)},
	{"Settings", press_settings, IDLE},
	{"Network", press_network, IDLE},
	{"Disks", press_disks, IDLE},
	{"Details", press_details, IDLE | IN(UI_SENDING) | IN(UI_DONE)},
	{"Reboot", press_reboot, IN(UI_DONE)},
	{"Power off", press_poweroff, IN(UI_DONE)},
	{"Leave", press_leave, IN(UI_FAILED) | IN(UI_ASKING)},
	{"Shell", press_shell,
		IN(UI_PREPARING) | IN(UI_SENDING) | IN(UI_DONE) | IN(UI_FAILED) | IN(UI_ASKING)},
};

/* ---- the main screen ---- */

static newtComponent box(newtComponent form, int row, int rows)
{
	newtComponent co = newtTextbox(1, row, WIDTH - 2, rows, NEWT_FLAG_WRAP);

	newtFormAddComponent(form, co);
	return co;
}

static void box_set(newtComponent co, const struct p2v_buf *text)
{
	newtTextboxSetText(co, text->data ? (const char *)text->data : "");
}

static void view_refresh(const struct view *v, const struct ui_screen *s)
{
	const struct ui_state *state = &s->state;
	p2v_autobuf struct p2v_buf where = {0}, copy = {0}, status = {0}, messages = {0};

	ui_text_where(state, &where);
	box_set(v->where, &where);
	if (state->phase != UI_SENDING && state->phase != UI_DONE)
		ui_text_copy(&s->contents, &s->machine, &copy);
	box_set(v->copy, &copy);
	ui_text_status(state, &s->contents, &status);
	for (size_t i = state->n_messages > 3 ? state->n_messages - 3 : 0; i < state->n_messages;
		i++)
		p2v_buf_addf(&messages, "%s\n", state->messages[i]);
	if (v->messages)
		box_set(v->messages, &messages);
	else if (messages.data)
		p2v_buf_addf(&status, "\n\n%s", (const char *)messages.data);
	box_set(v->status, &status);
	if (v->scale)
		newtScaleSet(v->scale, ui_text_percent(state));
	newtRefresh();
}

static void machine_show(newtComponent form, const struct ui_screen *s)
{
	const struct machine *m = &s->machine;
	p2v_autobuf struct p2v_buf text = {0};

	ui_text_machine(m, &text);
	for (size_t i = 0; i < m->n_disks && i < DISKS_SHOWN; i++) {
		p2v_buf_add_str(&text, i ? "\n         " : "\nDisks    ");
		ui_text_disk(&m->disks[i], &s->contents, &text);
	}
	if (m->n_disks > DISKS_SHOWN)
		p2v_buf_addf(&text, "\n         and %zu more", m->n_disks - DISKS_SHOWN);
	if (!m->n_disks)
		p2v_buf_add_str(
			&text, "\nDisks    none was found: its driver is not on the medium");
	box_set(box(form, 0, 3 + DISKS_SHOWN), &text);
}

static void buttons_add(struct view *v, int phase)
{
	int left = 1;

	for (size_t i = 0; i < P2V_N(buttons) && v->n_buttons < BUTTONS_MAX; i++) {
		if (!(buttons[i].phases & IN(phase)))
			continue;
		v->buttons[v->n_buttons] = newtCompactButton(left, BUTTON_ROW, buttons[i].word);
		v->rows[v->n_buttons] = &buttons[i];
		newtFormAddComponent(v->form, v->buttons[v->n_buttons++]);
		left += (int)strlen(buttons[i].word) + 4;
	}
}

/* In the middle, but with its shadow above the help line: a serial console has 24 rows. */
static void window_open(void)
{
	int columns, rows;

	newtGetScreenSize(&columns, &rows);
	columns = (columns - WIDTH) / 2;
	rows = (rows - HEIGHT - 1) / 2;
	newtOpenWindow(
		columns > 1 ? columns : 1, rows > 1 ? rows : 1, WIDTH, HEIGHT, "p2v " P2V_VERSION);
}

static void view_open(struct view *v, const struct ui_screen *s)
{
	*v = (struct view){.form = newtForm(NULL, NULL, NEWT_FLAG_NOF12)};
	window_open();
	machine_show(v->form, s);
	v->where = box(v->form, 7, 3);
	v->copy = box(v->form, COPY_ROW, 1);
	/* Without a scale the sentence may be as long as it is: it says what to do. */
	v->status = box(v->form, STATUS_ROW, s->state.phase == UI_SENDING ? 3 : STATUS_ROWS);
	if (s->state.phase == UI_SENDING) {
		v->scale = newtScale(1, SCALE_ROW, WIDTH - 2, 100);
		newtFormAddComponent(v->form, v->scale);
		v->messages = box(v->form, MESSAGE_ROW, 3);
	}
	buttons_add(v, s->state.phase);
	newtFormSetTimer(v->form, TICK_MS);
}

static void view_close(struct view *v)
{
	newtFormDestroy(v->form);
	newtPopWindowNoRefresh();
}

static enum after pressed(struct ui_screen *s, const struct view *v, newtComponent co)
{
	for (size_t i = 0; i < v->n_buttons; i++)
		if (v->buttons[i] == co)
			return v->rows[i]->press(s);
	return STAY;
}

/* False where there is nothing new to read. */
static bool state_read(struct ui_screen *s)
{
	struct ui_state state = {0};

	if (ui_state_load(s->dir, &state, NULL) < 0)
		return false;
	ui_state_finish(&s->state);
	s->state = state;
	if (!s->contents.n_disks)
		ui_contents_load(s->dir, &s->contents, NULL);
	return true;
}

/* Somebody who has gone to a button other than the first is there, and is not to be overtaken. */
static bool somebody_is_there(const struct ui_screen *s, const struct view *v)
{
	return s->state.phase == UI_COUNTING && newtFormGetCurrent(v->form) != v->buttons[0];
}

/* One phase on the screen. */
static enum after phase_show(struct ui_screen *s)
{
	int phase = s->state.phase;
	enum after then = STAY;
	bool held = false;
	struct newtExitStruct end;
	struct view v;

	view_open(&v, s);
	view_refresh(&v, s);
	while (then == STAY && s->state.phase == phase && !p2v_stop_requested()) {
		newtFormRun(v.form, &end);
		if (end.reason == NEWT_EXIT_ERROR)
			then = LEAVE;
		else if (end.reason == NEWT_EXIT_COMPONENT)
			then = pressed(s, &v, end.u.co);
		if (!held && somebody_is_there(s, &v)) {
			press_hold(s);
			held = true;
		}
		state_read(s);
		view_refresh(&v, s);
	}
	view_close(&v);
	return then;
}

static int wait_for_worker(struct ui_screen *s, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(s->dir, UI_MACHINE);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	while (!state_read(s)) {
		int r = p2v_stop_check(err);

		if (r < 0)
			return r;
		p2v_sleep_ms(TICK_MS);
	}
	return model_machine_load(path, &s->machine, err);
}

int ui_screen_run(const char *dir, struct p2v_err *err)
{
	struct ui_screen s = {.dir = dir};
	enum after then = STAY;
	int r = wait_for_worker(&s, err);

	if (r == 0 && newtInit() != 0)
		r = p2v_err_set(err, P2V_EUNSUPPORTED, "this is no terminal for a screen");
	if (r == 0) {
		newtCls();
		newtPushHelpLine("Tab: next   Space or Enter: press   the same on every console");
		while (then == STAY && !p2v_stop_requested())
			then = phase_show(&s);
		newtFinished();
	}
	model_machine_finish(&s.machine);
	ui_state_finish(&s.state);
	ui_contents_finish(&s.contents);
	return r;
}
