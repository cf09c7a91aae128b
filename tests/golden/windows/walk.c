/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A directory that poses as a Windows is inspected, planned and changed, as p2v convert would.
 *
 *	walk ROOT TOP [MEDIA [DIGEST]]
 *
 * TOP holds storage.json and machine.json (tests/images/windows/windows.py --nouns), and gets
 * facts.json, plan.json, plan.txt, changes.json and changes/. MEDIA: where the drivers are. Exit
 * code 0: changed; 3: the plan says why not; 1: an error, in one line. Planning twice gives the
 * same.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/apply/apply.h"
#include "converters/inspect/windows.h"
#include "converters/plan/plan.h"
#include "p2v/cli/windows-media.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

enum { DONE = 0, FAILED = 1, MISUSED = 2, REFUSED = 3 };

struct walk {
	const char *root, *top;
	struct guest *g;
	struct catalog_media *media;
	struct facts facts;
	struct machine machine;
	struct target target;
	struct plan plan;
	struct changes changes;
};

static int inspect(struct walk *w, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(w->top, "storage.json");
	const char *device = "/dev/sda1";
	uint64_t largest = 0;
	struct facts_os *os;
	int r = model_facts_load(path, &w->facts, err);

	if (r < 0)
		return r;
	/* Windows is on the largest one. */
	for (size_t i = 0; i < w->facts.n_filesystems; i++)
		if (w->facts.filesystems[i].size_bytes > largest) {
			largest = w->facts.filesystems[i].size_bytes;
			device = w->facts.filesystems[i].device;
		}
	os = p2v_json_grow((void **)&w->facts.systems, &w->facts.n_systems, sizeof(*os));
	os->root = strdup(device);
	os->root_subvolume = strdup("");
	r = inspect_windows(w->g, &w->facts, os, err);
	return r < 0 ? r : model_facts_save(&w->facts, w->top, "facts.json", err);
}

static int same_again(struct walk *w, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf first = {0}, second = {0};
	struct plan again = {0};
	int r = plan_make(&w->facts, &w->machine, &w->target, &again, err);

	if (r == 0)
		r = p2v_json_encode(&model_plan_type, &w->plan, true, &first, err);
	if (r == 0)
		r = p2v_json_encode(&model_plan_type, &again, true, &second, err);
	model_plan_finish(&again);
	if (r == 0 && (first.len != second.len || memcmp(first.data, second.data, first.len) != 0))
		r = p2v_err_set(err, P2V_EINVAL, "planning twice gives two plans");
	return r;
}

static int plan(struct walk *w, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(w->top, "machine.json");
	p2v_autobuf struct p2v_buf text = {0};
	int r = model_machine_load(path, &w->machine, err);

	if (r == 0)
		r = plan_target_find("kvm", &w->target, err);
	if (r == 0)
		r = cli_media_offer(w->media, &w->facts, &w->target, err);
	if (r == 0)
		r = plan_make(&w->facts, &w->machine, &w->target, &w->plan, err);
	if (r == 0)
		r = same_again(w, err);
	if (r == 0)
		r = model_plan_save(&w->plan, w->top, "plan.json", err);
	if (r == 0)
		r = plan_print(&w->plan, &text, err);
	return r < 0 ? r : p2v_publish_bytes(w->top, "plan.txt", text.data, text.len, 0644, err);
}

static int change(struct walk *w, struct p2v_err *err)
{
	p2v_autofree char *dir = p2v_path_join(w->top, "changes");
	int r = p2v_dir_make(dir, 0755, err);

	if (r == 0)
		r = apply_run(w->g, &w->plan, w->media, dir, NULL, &w->changes, err);
	return r < 0 ? r : model_changes_save(&w->changes, w->top, "changes.json", err);
}

static int walk(struct walk *w, const char *media, const char *digest, struct p2v_err *err)
{
	int r = media ? cli_media_open(media, digest, &w->media, err) : 0;

	if (r == 0)
		r = guest_open_dir(w->root, true, &w->g, err);
	if (r == 0)
		r = inspect(w, err);
	if (r == 0)
		r = plan(w, err);
	if (r == 0 && !w->plan.n_blockers)
		r = change(w, err);
	return r;
}

static void finish(struct walk *w)
{
	guest_free(w->g);
	catalog_media_free(w->media);
	model_facts_finish(&w->facts);
	model_machine_finish(&w->machine);
	model_target_finish(&w->target);
	model_plan_finish(&w->plan);
	model_changes_finish(&w->changes);
}

int main(int argc, char **argv)
{
	struct walk w = {0};
	struct p2v_err err = {0};
	int code;

	if (argc < 3)
		return MISUSED;
	w.root = argv[1];
	w.top = argv[2];
	code = walk(&w, argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL, &err) < 0 ? FAILED
	       : w.plan.n_blockers							? REFUSED
											: DONE;
	for (size_t i = 0; i < w.plan.n_blockers; i++)
		fprintf(stderr, "%s\n", w.plan.blockers[i]);
	if (code == FAILED)
		fprintf(stderr, "%s\n", err.text);
	finish(&w);
	return code;
}
