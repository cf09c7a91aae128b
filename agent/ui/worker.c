/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/source/source.h"
#include "agent/ui/contents.h"
#include "agent/ui/layers.h"
#include "agent/ui/net.h"
#include "agent/ui/send.h"
#include "agent/ui/state.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"

#define TICK_MS	    500
#define ANSWERS_MAX ((size_t)65536)
#define HOSTNAME    "hostname" /* in DIR: what DHCP calls the machine */
#define TOOL_MS	    10000

struct worker {
	const char *dir;
	int argc;
	char **argv;
	struct machine machine;
	struct ui_layers layers;
	struct ui_settings settings;
	struct p2v_err wrong; /* what the layers say cannot be understood */
	struct ui_state state;
	bool answered; /* somebody at a screen has said something */
};

/* ---- what the screens and the log see ---- */

static void show(struct worker *w)
{
	ui_state_save(&w->state, w->dir, NULL);
}

static void phase(struct worker *w, enum ui_phase to, const char *text)
{
	p2v_autobuf struct p2v_buf clean = {0};
	char now[32];

	w->state.phase = (int)to;
	w->state.seconds_left = 0;
	ui_text_set(&w->state.then, NULL);
	p2v_text_add_printable(&clean, text);
	ui_text_set(&w->state.text, clean.data ? (char *)clean.data : "");
	p2v_now_text(now);
	fprintf(stderr, "%s %s\n", now, w->state.text ? w->state.text : "");
	show(w);
}

static void preparing(void *ctx, const char *text)
{
	phase(ctx, UI_PREPARING, text);
}

/* Serial numbers that the maker forgot to fill in tell nothing apart. */
static bool serial_tells(const char *serial)
{
	static const char *const empty[] = {"none", "not specified", "to be filled by o.e.m.",
		"default string", "system serial number", "0123456789", "n/a", "unknown"};

	for (size_t i = 0; serial && i < P2V_N(empty); i++)
		if (strcasecmp(serial, empty[i]) == 0)
			return false;
	return serial && strspn(serial, "0 .-") != strlen(serial);
}

static char *name_find(const struct worker *w)
{
	p2v_autofree char *path = p2v_path_join(w->dir, HOSTNAME);
	p2v_autobuf struct p2v_buf dhcp = {0};
	char clean[65] = "";

	if (w->settings.name)
		return strdup(w->settings.name);
	if (path && p2v_file_read(path, 256, &dhcp, NULL) == 0 && dhcp.len)
		source_name_clean((const char *)dhcp.data, clean);
	if (!clean[0] && serial_tells(w->machine.serial))
		source_name_clean(w->machine.serial, clean);
	if (!clean[0] && w->machine.n_nics && w->machine.nics[0].mac)
		source_name_clean(w->machine.nics[0].mac, clean);
	return strdup(clean[0] ? clean : "machine");
}

static void values_show(struct worker *w)
{
	struct ui_state *state = &w->state;
	p2v_autofree char *name = name_find(w);

	for (size_t i = 0; i < state->n_values; i++) {
		free(state->values[i].name);
		free(state->values[i].value);
	}
	state->n_values = 0;
	for (size_t i = 0; i < w->settings.n_words; i++) {
		const char *word = w->settings.words[i], *equals = strchr(word, '=');
		struct ui_value *slot;

		if (strncmp(word, "--", 2) != 0)
			continue;
		slot = p2v_json_grow(
			(void **)&state->values, &state->n_values, sizeof(*state->values));
		if (!slot)
			return;
		slot->name =
			equals ? strndup(word + 2, (size_t)(equals - word) - 2) : strdup(word + 2);
		slot->value = strdup(equals ? equals + 1 : "yes");
	}
	ui_text_set(&state->server, w->settings.server);
	ui_text_set(&state->name, name);
	ui_text_set(&state->after, w->settings.after);
}

/* ---- settings ---- */

static int resolve(struct worker *w, struct p2v_err *err)
{
	struct ui_settings s;
	int r = ui_layers_resolve(&w->layers, &w->machine, w->argc, w->argv, &s, &w->wrong, err);

	if (r < 0)
		return r;
	ui_settings_finish(&w->settings);
	w->settings = s;
	values_show(w);
	return 0;
}

/* Whether a screen has answered; then it is the top layer from now on. */
static bool answers_take(struct worker *w)
{
	p2v_autofree char *path = p2v_path_join(w->dir, UI_ANSWERS);
	struct p2v_buf *text = &w->layers.texts[UI_LAYER_ANSWERS];

	if (!path || access(path, R_OK) != 0)
		return false;
	p2v_buf_reset(text);
	if (p2v_file_read(path, ANSWERS_MAX, text, NULL) < 0)
		p2v_buf_reset(text);
	unlink(path);
	w->answered = true;
	return true;
}

/* 1: answered; 0: seconds (0: for ever) are over; else a stop. */
static int answers_wait(struct worker *w, uint64_t seconds, struct p2v_err *err)
{
	uint64_t end = p2v_now_ms() + seconds * 1000;

	for (;;) {
		uint64_t now = p2v_now_ms();

		if (answers_take(w))
			return 1;
		if (p2v_stop_check(err) < 0)
			return P2V_ECANCELED;
		if (seconds && now >= end)
			return 0;
		w->state.seconds_left = seconds ? (end - now + 999) / 1000 : 0;
		show(w);
		p2v_sleep_ms(TICK_MS);
	}
}

/* ---- the steps ---- */

/* Once. The copy does without it, where a disk answers too slowly. */
static void contents_look(struct worker *w)
{
	p2v_autofree char *path = p2v_path_join(w->dir, UI_MAP);
	struct p2v_err err = {0};

	if (!path || p2v_file_exists(path))
		return;
	preparing(w, "looking at what is on the disks");
	if (ui_contents_make(&w->settings, &w->machine, w->dir, &err) < 0)
		ui_message_add(&w->state, err.text);
}

static int prepare(struct worker *w, struct p2v_err *err)
{
	char *network = NULL;
	int r = resolve(w, err);

	if (r < 0)
		return r;
	contents_look(w);
	preparing(w, "bringing the network up");
	ui_text_set(&w->state.network, NULL);
	r = ui_net_up(&w->settings, &w->machine, preparing, w, &network, err);
	if (r < 0)
		return r;
	free(w->state.network);
	w->state.network = network;
	if (w->settings.config)
		preparing(w, "fetching settings");
	r = ui_layers_fetch(&w->layers, &w->settings, err);
	if (r >= 0)
		r = resolve(w, err);
	if (r == 0)
		r = ui_layers_key(&w->layers, &w->settings, w->dir, err);
	return r > 0 ? resolve(w, err) : r;
}

static int send_watch(struct worker *w, struct ui_send *send, struct p2v_err *err)
{
	for (;;) {
		bool ended = false;
		int r = ui_send_step(send, &w->state, TICK_MS, &ended, err);

		show(w);
		if (ended)
			return r;
		if (answers_take(w) || p2v_stop_requested()) {
			ui_send_stop(send);
			return p2v_err_set(err, P2V_ECANCELED, "held");
		}
	}
}

static bool told(const struct ui_settings *s, const char *disk)
{
	for (size_t i = 0; i < s->n_disks; i++)
		if (strcmp(s->disks[i], disk) == 0)
			return true;
	return false;
}

/* A udev rule of the medium has set every disk read-only before anybody opened it. Where that did
 * not happen, nothing is opened here either. */
static int disks_check(const struct worker *w, struct p2v_err *err)
{
	for (size_t i = 0; i < w->machine.n_disks; i++) {
		const struct machine_disk *d = &w->machine.disks[i];
		const char *path = d->path;
		p2v_autofree char *name = NULL;

		/* A stick may be pulled out by now. */
		if (d->removable && !told(&w->settings, path))
			continue;
		name = strdup(path + (strncmp(path, "/dev/", 5) == 0 ? 5 : 0));
		for (char *c = name; c && *c; c++)
			if (*c == '/')
				*c = '!';
		if (!name || source_attr_u64(&source_host_this, 0, "/sys/block/%s/ro", name) != 1)
			return p2v_err_set(err, P2V_EREFUSED,
				"%s is not read-only in the kernel, as the medium makes every disk",
				path);
	}
	return 0;
}

static int sending(struct worker *w, struct p2v_err *err)
{
	struct ui_send send = {.fd = -1};
	int r = disks_check(w, err);

	if (r < 0)
		return r;
	/* What the attempt before had to say was on the screens until now, and is in the log. */
	if (w->state.attempt++)
		ui_messages_drop(&w->state);
	ui_text_set(&w->state.label, NULL);
	w->state.done = w->state.total = w->state.rate = w->state.eta_ms = 0;
	phase(w, UI_SENDING, "sending the disks");
	r = ui_send_start(&w->settings, &w->machine, w->state.name, w->dir, &send, err);
	return r < 0 ? r : send_watch(w, &send, err);
}

/* word: poweroff or reboot. */
static int leave(struct worker *w, const char *word, struct p2v_err *err)
{
	const char *const argv[] = {word, NULL};

	preparing(w, strcmp(word, "reboot") == 0 ? "rebooting" : "switching off");
	return p2v_proc_run(argv, NULL, 0, TOOL_MS, NULL, err);
}

/* Long enough for a console to show why, and for somebody there to answer: 1. */
static int leave_soon(struct worker *w, const char *word, struct p2v_err *err)
{
	int r;

	ui_text_set(&w->state.then, word);
	r = answers_wait(w, w->settings.delay_s + 1, err);
	return r != 0 ? r : leave(w, word, err);
}

/* 1: go round again; else the worker ends with it. */
static int sent(struct worker *w, struct p2v_err *err)
{
	p2v_autofree char *text = ui_send_result(w->dir);

	phase(w, UI_DONE, text ? text : "every disk was sent and verified");
	if (strcmp(w->settings.after, "wait") == 0)
		return answers_wait(w, 0, err);
	return leave_soon(w, w->settings.after, err);
}

static int failed(struct worker *w, const struct p2v_err *why, struct p2v_err *err)
{
	const char *then = w->settings.on_failure ? w->settings.on_failure : "wait";
	bool retry = strcmp(then, "retry") == 0;
	int r;

	phase(w, UI_FAILED, why->text);
	if (strcmp(then, "poweroff") == 0 || strcmp(then, "reboot") == 0)
		return leave_soon(w, then, err);
	/* Settings that are wrong stay wrong. A refusal may pass: a job is busy until the server
	 * has noticed that an earlier connection is dead. */
	retry = retry && why->kind != P2V_EINVAL;
	r = answers_wait(w, retry ? w->settings.retry_s + 1 : 0, err);
	return r < 0 ? r : 1;
}

static int ask(struct worker *w, const char *text, struct p2v_err *err)
{
	phase(w, UI_ASKING, text);
	return answers_wait(w, 0, err);
}

/* With what somebody at a screen can do about it. */
static char *missing_text(const char *missing)
{
	return p2v_strf("%s is not known yet: %s", missing,
		strcmp(missing, "p2v.host-key") == 0 ? "Start shows the server's, to be compared"
						     : "say it under Settings");
}

/* Whether to send now: 0, or 1: go round again. */
static int start_decide(struct worker *w, struct p2v_err *err)
{
	const char *missing = ui_settings_missing(&w->settings);
	p2v_autofree char *text = missing ? missing_text(missing) : NULL;

	if (w->wrong.kind && !w->answered)
		return ask(w, w->wrong.text, err);
	if (missing)
		return ask(w, text ? text : missing, err);
	if (strcmp(w->settings.start, "ask") == 0)
		return ask(w, "held; nothing is sent", err);
	if (w->answered || !w->settings.delay_s)
		return 0;
	phase(w, UI_COUNTING, "starts by itself");
	return answers_wait(w, w->settings.delay_s, err);
}

static int round_do(struct worker *w, struct p2v_err *err)
{
	struct p2v_err why = {0};
	int r = prepare(w, &why);

	if (r == 0) {
		r = start_decide(w, err);
		if (r != 0)
			return r;
		r = sending(w, &why);
	}
	if (r == P2V_ECANCELED)
		return p2v_stop_requested() ? r : 1;
	return r == 0 ? sent(w, err) : failed(w, &why, err);
}

/* Some sticks say that they are no removable disk: ISO 9660's volume identifier, 40 bytes into the
 * sector 16 of 2048 bytes (ECMA-119, 8.4), says that it is this medium. */
static bool is_medium(const char *path)
{
	static const char name[] = "P2V     ";
	char found[sizeof(name) - 1];
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && pread(fd, found, sizeof(found), 16 * 2048 + 40) == sizeof(found) &&
	       memcmp(found, name, sizeof(found)) == 0;
}

static void medium_leave_out(struct machine *m)
{
	for (size_t i = 0; i < m->n_disks; i++)
		m->disks[i].removable = m->disks[i].removable || is_medium(m->disks[i].path);
}

static int worker_init(
	struct worker *w, const char *dir, int argc, char **argv, struct p2v_err *err)
{
	int r;

	*w = (struct worker){.dir = dir, .argc = argc, .argv = argv};
	r = p2v_dir_make(dir, 0700, err);
	if (r == 0)
		r = source_machine_read(&source_host_this, NULL, &w->machine, err);
	if (r == 0)
		medium_leave_out(&w->machine);
	if (r == 0)
		r = ui_layers_read(&w->layers, err);
	return r;
}

static void worker_finish(struct worker *w)
{
	model_machine_finish(&w->machine);
	ui_layers_finish(&w->layers);
	ui_settings_finish(&w->settings);
	ui_state_finish(&w->state);
}

int ui_worker_run(const char *dir, int argc, char **argv, struct p2v_err *err)
{
	struct worker w;
	int r = worker_init(&w, dir, argc, argv, err);

	if (r == 0)
		r = model_machine_save(&w.machine, dir, UI_MACHINE, err);
	r = r < 0 ? r : 1;
	while (r == 1)
		r = round_do(&w, err);
	worker_finish(&w);
	return r;
}

int ui_worker_settings(const char *dir, int argc, char **argv, struct p2v_err *err)
{
	struct worker w;
	int r = worker_init(&w, dir, argc, argv, err);

	if (r == 0)
		r = resolve(&w, err);
	if (r == 0 && w.wrong.kind) {
		*err = w.wrong;
		r = w.wrong.kind;
	}
	for (size_t i = 0; r == 0 && i < w.state.n_values; i++)
		fprintf(stdout, "%s=%s\n", w.state.values[i].name, w.state.values[i].value);
	worker_finish(&w);
	return r;
}
