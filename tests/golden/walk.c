/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A guest that was made is inspected, and converted. */

#include <string.h>

#include "converters/apply/apply.h"
#include "converters/inspect/inspection.h"
#include "converters/plan/plan.h"
#include "golden.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* The nearest case that says something of it. */
static const struct facts *storage_of(const struct golden_scene *scene)
{
	size_t at = 0;

	while (at + 1 < scene->n && !scene->cases[at].storage.version)
		at++;
	return &scene->cases[at].storage;
}

const struct machine *golden_machine(const struct golden_scene *scene)
{
	size_t at = 0;

	while (at + 1 < scene->n && !scene->cases[at].machine.version)
		at++;
	return &scene->cases[at].machine;
}

int golden_inspect(struct guest *g, const struct golden_scene *scene, struct facts *ret)
{
	const char *root = NULL, *subvolume = NULL;
	p2v_autobuf struct p2v_buf text = {0};
	struct facts_os *os;

	for (size_t i = scene->n; i-- > 0;) {
		root = scene->cases[i].root ? scene->cases[i].root : root;
		subvolume = scene->cases[i].subvolume ? scene->cases[i].subvolume : subvolume;
	}
	/* A copy, by way of text. */
	golden_need(
		p2v_json_encode(&model_facts_type, storage_of(scene), false, &text, &golden_err),
		"storage");
	golden_need(model_facts_decode(text.data, text.len, ret, &golden_err), "storage");
	os = p2v_json_grow((void **)&ret->systems, &ret->n_systems, sizeof(*os));
	os->root = strdup(root ? root : "/dev/sda1");
	os->root_subvolume = strdup(subvolume ? subvolume : "");
	return inspect_system(g, ret, os, &golden_err);
}

size_t golden_convert(const struct golden_scene *scene, const char *top, const char *root)
{
	p2v_autofree char *changes_dir = p2v_path_join(top, "changes");
	p2v_auto_target struct target target = {0};
	p2v_auto_facts struct facts facts = {0};
	p2v_auto_plan struct plan plan = {0};
	p2v_auto_changes struct changes changes = {0};
	struct guest *g;

	golden_need(p2v_dir_make(changes_dir, 0755, &golden_err), changes_dir);
	golden_need(guest_open_dir(root, true, &g, &golden_err), root);
	golden_need(golden_inspect(g, scene, &facts), "inspect");
	golden_need(plan_target_find("kvm", &target, &golden_err), "target");
	golden_need(plan_make(&facts, golden_machine(scene), &target, &plan, &golden_err), "plan");
	golden_need(apply_run(g, &plan, NULL, changes_dir, NULL, &changes, &golden_err), "apply");
	golden_need(guest_close(g, &golden_err), "close");
	return changes.n_changes;
}
