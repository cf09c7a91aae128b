/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Golden cases: a directory that poses as a guest is inspected, planned and changed, and what comes
 * out is compared with what the case expects. README says what a case is made of.
 *
 *	golden DIR [PREFIX]           compare all cases of DIR (whose names begin so): TAP
 *	golden DIR PREFIX --update    write what they give (read the difference before committing)
 *
 * Beside the comparison: planning twice gives the same bytes, the plan that follows from the
 *changed guest has no step, and what must stay does (keeps.c).
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "converters/apply/apply.h"
#include "converters/plan/plan.h"
#include "golden.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/guest/guest.h"

static bool update;
static int failures;

static void inspect_dir(struct guest *g, const struct golden_scene *scene, struct facts *facts)
{
	const struct facts_os *os;

	golden_need(golden_inspect(g, scene, facts), "inspect");
	os = &facts->systems[0];
	/* It depends on this program's size. */
	for (size_t i = 0; i < os->n_kernels; i++)
		os->kernels[i].initramfs.size_bytes = 0;
}

static void compare(const char *dir, const char *name, const struct p2v_buf *got)
{
	p2v_autofree char *path = p2v_path_join(dir, name);
	p2v_autobuf struct p2v_buf want = {0};

	if (update) {
		golden_need(p2v_dir_make(dir, 0755, &golden_err), dir);
		golden_need(
			p2v_publish_bytes(dir, name, got->data, got->len, 0644, &golden_err), name);
		return;
	}
	if (p2v_file_read(path, 16 << 20, &want, NULL) == 0 && want.len == got->len &&
		memcmp(want.data, got->data, got->len) == 0)
		return;
	fprintf(stderr, "%s differs; it is now:\n%s\n", path, (char *)got->data);
	failures++;
}

static void encode(const struct p2v_json_type *type, const void *noun, struct p2v_buf *out)
{
	golden_need(p2v_json_encode(type, noun, true, out, &golden_err), type->name);
}

static void compare_noun(
	const char *dir, const char *name, const struct p2v_json_type *type, const void *noun)
{
	p2v_autofree char *expected = p2v_path_join(dir, "expected");
	p2v_autobuf struct p2v_buf text = {0};

	encode(type, noun, &text);
	compare(expected, name, &text);
}

/* What is taken for the machine where there is no inventory. */
static void assume_machine(const struct facts *facts, struct machine *ret)
{
	struct image_disk disks[8] = {{0}};
	struct image image = {.version = 1, .disks = disks};

	for (; image.n_disks < facts->n_disks && image.n_disks < P2V_N(disks); image.n_disks++) {
		const struct facts_disk *from = &facts->disks[image.n_disks];

		disks[image.n_disks] = (struct image_disk){
			.id = from->id, .path = from->device, .size_bytes = from->size_bytes};
	}
	golden_need(plan_machine_default(facts, &image, NULL, ret, &golden_err), "machine");
}

static void make_plan(const struct golden_scene *scene, const struct facts *facts, struct plan *ret)
{
	p2v_autobuf struct p2v_buf first = {0}, second = {0};
	p2v_auto_target struct target target = {0};
	p2v_auto_machine struct machine assumed = {0};
	const struct machine *machine = golden_machine(scene);
	struct plan again = {0};

	if (scene->cases[0].unknown) {
		assume_machine(facts, &assumed);
		machine = &assumed;
	}

	golden_need(plan_target_find("kvm", &target, &golden_err), "target");
	if (scene->cases[0].choice)
		target.root = strdup(scene->cases[0].choice);
	golden_need(plan_make(facts, machine, &target, ret, &golden_err), "plan");
	golden_need(plan_make(facts, machine, &target, &again, &golden_err), "plan");
	encode(&model_plan_type, ret, &first);
	encode(&model_plan_type, &again, &second);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0) {
		fprintf(stderr, "planning twice gives two plans\n");
		failures++;
	}
	model_plan_finish(&again);
}

static void add_plan(const struct plan *plan, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;

	golden_need(plan_print(plan, &text, &golden_err), "print");
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line))
		if (line.n > 80) {
			fprintf(stderr, "the plan has more than 80 columns: %.*s\n", (int)line.n,
				line.p);
			failures++;
		}
	p2v_buf_addf(out, "\ngrade    %s\n", model_grade_words[plan->grade]);
	p2v_buf_add(out, text.data, text.len);
}

/* Digests and sizes of what depmod had a part in are the host's. */
static void blind(struct changes *changes)
{
	changes->duration_ms = 0;
	for (size_t i = 0; i < changes->n_changes; i++) {
		struct change *c = &changes->changes[i];

		if (strcmp(c->kind, "binary") != 0)
			continue;
		free(c->before_digest);
		free(c->after_digest);
		free(c->detail);
		c->before_digest = c->after_digest = c->detail = NULL;
		c->before_bytes = c->after_bytes = 0;
	}
}

static void nothing_more(const struct plan *plan, const struct changes *changes)
{
	for (size_t i = 0; i < plan->n_steps; i++) {
		fprintf(stderr, "converted, and planned again: %s %s\n", plan->steps[i].op,
			plan->steps[i].path);
		failures++;
	}
	for (size_t i = 0; i < changes->n_changes; i++) {
		fprintf(stderr, "converted twice, %s changes again\n", changes->changes[i].path);
		failures++;
	}
}

struct walked {
	struct facts facts;
	struct plan plan;
	struct changes changes;
};

static void walk(
	const struct golden_scene *scene, const char *top, const char *root, struct walked *ret)
{
	p2v_autofree char *changes_dir = p2v_path_join(top, "changes");
	struct guest *g;

	golden_need(p2v_dir_make(changes_dir, 0755, &golden_err), changes_dir);
	golden_need(guest_open_dir(root, true, &g, &golden_err), root);
	inspect_dir(g, scene, &ret->facts);
	make_plan(scene, &ret->facts, &ret->plan);
	if (!ret->plan.n_blockers)
		golden_need(apply_run(g, &ret->plan, NULL, changes_dir, NULL, &ret->changes,
				    &golden_err),
			"apply");
	golden_need(guest_close(g, &golden_err), "close");
}

static void walked_finish(struct walked *w)
{
	model_facts_finish(&w->facts);
	model_plan_finish(&w->plan);
	model_changes_finish(&w->changes);
}

static void judge(
	const struct golden_scene *scene, const char *top, const char *root, struct walked *w)
{
	const char *dir = scene->dirs[0];
	p2v_autobuf struct p2v_buf text = {0};

	golden_describe_facts(&w->facts, &text);
	add_plan(&w->plan, &text);
	p2v_buf_add_str(&text, "\n");
	golden_describe_changes(&w->changes, root, top, &text);
	compare(dir, "expected.txt", &text);
	if (!scene->cases[0].nouns)
		return;
	blind(&w->changes);
	compare_noun(dir, "facts.json", &model_facts_type, &w->facts);
	compare_noun(dir, "plan.json", &model_plan_type, &w->plan);
	compare_noun(dir, "changes.json", &model_changes_type, &w->changes);
}

static void run_case(const char *dir)
{
	p2v_autofree char *top = NULL;
	p2v_autofree char *root = NULL;
	struct golden_scene scene;
	struct walked first = {0}, second = {0};

	golden_scene_load(dir, &scene);
	golden_need(p2v_dir_temp("golden", &top, &golden_err), "temp");
	root = p2v_path_join(top, "root");
	golden_make(&scene, root);
	golden_mark(root);
	walk(&scene, top, root, &first);
	failures += golden_kept(root, &first.changes);
	judge(&scene, top, root, &first);
	if (!first.plan.n_blockers) {
		walk(&scene, top, root, &second);
		nothing_more(&second.plan, &second.changes);
	}
	walked_finish(&first);
	walked_finish(&second);
	golden_scene_finish(&scene);
	p2v_dir_remove(top);
}

/* In a process of its own: one that fails ends there. */
static bool passes(const char *dir)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		run_case(dir);
		exit(failures ? 1 : 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static int is_case(const struct dirent *e)
{
	return e->d_name[0] != '.' && !strchr(e->d_name, '.') && strcmp(e->d_name, "README") != 0;
}

int main(int argc, char **argv)
{
	const char *prefix = argc > 2 ? argv[2] : "";
	struct dirent **names = NULL;
	int n, number = 0, failed = 0;

	if (argc < 2)
		return 2;
	golden_begin();
	update = argc > 3 && strcmp(argv[3], "--update") == 0;
	n = scandir(argv[1], &names, is_case, alphasort);
	for (int i = 0; i < n; i++) {
		p2v_autofree char *dir = p2v_path_join(argv[1], names[i]->d_name);
		p2v_autofree char *file = p2v_path_join(dir, "case.json");
		bool wanted = strncmp(names[i]->d_name, prefix, strlen(prefix)) == 0 &&
			      access(file, F_OK) == 0;
		bool ok = wanted && passes(dir);

		if (wanted)
			printf("%s %d - %s\n", ok ? "ok" : "not ok", ++number, names[i]->d_name);
		failed += wanted && !ok;
		free(names[i]);
	}
	free(names);
	printf("1..%d\n", number);
	return failed || !number ? 1 : 0;
}
