/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/answers.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ui/settings.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

int ui_answers_begin(const struct ui_state *state, struct ui_answers *ret, struct p2v_err *err)
{
	struct ui_answers a = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < state->n_values; i++)
		r = ui_answers_set(&a, state->values[i].name, state->values[i].value, err);
	if (r < 0) {
		ui_answers_finish(&a);
		return r;
	}
	*ret = a;
	return 0;
}

static struct ui_value *find(const struct ui_answers *a, const char *name)
{
	for (size_t i = 0; i < a->n_items; i++)
		if (strcmp(a->items[i].name, name) == 0)
			return &a->items[i];
	return NULL;
}

const char *ui_answers_get(const struct ui_answers *a, const char *name)
{
	const struct ui_value *v = find(a, name);

	return v ? v->value : "";
}

static char *writable(const char *value)
{
	char *copy = strdup(value);

	for (char *c = copy; c && *c; c++)
		if (*c == '"' || (unsigned char)*c < ' ')
			*c = ' ';
	return copy;
}

int ui_answers_set(struct ui_answers *a, const char *name, const char *value, struct p2v_err *err)
{
	/* A machine has several disks. */
	struct ui_value *slot = strcmp(name, "disk") == 0 && *value ? NULL : find(a, name);
	char *copy = writable(value), *key = strdup(name);

	if (copy && key && !slot)
		slot = p2v_json_grow((void **)&a->items, &a->n_items, sizeof(*a->items));
	if (!copy || !key || !slot) {
		free(copy);
		free(key);
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	free(slot->name);
	free(slot->value);
	*slot = (struct ui_value){key, copy};
	return 0;
}

int ui_answers_text(const struct ui_answers *a, struct p2v_buf *ret, struct p2v_err *err)
{
	for (size_t i = 0; i < a->n_items; i++)
		p2v_buf_addf(ret, "%s=\"%s\"\n", a->items[i].name, a->items[i].value);
	return p2v_buf_check(ret, err);
}

int ui_answers_check(const struct ui_answers *a, struct p2v_err *err)
{
	static char program[] = "p2v-boot", run[] = "run";
	char *argv[] = {program, run, NULL};
	ui_autosaid struct ui_said said = {0};
	ui_auto_settings struct ui_settings s = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->n_items; i++) {
		p2v_autofree char *word = p2v_strf("%s=%s", a->items[i].name, a->items[i].value);

		r = word ? ui_said_add_word(&said, word, err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return r < 0 ? r : ui_settings_resolve(&said, 2, argv, &s, err);
}

int ui_answers_send(const struct ui_answers *a, const char *dir, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = ui_answers_text(a, &text, err);

	return r < 0 ? r : p2v_publish_bytes(dir, UI_ANSWERS, text.data, text.len, 0600, err);
}

void ui_answers_finish(struct ui_answers *a)
{
	for (size_t i = 0; i < a->n_items; i++) {
		free(a->items[i].name);
		free(a->items[i].value);
	}
	free(a->items);
	memset(a, 0, sizeof(*a));
}
