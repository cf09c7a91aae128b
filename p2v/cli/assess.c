/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v assess: tells what a migration would do and what it needs, before anything is copied. Reads
 * only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/inspect/inspect.h"
#include "converters/plan/plan.h"
#include "p2v/cli/assessment.h"
#include "p2v/cli/door.h"
#include "p2v/cli/given.h"
#include "p2v/cli/lsblk.h"
#include "p2v/cli/print.h"
#include "p2v/cli/verb.h"
#include "p2v/cli/windows-media.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/progress.h"
#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"

#define LSBLK_MAX_BYTES ((size_t)1 << 20)
#define TOOL_MS		60000

struct assess_opts {
	bool running, json, all;
	const char *tree, *lsblk, *machine, *root, *input_format, *target, *progress;
	const char *virtio_win, *virtio_win_digest;
	const char **disks;
	size_t n_disks;
	const char **keys;
	size_t n_keys;
};

/* Everything that one assessment holds. */
struct assessing {
	const struct assess_opts *o;
	struct p2v_progress *progress;
	struct target target;
	struct catalog_media *media; /* with drivers for Windows, or NULL */
	struct image image;
	struct machine machine;
	bool machine_known;
	struct facts facts;
	struct plan plan;
	struct assessment result;
};

static void assessing_finish(struct assessing *a)
{
	catalog_media_free(a->media);
	model_target_finish(&a->target);
	model_image_finish(&a->image);
	model_machine_finish(&a->machine);
	model_facts_finish(&a->facts);
	model_plan_finish(&a->plan);
	p2v_json_free(&cli_assessment_type, &a->result);
}

static int check_words(const struct assess_opts *o, struct p2v_err *err)
{
	int sources = o->running + (o->tree != NULL) + (o->n_disks > 0);

	if (sources != 1)
		return p2v_err_set(err, P2V_EINVAL,
			"%s: name DISKs, or a job directory, or say --running or --tree DIR; see "
			"'p2v assess --help'",
			sources ? "more than one machine is named" : "no machine is named");
	if (!o->tree != !o->lsblk)
		return p2v_err_set(err, P2V_EINVAL,
			"--tree DIR and --lsblk FILE go together; see 'p2v assess --help'");
	return 0;
}

/* ---- a machine's files ---- */

static int read_lsblk(const struct assess_opts *o, struct p2v_buf *out, struct p2v_err *err)
{
	if (o->lsblk)
		return p2v_file_read(o->lsblk, LSBLK_MAX_BYTES, out, err);
	return p2v_proc_run(cli_lsblk_argv, NULL, 0, TOOL_MS, out, err);
}

static int look_at_files(struct assessing *a, struct p2v_err *err)
{
	const char *dir = a->o->running ? "/" : a->o->tree;
	p2v_autobuf struct p2v_buf text = {0};
	struct guest_storage storage = {0};
	p2v_autofree char *root = NULL;
	struct guest *g = NULL;
	int r = read_lsblk(a->o, &text, err);

	if (r == 0) {
		r = cli_lsblk_parse(p2v_span_of(text.data ? (const char *)text.data : "", text.len),
			&storage, &root, err);
		if (r < 0 && a->o->lsblk)
			p2v_err_wrap(err, r, "%s", a->o->lsblk);
	}
	if (r == 0)
		r = guest_open_dir(dir, false, &g, err);
	if (r == 0)
		r = inspect_tree(g, &storage, root, &a->facts, err);
	guest_free(g);
	guest_storage_finish(&storage);
	return r;
}

/* This machine's own inventory, from the agent where it is installed. */
static int ask_agent(struct assessing *a, struct p2v_err *err)
{
	static const char *const argv[] = {"p2v-agent", "--inventory", NULL};
	p2v_autobuf struct p2v_buf out = {0};
	int r;

	if (!p2v_proc_exists(argv[0]))
		return 0;
	r = p2v_proc_run(argv, NULL, 0, TOOL_MS, &out, err);
	if (r == 0)
		r = model_machine_decode(out.data, out.len, &a->machine, err);
	a->machine_known = r == 0;
	return r < 0 ? p2v_err_wrap(err, r, "p2v-agent --inventory") : 0;
}

/* ---- a machine's disks ---- */

/* --machine, else the job directory's, else this machine's own; where there is none, the facts will
 * have to do. */
static int find_machine(struct assessing *a, struct p2v_err *err)
{
	const struct assess_opts *o = a->o;
	p2v_autofree char *in_job =
		o->n_disks == 1 ? p2v_path_join(o->disks[0], STORE_MACHINE) : NULL;
	const char *path = o->machine			       ? o->machine
			   : in_job && p2v_file_exists(in_job) ? in_job
							       : NULL;
	int r = 0;

	if (path) {
		r = model_machine_load(path, &a->machine, err);
		a->machine_known = r == 0;
	} else if (o->running) {
		r = ask_agent(a, err);
	}
	return r;
}

static int look_at_disks(struct assessing *a, struct p2v_err *err)
{
	const struct assess_opts *o = a->o;
	struct guest *g = NULL;
	int r = cli_given(o->disks, o->n_disks, o->input_format, &a->image, err);

	if (r < 0)
		return r;
	p2v_progress_start(a->progress, "starting the appliance", "steps", 0);
	r = cli_door_open(&a->image, NULL, o->keys, o->n_keys, &g, err);
	if (r == 0) {
		p2v_progress_start(a->progress, "inspecting", "steps", 0);
		r = inspect_run(
			g, &a->image, a->machine_known ? &a->machine : NULL, &a->facts, err);
	}
	guest_free(g);
	p2v_progress_end(a->progress);
	return r;
}

static int make_plan(struct assessing *a, struct p2v_err *err)
{
	int r = plan_target_find(a->o->target ? a->o->target : "kvm", &a->target, err);

	if (r == 0 && a->o->root && !(a->target.root = strdup(a->o->root)))
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0)
		r = cli_media_offer(a->media, &a->facts, &a->target, err);
	return r < 0 ? r : plan_make(&a->facts, &a->machine, &a->target, &a->plan, err);
}

static int say(struct assessing *a, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	int r;

	if (a->o->json)
		return cli_print_json(&cli_assessment_type, &a->result, err);
	r = cli_make_printable(&cli_assessment_type, &a->result, err);
	if (r == 0)
		r = cli_assessment_page(&a->result, a->o->all, &out, err);
	if (r == 0)
		cli_print_text(out.data, out.len);
	return r;
}

static int assess(struct assessing *a, struct p2v_err *err)
{
	bool files_only = a->o->running || a->o->tree;
	struct assess_input in = {.facts = &a->facts,
		.machine = &a->machine,
		.plan = &a->plan,
		.files_only = files_only};
	int r = check_words(a->o, err);

	if (r == 0)
		r = cli_media_open(a->o->virtio_win, a->o->virtio_win_digest, &a->media, err);
	if (r == 0)
		r = find_machine(a, err);
	if (r == 0)
		r = files_only ? look_at_files(a, err) : look_at_disks(a, err);
	if (r == 0 && !a->machine_known)
		r = plan_machine_default(&a->facts, &a->image, a->o->root, &a->machine, err);
	if (r == 0)
		r = make_plan(a, err);
	in.machine_known = a->machine_known;
	if (r == 0)
		r = cli_assessment_make(&in, &a->result, err);
	if (r == 0)
		r = say(a, err);
	return r < 0 ? r : a->result.verdict == ASSESS_BLOCKED ? P2V_EREFUSED : 0;
}

#define OPT(long_name, arg, kind, member, help)                                                    \
	{                                                                                          \
		long_name, 0, arg, kind, offsetof(struct assess_opts, member), 0, help             \
	}

static const struct p2v_opt assess_opts[] = {
	OPT("running", NULL, P2V_OPT_FLAG, running,
		"Assess the machine that this runs on, by its files and lsblk(8); as root."),
	OPT("tree", "DIR", P2V_OPT_STR, tree,
		"Assess a machine by a copy of its files: DIR is its root directory."),
	OPT("lsblk", "FILE", P2V_OPT_STR, lsblk,
		"With --tree: what lsblk printed on that machine."),
	OPT("machine", "FILE", P2V_OPT_STR, machine,
		"The machine's inventory (machine.json), as 'p2v-agent --inventory' prints it. "
		"Default: the job directory's; with --running, what p2v-agent(1) says where it is "
		"installed."),
	OPT("root", "DEV", P2V_OPT_STR, root,
		"The root file system of the system to convert, where there are several."),
	{"key", 0, CLI_KEY_ARG, P2V_OPT_STRS, offsetof(struct assess_opts, keys),
		offsetof(struct assess_opts, n_keys), CLI_KEY_HELP},
	OPT("input-format", "FORMAT", P2V_OPT_STR, input_format,
		"The format of DISK (raw, qcow2, vmdk, ...) instead of finding it out."),
	OPT("virtio-win", CLI_MEDIA_ARG, P2V_OPT_STR, virtio_win, CLI_MEDIA_HELP),
	OPT("virtio-win-digest", CLI_MEDIA_DIGEST_ARG, P2V_OPT_STR, virtio_win_digest,
		CLI_MEDIA_DIGEST_HELP),
	OPT("target", "TARGET", P2V_OPT_STR, target, "Where it will run: kvm (default)."),
	OPT("all", NULL, P2V_OPT_FLAG, all, "Cut no list, even if it is more than a page."),
	OPT("json", NULL, P2V_OPT_FLAG, json,
		"Print one JSON document (version 1: name, verdict, grade, what, becomes, changes, "
		"needs, blocks, notes)."),
	OPT("progress", "MODE", P2V_OPT_STR, progress, "auto, json or none."),
	P2V_OPT_END,
};

static const struct p2v_cmd assess_cmd = {
	.name = "p2v assess",
	.operands = "DISK...|DIR|--running|--tree DIR",
	.max_operands = -1,
	.summary = "tell what a migration would do and need, before anything is copied",
	.text = "Prints one page: what the machine is, its grade, what would be changed in it, "
		"what needs a person (keys, choices, hardware that a virtual machine does not "
		"have), and what blocks a conversion. Nothing is written, on either side.\n\n"
		"Disks at hand, or a job that was received, are looked at as p2v-inspect(1) does "
		"it, inside the libguestfs appliance.\n\n"
		"A machine that still runs is assessed on itself where p2v is installed:\n\n"
		"  web01#   p2v assess --running\n\n"
		"or, with nothing installed on it, on the conversion server from a copy of some of "
		"its files. There, util-linux 2.23 or later is enough; here, an ordinary user:\n\n"
		"  server$  mkdir -p web01/tree && cd web01\n"
		"  server$  ssh root@web01 'cd / && tar -c --ignore-failed-read \\\n"
		"           --exclude=etc/shadow* --exclude=etc/gshadow* \\\n"
		"           --exclude=etc/ssh/*_key etc boot lib bin usr/bin/ls \\\n"
		"           usr/lib/os-release usr/lib/modules usr/lib/systemd usr/lib/udev \\\n"
		"           usr/lib/NetworkManager var/lib/NetworkManager/timestamps' |\n"
		"           tar -x -C tree\n"
		"  server$  ssh root@web01 lsblk -P -b -o \\\n"
		"     NAME,KNAME,PKNAME,TYPE,SIZE,FSTYPE,UUID,LABEL,PARTUUID,TRAN,MOUNTPOINT \\\n"
		"           > lsblk\n"
		"  server$  p2v assess --tree tree --lsblk lsblk --machine machine.json\n\n"
		"The inventory, machine.json, comes from 'p2v-agent --inventory' on the machine or "
		"on boot media in it; without one, its network cards, firmware and dongles are "
		"unknown. From files alone, what is in encrypted volumes that are not open, other "
		"systems on the disks, and the boot code before the first partition are not seen: "
		"assess the disks for that.\n\n"
		"Exit codes: 0 it can be converted, perhaps with something to do before; 1 failed; "
		"2 misuse; 3 a conversion would be refused.",
	.opts = assess_opts,
	.operands_offset = offsetof(struct assess_opts, disks),
	.n_operands_offset = offsetof(struct assess_opts, n_disks),
	.see_also = "p2v(1), p2v-inspect(1), p2v-convert(1), p2v-agent(1)",
};

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct assess_opts o = {0};
	struct assessing a = {.o = &o};
	enum p2v_progress_mode mode;
	int r = p2v_opt_parse(&assess_cmd, argc, argv, &o, err);

	if (r == 0)
		r = p2v_progress_mode_parse(o.progress, &mode, err);
	if (r == 0) {
		a.progress = p2v_progress_new(mode);
		r = assess(&a, err);
	}
	p2v_progress_free(a.progress);
	assessing_finish(&a);
	p2v_opt_free(&assess_cmd, &o);
	return r;
}

const struct verb cli_assess = {"assess", &assess_cmd, run};
