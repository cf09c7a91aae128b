/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Edits of a registry hive. editors.h says what the arguments are. */

#include <stdlib.h>
#include <string.h>

#include "converters/apply/editors.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/span.h"
#include "p2v/guest/hive.h"
#include "p2v/guest/read.h"

struct hive_run {
	struct guest_hive *h;
	const struct plan_step *step;
	size_t at;	 /* of the argument that is run; a verb that takes several counts on */
	const char *key; /* that the values are in; NULL: they are passed over */
};

static int spoiled(const struct hive_run *run, struct p2v_err *err)
{
	const struct plan_arg *a = &run->step->args[run->at];

	return p2v_err_set(err, P2V_EFORMAT, "the plan's step hive-edit: '%s' cannot be '%.100s'",
		a->key, a->value);
}

static int enter(struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	(void)name;
	(void)err;
	run->key = value;
	return 0;
}

static int enter_present(
	struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	(void)name;
	(void)err;
	run->key = guest_hive_has_key(run->h, value) ? value : NULL;
	return 0;
}

static int delete_key(
	struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	(void)name;
	return guest_hive_delete_key(run->h, value, err);
}

static int set_u32(struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	uint64_t n;

	if (!p2v_span_u64(p2v_span_str(value), UINT32_MAX, &n))
		return spoiled(run, err);
	return guest_hive_set_u32(run->h, run->key, name, (uint32_t)n, err);
}

static int set_text(struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	return guest_hive_set_text(run->h, run->key, name, GUEST_REG_SZ, value, err);
}

static int set_expand(
	struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	return guest_hive_set_text(run->h, run->key, name, GUEST_REG_EXPAND_SZ, value, err);
}

static int set_binary(
	struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	size_t n = strlen(value) / 2;
	p2v_autofree uint8_t *bytes = malloc(n + 1);

	if (!bytes)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (strlen(value) != 2 * n || p2v_unhex(value, bytes, n, NULL) < 0)
		return spoiled(run, err);
	return guest_hive_set(run->h, run->key, name, GUEST_REG_BINARY, bytes, n, err);
}

/* This argument, and those behind it that are alike. */
static int set_texts(struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	const struct plan_step *step = run->step;
	size_t first = run->at, n;
	p2v_autofree const char **texts = calloc(step->n_args, sizeof(*texts));

	(void)value;
	if (!texts)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (n = 0; first + n < step->n_args; n++) {
		if (strcmp(step->args[first + n].key, step->args[first].key) != 0)
			break;
		texts[n] = step->args[first + n].value;
	}
	run->at = first + n - 1;
	return guest_hive_set_texts(run->h, run->key, name, texts, n, err);
}

static int less_text(struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	guest_auto_names struct guest_hive_names all = {0};
	p2v_autofree const char **kept = NULL;
	struct p2v_err why = {0};
	size_t n = 0;
	int r = guest_hive_get_texts(run->h, run->key, name, &all, &why);

	if (r == P2V_ENOTFOUND)
		return 0;
	if (r < 0)
		return p2v_err_set(err, r, "%s", why.text);
	kept = calloc(all.n_items + 1, sizeof(*kept));
	if (!kept)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; i < all.n_items; i++)
		if (strcasecmp(all.items[i], value) != 0)
			kept[n++] = all.items[i];
	if (n == all.n_items)
		return 0;
	return n ? guest_hive_set_texts(run->h, run->key, name, kept, n, err)
		 : guest_hive_delete_value(run->h, run->key, name, err);
}

static int more_expand(
	struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	p2v_autofree char *old = NULL;
	p2v_autobuf struct p2v_buf new = {0};
	struct p2v_err why = {0};
	int r = guest_hive_get_text(run->h, run->key, name, &old, &why);

	if (r < 0 && r != P2V_ENOTFOUND)
		return p2v_err_set(err, r, "%s", why.text);
	if (old && strcasestr(old, value))
		return 0;
	p2v_buf_addf(&new, "%s%s%s", old ? old : "", old && *old ? ";" : "", value);
	r = p2v_buf_check(&new, err);
	return r < 0 ? r : set_expand(run, name, (const char *)new.data, err);
}

static int delete_value(
	struct hive_run *run, const char *name, const char *value, struct p2v_err *err)
{
	(void)value;
	return guest_hive_delete_value(run->h, run->key, name, err);
}

static const struct verb {
	const char *word;
	bool everywhere; /* needs no key to be in */
	int (*run)(struct hive_run *run, const char *name, const char *value, struct p2v_err *err);
} verbs[] = {
	{"key", true, enter},
	{"key-if-there", true, enter_present},
	{"delete-key", true, delete_key},
	{"u32", false, set_u32},
	{"text", false, set_text},
	{"expand", false, set_expand},
	{"binary", false, set_binary},
	{"texts", false, set_texts},
	{"texts-less", false, less_text},
	{"expand-more", false, more_expand},
	{"delete", false, delete_value},
};

static int run_arg(struct hive_run *run, struct p2v_err *err)
{
	const struct plan_arg *a = &run->step->args[run->at];
	size_t n = strcspn(a->key, " ");
	const char *name = a->key + n + (a->key[n] == ' ');

	for (size_t i = 0; i < P2V_N(verbs); i++) {
		if (strlen(verbs[i].word) != n || strncmp(verbs[i].word, a->key, n) != 0)
			continue;
		if (!verbs[i].everywhere && !run->key)
			return 0;
		return verbs[i].run(run, name, a->value, err);
	}
	return spoiled(run, err);
}

int run_hive_edit(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	p2v_autofree char *path = NULL;
	guest_auto_hive struct guest_hive *h = NULL;
	struct hive_run run = {.step = step};
	int r = guest_path_nocase(g, step->path, &path, err);

	(void)details;
	if (r == 0)
		r = guest_hive_open(g, path, true, &h, err);
	run.h = h;
	for (; r == 0 && run.at < step->n_args; run.at++)
		r = run_arg(&run, err);
	return r < 0 ? r : guest_hive_save(h, step->reason, err);
}
