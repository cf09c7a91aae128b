/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v convert: makes a virtual machine of a physical machine's disks.
 *
 *	image.json -> overlays -> facts -> plan -> changes -> output
 *
 * All that is written goes to overlays in the job directory until emit; a conversion that fails or
 * is killed is simply done again. The guest's code is never run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "converters/apply/apply.h"
#include "converters/emit/disk.h"
#include "converters/emit/emit.h"
#include "converters/emit/place.h"
#include "converters/inspect/inspect.h"
#include "converters/plan/plan.h"
#include "p2v/cli/door.h"
#include "p2v/cli/given.h"
#include "p2v/cli/ordered.h"
#include "p2v/cli/print.h"
#include "p2v/cli/verb.h"
#include "p2v/cli/windows-media.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/progress.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/store/jobdir.h"

struct convert_opts {
	const char *out, *machine, *format, *target, *root, *input_format, *progress, *only;
	const char *virtio_win, *virtio_win_digest;
	bool dry_run, json, undo, again;
	const char **disks;
	size_t n_disks;
	const char **keys;
	size_t n_keys;
	const char **to;
	size_t n_to;
};

/* All of it, or one step alone (--only). */
enum step { STEP_ALL, STEP_PLAN, STEP_CHANGES, STEP_OUTPUT };

/* Everything that one conversion holds. */
struct conversion {
	const struct convert_opts *o;
	enum step step;
	bool keep_overlays; /* the next step needs them */
	struct p2v_progress *progress;
	int lock_fd;
	struct orders orders; /* of the job directory */
	struct target target;
	struct catalog_media *media; /* with drivers for Windows, or NULL */
	struct image image;
	struct machine machine;
	bool machine_known;
	char **overlays; /* image.n_disks of them, or NULL */
	struct guest *guest;
	uint64_t launch_ms; /* of the appliance */
	struct facts facts;
	struct plan plan;
	struct changes changes;
	struct output output;
};

static void conversion_finish(struct conversion *c)
{
	guest_free(c->guest);
	for (size_t i = 0; c->overlays && i < c->image.n_disks; i++) {
		if (c->overlays[i] && !c->keep_overlays)
			unlink(c->overlays[i]);
		free(c->overlays[i]);
	}
	free(c->overlays);
	catalog_media_free(c->media);
	model_orders_finish(&c->orders);
	model_target_finish(&c->target);
	model_image_finish(&c->image);
	model_machine_finish(&c->machine);
	model_facts_finish(&c->facts);
	model_plan_finish(&c->plan);
	model_changes_finish(&c->changes);
	model_output_finish(&c->output);
	if (c->lock_fd >= 0)
		close(c->lock_fd);
}

/* A job directory belongs to its disks: naming them again after a failure is fine, others are not.
 */
static int check_same_disks(const struct conversion *c, struct p2v_err *err)
{
	p2v_auto_image struct image there = {0};
	bool same, owned = false;
	int r = cli_given_job(c->o->out, &there, err);

	if (r == P2V_ENOTFOUND && c->o->again)
		return 0;
	if (r < 0)
		return r;
	same = there.n_disks == c->image.n_disks;
	for (size_t i = 0; i < there.n_disks; i++) {
		owned = owned || there.disks[i].owned;
		same = same && strcmp(there.disks[i].path, c->image.disks[i].path) == 0;
	}
	if (same || (c->o->again && !owned))
		return 0;
	return p2v_err_set(err, P2V_EREFUSED,
		"%s: holds the disks of another machine: leave out DISK to convert those, or name "
		"another "
		"directory",
		c->o->out);
}

/* The disks: those named, else those of the job directory. Named ones become its image.json. */
static int find_image(struct conversion *c, struct p2v_err *err)
{
	const struct convert_opts *o = c->o;
	p2v_autofree char *mine = o->out ? p2v_path_join(o->out, STORE_IMAGE) : NULL;
	int r;

	if (o->n_disks == 0)
		return o->out ? cli_given_job(o->out, &c->image, err)
			      : p2v_err_set(err, P2V_EINVAL,
					"no disk is named, and no job directory (-o DIR) to take "
					"it "
					"from; see 'p2v convert --help'");
	r = cli_given(o->disks, o->n_disks, o->input_format, &c->image, err);
	if (r < 0 || o->dry_run || !p2v_file_exists(mine))
		return r;
	return check_same_disks(c, err);
}

/* --machine, else the job directory's machine.json, else unknown until the facts are there. */
static int find_machine(struct conversion *c, struct p2v_err *err)
{
	p2v_autofree char *mine = c->o->out ? p2v_path_join(c->o->out, STORE_MACHINE) : NULL;
	const char *path = c->o->machine ? c->o->machine : mine;
	int r;

	if (!c->o->machine && (!mine || !p2v_file_exists(mine)))
		return 0;
	r = model_machine_load(path, &c->machine, err);
	if (r < 0)
		return r;
	c->machine_known = true;
	/* A given disk need not show its sectors' size. */
	for (size_t i = 0; i < c->image.n_disks && i < c->machine.n_disks; i++)
		if (c->machine.disks[i].logical_sector_bytes == 4096)
			c->image.disks[i].logical_sector_bytes = 4096;
	free(c->image.name);
	c->image.name = strdup(c->machine.name);
	return c->image.name ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int make_overlay(const struct image_disk *disk, const char *overlay, struct p2v_err *err)
{
	const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-F", disk->format,
		"-b", disk->path, overlay, NULL};

	unlink(overlay);
	return p2v_proc_run(argv, NULL, 0, 60000, NULL, err);
}

/* Names them, and makes them where they are not to be there already. */
static int find_overlays(struct conversion *c, bool make, struct p2v_err *err)
{
	p2v_autofree char *named = p2v_path_join(c->o->out, STORE_WORK_DIR), *work = NULL;
	int r = p2v_dir_make(named, 0700, err);

	if (r < 0)
		return r;
	/* Absolute: the overlays are named to tools that run elsewhere. */
	work = realpath(named, NULL);
	if (!work)
		return p2v_err_errno(err, errno, "%s", named);
	c->overlays = calloc(c->image.n_disks, sizeof(*c->overlays));
	for (size_t i = 0; c->overlays && i < c->image.n_disks; i++) {
		p2v_autofree char *name = p2v_strf("%s.overlay.qcow2", c->image.disks[i].id);

		c->overlays[i] = p2v_path_join(work, name);
		r = make ? make_overlay(&c->image.disks[i], c->overlays[i], err) : 0;
		if (r < 0)
			return r;
	}
	return c->overlays ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* The command line's word, else that of the orders; or NULL. */
static const char *asked(const char *here, const char *ordered)
{
	return here ? here : ordered;
}

/* Before anything starts: what was named has to be there. */
static int find_media(struct conversion *c, struct p2v_err *err)
{
	const struct orders *o = &c->orders;
	int r;

	if (c->o->virtio_win)
		return cli_media_open(c->o->virtio_win, c->o->virtio_win_digest, &c->media, err);
	if (!o->virtio_win)
		return 0;
	r = cli_media_open(o->virtio_win, o->virtio_win_digest, &c->media, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", STORE_ORDERS) : 0;
}

/* What is asked for. */
static int find_target(struct conversion *c, struct p2v_err *err)
{
	const char *name = asked(c->o->target, c->orders.target);
	const char *format = asked(c->o->format, c->orders.format);
	const char *root = asked(c->o->root, c->orders.root);
	struct target *ret = &c->target;
	int r = plan_target_find(name ? name : "kvm", ret, err);

	if (r < 0)
		return r;
	if (format && !emit_format_find(format))
		return p2v_err_set(err, P2V_EINVAL,
			"%s: '%s' is not a format that can be written: qcow2, raw, vmdk, "
			"vhdx and vdi are",
			c->o->format ? "--format" : STORE_ORDERS, format);
	if (format) {
		free(ret->format);
		ret->format = strdup(format);
	}
	if (root)
		ret->root = strdup(root);
	return c->step == STEP_OUTPUT ? 0 : find_media(c, err);
}

static bool has_windows(const struct facts *facts)
{
	for (size_t i = 0; i < facts->n_systems; i++)
		if (facts->systems[i].n_windows)
			return true;
	return false;
}

static int find_drivers(struct conversion *c, struct p2v_err *err)
{
	int r = 0;

	if (!c->media && has_windows(&c->facts))
		r = cli_media_open(NULL, NULL, &c->media, err);
	return r < 0 ? r : cli_media_offer(c->media, &c->facts, &c->target, err);
}

static int door_open(struct conversion *c, struct p2v_err *err)
{
	bool here = c->o->n_keys != 0;
	const char *const *keys = here ? c->o->keys : (const char *const *)c->orders.keys;

	return cli_door_open(&c->image, c->overlays, keys, here ? c->o->n_keys : c->orders.n_keys,
		&c->guest, err);
}

static int inspect_and_plan(struct conversion *c, struct p2v_err *err)
{
	uint64_t start = p2v_now_ms();
	int r;

	p2v_progress_start(c->progress, "starting the appliance", "steps", 0);
	r = door_open(c, err);
	c->launch_ms = p2v_now_ms() - start;
	if (r == 0) {
		p2v_progress_start(c->progress, "inspecting", "steps", 0);
		r = inspect_run(
			c->guest, &c->image, c->machine_known ? &c->machine : NULL, &c->facts, err);
	}
	if (r == 0 && !c->machine_known)
		r = plan_machine_default(&c->facts, &c->image, c->target.root, &c->machine, err);
	if (r == 0) {
		cli_ordered_machine(&c->orders, &c->machine);
		r = find_drivers(c, err);
	}
	if (r == 0)
		r = plan_make(&c->facts, &c->machine, &c->target, &c->plan, err);
	if (r == 0)
		r = cli_ordered_wires(&c->orders, &c->plan, err);
	if (r == 0)
		r = cli_ordered_places(&c->orders, &c->plan, err);
	return r < 0 ? r : cli_named_places(c->o->to, c->o->n_to, &c->plan, err);
}

static int refuse_blocked(const struct plan *plan, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf why = {0};

	if (!plan->n_blockers)
		return 0;
	for (size_t i = 0; i < plan->n_blockers; i++)
		p2v_buf_addf(&why, "%s%s", i ? "; " : "", plan->blockers[i]);
	p2v_buf_add_str(&why, "");
	return p2v_err_set(
		err, P2V_EREFUSED, "%s: %s", plan->name, why.failed ? "" : (char *)why.data);
}

static int print_plan(struct conversion *c, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	int r;

	if (c->o->json)
		return cli_print_json(&model_plan_type, &c->plan, err);
	r = cli_make_printable(&model_plan_type, &c->plan, err);
	if (r == 0)
		r = plan_print(&c->plan, &out, err);
	if (r < 0)
		return r;
	cli_print_text(out.data, out.len);
	return 0;
}

static int save_facts_and_plan(const struct conversion *c, struct p2v_err *err)
{
	int r = model_facts_save(&c->facts, c->o->out, STORE_FACTS, err);

	/* A machine that was named belongs to the job from now on: prove reads it, too. */
	if (r == 0 && c->o->machine)
		r = model_machine_save(&c->machine, c->o->out, STORE_MACHINE, err);
	return r < 0 ? r : model_plan_save(&c->plan, c->o->out, STORE_PLAN, err);
}

/* changes.json says that they hold the changes: after a loss of power, too. */
static int sync_overlays(const struct conversion *c, struct p2v_err *err)
{
	for (size_t i = 0; i < c->image.n_disks; i++) {
		p2v_autoclose int fd = open(c->overlays[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || fsync(fd) < 0)
			return p2v_err_errno(err, errno, "%s: sync", c->overlays[i]);
	}
	return 0;
}

static int apply(struct conversion *c, struct p2v_err *err)
{
	p2v_autofree char *diffs = p2v_path_join(c->o->out, STORE_CHANGES_DIR);
	struct guest *g;
	int r = p2v_dir_make(diffs, 0700, err);

	if (r == 0)
		r = apply_run(c->guest, &c->plan, c->media, diffs, c->progress, &c->changes, err);
	g = p2v_steal(c->guest);
	if (r < 0) {
		guest_free(g);
		return r;
	}
	c->changes.launch_ms = c->launch_ms;
	r = guest_close(g, err);
	if (r == 0)
		r = sync_overlays(c, err);
	return r < 0 ? r : model_changes_save(&c->changes, c->o->out, STORE_CHANGES, err);
}

static int emit(struct conversion *c, struct p2v_err *err)
{
	struct emit_request request = {
		.dir = c->o->out,
		.image = &c->image,
		.overlays = (const char *const *)c->overlays,
		.plan = &c->plan,
		.machine = &c->machine,
		.progress = c->progress,
	};

	return emit_run(&request, &c->output, err);
}

static void say_disk(const struct conversion *c, const char *path, struct p2v_buf *out)
{
	p2v_autofree char *file = emit_place_file(c->o->out, path);

	p2v_buf_addf(out, "disk     %s\n", file ? file : "");
}

static int say_done(struct conversion *c, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	char took[P2V_NUM_TEXT];

	if (cli_make_printable(&model_changes_type, &c->changes, err) < 0 ||
		cli_make_printable(&model_plan_type, &c->plan, err) < 0)
		return P2V_ENOMEM;
	p2v_buf_addf(&out, "%s: %zu changes in the guest, made in %s\n", c->output.name,
		c->changes.n_changes, p2v_num_ms_text(c->changes.duration_ms, took));
	for (size_t i = 0; i < c->changes.n_changes; i++)
		p2v_buf_addf(&out, "  %-8s %s\n           %s\n", c->changes.changes[i].action,
			c->changes.changes[i].path, c->changes.changes[i].reason);
	if (c->plan.media)
		p2v_buf_addf(&out, "drivers  %s\n", c->plan.media);
	for (size_t i = 0; i < c->plan.n_warnings; i++)
		p2v_buf_addf(&out, "warning: %s\n", c->plan.warnings[i]);
	for (size_t i = 0; i < c->output.n_disks; i++)
		say_disk(c, c->output.disks[i].path, &out);
	p2v_buf_addf(&out, "domain   %s/%s\nstart    %s/%s\nprove it with: p2v prove %s\n",
		c->o->out, c->output.domain_xml, c->o->out, c->output.start_script, c->o->out);
	if (p2v_buf_check(&out, err) < 0)
		return P2V_ENOMEM;
	cli_print_text(out.data, out.len);
	return 0;
}

/* Somebody may have read and approved the plan that is there: no other one is carried out. */
static int check_same_plan(const struct conversion *c, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(c->o->out, STORE_PLAN);
	p2v_autobuf struct p2v_buf old = {0}, new = {0};
	p2v_auto_plan struct plan plan = {0};
	int r;

	if (c->step != STEP_CHANGES || !p2v_file_exists(path))
		return 0;
	r = model_plan_load(path, &plan, err);
	if (r == 0)
		r = p2v_json_encode(&model_plan_type, &plan, false, &old, err);
	if (r == 0)
		r = p2v_json_encode(&model_plan_type, &c->plan, false, &new, err);
	if (r == 0 && (old.len != new.len || memcmp(old.data, new.data, old.len) != 0))
		r = p2v_err_set(err, P2V_EREFUSED,
			"%s: what would be done now is not what the plan there says: make it anew "
			"with --only plan",
			path);
	return r;
}

static int print_step(struct conversion *c, struct p2v_err *err)
{
	if (c->step == STEP_PLAN)
		return print_plan(c, err);
	if (c->o->json)
		return c->step == STEP_CHANGES
			       ? cli_print_json(&model_changes_type, &c->changes, err)
			       : cli_print_json(&model_output_type, &c->output, err);
	return c->step == STEP_CHANGES ? 0 : say_done(c, err);
}

static int convert_for_real(struct conversion *c, struct p2v_err *err)
{
	int r = check_same_plan(c, err);

	if (r == 0)
		r = save_facts_and_plan(c, err);
	if (r == 0)
		r = refuse_blocked(&c->plan, err);
	if (r == 0)
		r = p2v_stop_check(err);
	if (r == 0 && c->step != STEP_PLAN)
		r = apply(c, err);
	c->keep_overlays = r == 0 && c->step == STEP_CHANGES;
	if (r == 0)
		r = p2v_stop_check(err);
	if (r == 0 && c->step == STEP_ALL)
		r = emit(c, err);
	p2v_progress_end(c->progress);
	return r < 0 ? r : print_step(c, err);
}

/* The last step, from what the others left in the job directory. */
static int emit_alone(struct conversion *c, struct p2v_err *err)
{
	p2v_autofree char *facts = p2v_path_join(c->o->out, STORE_FACTS);
	p2v_autofree char *plan = p2v_path_join(c->o->out, STORE_PLAN);
	p2v_autofree char *changes = p2v_path_join(c->o->out, STORE_CHANGES);
	int r;

	if (!changes || !p2v_file_exists(changes))
		return p2v_err_set(err, P2V_ENOTFOUND,
			"%s: has no changes.json: --only changes makes it", c->o->out);
	/* Whatever happens: what is in them is nowhere else. */
	c->keep_overlays = true;
	r = find_overlays(c, false, err);
	if (r == 0)
		r = model_facts_load(facts, &c->facts, err);
	if (r == 0)
		r = model_plan_load(plan, &c->plan, err);
	if (r == 0)
		r = model_changes_load(changes, &c->changes, err);
	if (r == 0 && !c->machine_known)
		r = plan_machine_default(&c->facts, &c->image, c->plan.root, &c->machine, err);
	if (r == 0)
		r = emit(c, err);
	p2v_progress_end(c->progress);
	return r < 0 ? r : print_step(c, err);
}

/* Takes the job directory, and brings it back to where the conversion, or its step, starts. The
 * disks that were named become its image.json. */
static int prepare(struct conversion *c, struct p2v_err *err)
{
	p2v_autofree char *output = p2v_path_join(c->o->out, STORE_OUTPUT);
	p2v_autofree char *image = p2v_path_join(c->o->out, STORE_IMAGE);
	int r;

	if (p2v_file_exists(output) && !c->o->again)
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: is converted already: --again does it anew, --undo brings it back",
			c->o->out);
	r = store_jobdir_open(c->o->out, &c->lock_fd, err);
	if (r == 0 && p2v_file_exists(image) && c->step != STEP_OUTPUT)
		r = emit_undo(
			c->o->out, c->step == STEP_CHANGES ? STORE_CHANGES : STORE_FACTS, err);
	if (r == 0 && c->o->n_disks)
		r = model_image_save(&c->image, c->o->out, STORE_IMAGE, err);
	return r;
}

static int find_step(const struct convert_opts *o, enum step *ret, struct p2v_err *err)
{
	static const char *const words[] = {[STEP_PLAN] = "plan", "changes", "output"};

	if (!o->only)
		return 0;
	if (o->dry_run)
		return p2v_err_set(err, P2V_EINVAL, "--only and --dry-run do not go together");
	for (size_t i = STEP_PLAN; i < P2V_N(words); i++)
		if (strcmp(o->only, words[i]) == 0) {
			*ret = (enum step)i;
			return 0;
		}
	return p2v_err_set(
		err, P2V_EINVAL, "--only: '%s' is no step: plan, changes and output are", o->only);
}

static int convert(struct conversion *c, struct p2v_err *err)
{
	int r;

	if (!c->o->out && !c->o->dry_run)
		return p2v_err_set(err, P2V_EINVAL,
			"no job directory: say -o DIR, or --dry-run; see 'p2v convert --help'");
	r = find_step(c->o, &c->step, err);
	if (r == 0)
		r = cli_ordered_load(c->o->out, &c->orders, err);
	if (r == 0)
		r = find_target(c, err);
	if (r == 0)
		r = find_image(c, err);
	if (r == 0)
		r = find_machine(c, err);
	if (r == 0 && !c->o->dry_run)
		r = prepare(c, err);
	/* Only now: image.json names all that came. */
	if (r == 0)
		r = cli_ordered_disks(&c->orders, &c->image, err);
	if (r == 0 && c->step == STEP_OUTPUT)
		return emit_alone(c, err);
	if (r == 0 && !c->o->dry_run)
		r = find_overlays(c, true, err);
	if (r == 0)
		r = inspect_and_plan(c, err);
	if (r < 0)
		return r;
	if (!c->o->dry_run)
		return convert_for_real(c, err);
	p2v_progress_end(c->progress);
	r = print_plan(c, err);
	return r < 0 ? r : refuse_blocked(&c->plan, err);
}

static int undo(const struct convert_opts *o, struct p2v_err *err)
{
	p2v_autoclose int lock = -1;
	int r;

	if (o->n_disks != 1 || o->out)
		return p2v_err_set(err, P2V_EINVAL,
			"--undo takes one job directory; see 'p2v convert --help'");
	if (!p2v_file_exists(o->disks[0]))
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: is not there", o->disks[0]);
	r = store_jobdir_open(o->disks[0], &lock, err);
	return r < 0 ? r : emit_undo(o->disks[0], STORE_FACTS, err);
}

#define OPT(long_name, letter, arg, kind, member, help)                                            \
	{                                                                                          \
		long_name, letter, arg, kind, offsetof(struct convert_opts, member), 0, help       \
	}

static const struct p2v_opt convert_opts[] = {
	OPT("output", 'o', "DIR", P2V_OPT_STR, out,
		"The job directory: made where it is missing. Without DISK, the disks that "
		"p2v-recv or an "
		"earlier run left in it are converted."),
	OPT("dry-run", 'n', NULL, P2V_OPT_FLAG, dry_run,
		"Only say what would be done and why. Nothing is written."),
	OPT("machine", 0, "FILE", P2V_OPT_STR, machine,
		"The physical machine's inventory (machine.json), where the job directory has "
		"none: memory, "
		"firmware, network cards."),
	OPT("format", 0, "FORMAT", P2V_OPT_STR, format,
		"The output disks' format: qcow2 (default), raw, vmdk, vhdx or vdi."),
	{"to", 0, "DISK=PLACE", P2V_OPT_STRS, offsetof(struct convert_opts, to),
		offsetof(struct convert_opts, n_to),
		"Where the converted disk0, disk1, ... goes instead of into DIR/output: a block "
		"device (/dev/vg0/web01), nbd://HOST[:PORT]/EXPORT, "
		"nbd+unix:///EXPORT?socket=PATH or rbd:POOL/IMAGE. It has to be there, large "
		"enough and unused; all of it that the disk needs is overwritten, and --undo does "
		"not bring back what was there. rbd: takes the host's own ceph.conf, or "
		"CEPH_CONF's."},
	OPT("target", 0, "TARGET", P2V_OPT_STR, target, "Where it will run: kvm (default)."),
	OPT("root", 0, "DEV", P2V_OPT_STR, root,
		"The root file system of the system to convert, where there are several; p2v "
		"inspect lists "
		"them."),
	{"key", 0, CLI_KEY_ARG, P2V_OPT_STRS, offsetof(struct convert_opts, keys),
		offsetof(struct convert_opts, n_keys), CLI_KEY_HELP},
	OPT("virtio-win", 0, CLI_MEDIA_ARG, P2V_OPT_STR, virtio_win, CLI_MEDIA_HELP),
	OPT("virtio-win-digest", 0, CLI_MEDIA_DIGEST_ARG, P2V_OPT_STR, virtio_win_digest,
		CLI_MEDIA_DIGEST_HELP),
	OPT("input-format", 0, "FORMAT", P2V_OPT_STR, input_format,
		"The format of DISK (raw, qcow2, vmdk, ...) instead of finding it out."),
	OPT("only", 0, "STEP", P2V_OPT_STR, only,
		"Do one step alone: plan (inspect, and say what is to be done), changes (do it, as "
		"plan.json says), output (hand over what is changed). This is how p2vd(8) works: "
		"between the steps a person can look."),
	OPT("again", 0, NULL, P2V_OPT_FLAG, again, "Do it anew where it is done already."),
	OPT("undo", 0, NULL, P2V_OPT_FLAG, undo,
		"Bring the job directory DIR back to the disks as they were received."),
	OPT("json", 0, NULL, P2V_OPT_FLAG, json, "Print output.json, or with --dry-run plan.json."),
	OPT("progress", 0, "MODE", P2V_OPT_STR, progress, "auto, json or none."),
	P2V_OPT_END,
};

static const struct p2v_cmd convert_cmd = {
	.name = "p2v convert",
	.operands = "[DISK...] -o DIR | --undo DIR",
	.max_operands = -1,
	.summary = "make a virtual machine of a physical machine's disks",
	.text = "DISK is a file or block device in any format that QEMU reads; it is never "
		"written. All "
		"disks of one machine are named together, in the machine's order. That a disk's "
		"sectors have 4096 bytes a block device says itself, and a raw file by its "
		"partition table; of any other image the inventory must say it (--machine).\n\n"
		"The guest's boot loader, initramfs, device names and network are made to fit "
		"virtual "
		"hardware inside the libguestfs appliance; none of the guest's own programs is "
		"run. What "
		"is changed is recorded as it is written: DIR/changes.json lists each file, "
		"DIR/changes "
		"has a diff for each text file. DIR/orders.json, where a runbook or a person left "
		"one, says what is wanted: target, format, root, memory, processors, disks to "
		"leave out, keys, the medium with drivers for Windows, where network cards and "
		"disks "
		"lead; the options here go before it. "
		"DIR/output holds the disks, a libvirt domain and a "
		"QEMU "
		"start script.\n\n"
		"Linux: what a server is made of decides, not its distribution's name. A unified "
		"kernel image is changed inside, and is not signed any more then; under Secure "
		"Boot it stays as it was. LILO is left as it is, and gets disks that are called "
		"as it wants them. Boot loaders and initramfs of other kinds are left alone, and "
		"the disks are emulated where these have a driver for that; else it is refused, "
		"with what to do. Every installed kernel counts, but for those that cannot start: "
		"they are named.\n\n"
		"Windows: name a medium with virtio drivers (--virtio-win). The driver of its disk "
		"is put into its registry and file system; what only Windows itself can do waits "
		"in %SystemRoot%\\p2v for its first start: a service runs firstboot.cmd there "
		"once, which installs the drivers with pnputil, gives static addresses to the new "
		"cards (found by their MAC), installs the balloon service and the guest agent, "
		"takes itself away and leaves firstboot.log. It restarts Windows at most twice. "
		"The event log has errors 7000 and 7009 of that service (p2v-firstboot), which is "
		"a script and no service. XP and Server 2003 find the drivers by DevicePath. "
		"IPv6 addresses, the default route, name servers, WINS servers and the DNS suffix "
		"that were set by hand come with them. Not carried over: other routes of IPv6 "
		"(they are named), and network teams as such (their addresses go to the card with "
		"the team's MAC). BitLocker is "
		"opened with the recovery key (--key), which no test has a volume for.\n\n"
		"Exit codes: 0 converted, 1 failed, 2 misuse, 3 refused: the guest cannot be "
		"converted, or "
		"DIR holds something already. A conversion that failed or was killed leaves "
		"nothing behind "
		"and can be started again.",
	.opts = convert_opts,
	.operands_offset = offsetof(struct convert_opts, disks),
	.n_operands_offset = offsetof(struct convert_opts, n_disks),
	.see_also = "p2v(1), p2v-inspect(1), p2v-prove(1)",
};

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct convert_opts o = {0};
	struct conversion c = {.o = &o, .lock_fd = -1};
	enum p2v_progress_mode mode;
	int r = p2v_opt_parse(&convert_cmd, argc, argv, &o, err);

	if (r == 0)
		r = p2v_progress_mode_parse(o.progress, &mode, err);
	if (r == 0) {
		c.progress = p2v_progress_new(mode);
		r = o.undo ? undo(&o, err) : convert(&c, err);
	}
	conversion_finish(&c);
	p2v_progress_free(c.progress);
	p2v_opt_free(&convert_cmd, &o);
	return r;
}

const struct verb cli_convert = {"convert", &convert_cmd, run};
