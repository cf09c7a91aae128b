/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A Windows: where it is, its hives, and the table of its parts. */

#include "converters/inspect/windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static int (*const parts[])(struct windows *win) = {
	windows_version,
	windows_drivers,
	windows_state,
	windows_agents,
	windows_network,
	windows_boot,
};

int inspect_windows_dir(struct guest *g, char **ret, struct p2v_err *err)
{
	static const char *const names[] = {"/Windows", "/WINNT"};

	*ret = NULL;
	for (size_t i = 0; i < P2V_N(names); i++) {
		p2v_autofree char *dir = NULL, *hive = NULL;
		p2v_autofree char *want = p2v_strf("%s/System32/config/SYSTEM", names[i]);
		int r = want ? guest_path_nocase(g, want, &hive, err)
			     : p2v_err_set(err, P2V_ENOMEM, "no memory");

		if (r == 0)
			r = guest_path_nocase(g, names[i], &dir, err);
		if (r < 0)
			return r;
		if (guest_is_file(g, hive)) {
			*ret = p2v_steal(dir);
			return 0;
		}
	}
	return 0;
}

/* What stands in the way of reading a value: nothing, a note, or an error that stays in `in`. */
static bool usable(struct windows *win, int r, const struct p2v_err *why)
{
	if (r < 0 && r != P2V_ENOTFOUND)
		inspect_note(win->in, "%s; passed over", why->text);
	return r == 0;
}

char *windows_text(struct windows *win, struct guest_hive *h, const char *key, const char *name)
{
	struct p2v_err why = {0};
	char *text = NULL;

	return h && usable(win, guest_hive_get_text(h, key, name, &text, &why), &why) ? text : NULL;
}

uint32_t windows_u32(struct windows *win, struct guest_hive *h, const char *key, const char *name,
	uint32_t otherwise)
{
	struct p2v_err why = {0};
	uint32_t n;

	return h && usable(win, guest_hive_get_u32(h, key, name, &n, &why), &why) ? n : otherwise;
}

void windows_texts(struct windows *win, struct guest_hive *h, const char *key, const char *name,
	struct guest_hive_names *ret)
{
	struct p2v_err why = {0};

	memset(ret, 0, sizeof(*ret));
	if (h)
		usable(win, guest_hive_get_texts(h, key, name, ret, &why), &why);
}

char *windows_key(const struct windows *win, const char *rest)
{
	return p2v_strf("%s\\%s", win->set, rest);
}

char *windows_path(struct windows *win, const char *rest)
{
	p2v_autofree char *asked = p2v_strf("%s/%s", win->w->dir, rest);
	char *path = NULL;

	return asked && guest_path_nocase(win->in->g, asked, &path, NULL) == 0 ? path : NULL;
}

/* The system cannot be understood without SYSTEM; without the others some facts are missing. */
static int open_hive(
	struct windows *win, const char *name, enum inspect_need need, struct guest_hive **ret)
{
	p2v_autofree char *rest = p2v_strf("System32/config/%s", name);
	p2v_autofree char *path = rest ? windows_path(win, rest) : NULL;
	struct p2v_err why = {0};
	int r = path ? guest_hive_open(win->in->g, path, false, ret, &why)
		     : p2v_err_set(&why, P2V_EIO, "%s: cannot be found", name);

	if (r < 0 && (need == INSPECT_NEEDED || (r != P2V_EFORMAT && r != P2V_ENOTFOUND)))
		return p2v_err_set(win->in->err, r, "%s", why.text);
	if (r < 0)
		return inspect_note(win->in, "%s; passed over", why.text);
	if (guest_hive_is_dirty(*ret))
		return inspect_add_str(win->in, &win->w->dirty, &win->w->n_dirty, name);
	r = guest_hive_check(*ret, &why);
	if (r == P2V_EFORMAT)
		return inspect_add_str(win->in, &win->w->damaged, &win->w->n_damaged, why.text);
	return r < 0 ? p2v_err_set(win->in->err, r, "%s", why.text) : 0;
}

static int add_set(struct windows *win, uint32_t number)
{
	char name[32];

	snprintf(name, sizeof(name), "ControlSet%03u", number % 1000);
	if (!number || !guest_hive_has_key(win->system, name))
		return 0;
	for (size_t i = 0; i < win->w->n_sets; i++)
		if (strcmp(win->w->sets[i], name) == 0)
			return 0;
	return inspect_add_str(win->in, &win->w->sets, &win->w->n_sets, name);
}

/* The loader takes Default, or LastKnownGood where it is told to; Current was used last. */
static int find_sets(struct windows *win)
{
	static const char *const values[] = {"Current", "Default", "LastKnownGood"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(values); i++)
		r = add_set(win, windows_u32(win, win->system, "Select", values[i], 0));
	if (r < 0)
		return r;
	if (!win->w->n_sets)
		return p2v_err_set(win->in->err, P2V_EFORMAT,
			"%s/System32/config/SYSTEM: has no control set: it is no system that "
			"could start",
			win->w->dir);
	win->set = win->w->sets[0];
	return 0;
}

static int run_parts(struct windows *win)
{
	int r = open_hive(win, "SYSTEM", INSPECT_NEEDED, &win->system);

	if (r == 0)
		r = open_hive(win, "SOFTWARE", INSPECT_OPTIONAL, &win->software);
	if (r == 0)
		r = find_sets(win);
	for (size_t i = 0; r == 0 && i < P2V_N(parts); i++)
		r = parts[i](win);
	return r;
}

int inspect_windows(struct guest *g, struct facts *facts, struct facts_os *os, struct p2v_err *err)
{
	struct inspection in = {.g = g, .facts = facts, .os = os, .err = err};
	struct windows win = {.in = &in};
	int r = inspect_set(&in, &os->kind, "windows");

	if (r == 0 && !(win.w = inspect_grow(
				&in, (void **)&os->windows, &os->n_windows, sizeof(*os->windows))))
		r = P2V_ENOMEM;
	if (r == 0)
		r = inspect_windows_dir(g, &win.w->dir, err);
	if (r == 0 && !win.w->dir)
		r = p2v_err_set(err, P2V_ENOTFOUND, "there is no Windows here");
	if (r == 0)
		r = run_parts(&win);
	guest_hive_free(win.system);
	guest_hive_free(win.software);
	return r;
}
