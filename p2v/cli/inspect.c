/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v inspect: what is on a disk. Nothing is written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "converters/inspect/inspect.h"
#include "p2v/cli/door.h"
#include "p2v/cli/given.h"
#include "p2v/cli/print.h"
#include "p2v/cli/verb.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/progress.h"

struct inspect_opts {
	bool json;
	const char *input_format, *progress;
	const char **disks;
	size_t n_disks;
	const char **keys;
	size_t n_keys;
};

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void say_disks(const struct facts *facts, struct p2v_buf *out)
{
	char size[P2V_NUM_TEXT];

	for (size_t i = 0; i < facts->n_disks; i++)
		p2v_buf_addf(out, "%s  %s, partition table %s, boot code %s\n", facts->disks[i].id,
			p2v_num_bytes_text(facts->disks[i].size_bytes, size),
			or_dash(facts->disks[i].table), or_dash(facts->disks[i].boot_code));
	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const struct facts_fs *fs = &facts->filesystems[i];

		p2v_buf_addf(out, "  %-12s %-12s %9s  %s%s%s\n", fs->device, or_dash(fs->kind),
			p2v_num_bytes_text(fs->size_bytes, size), fs->uuid ? "UUID=" : "",
			or_dash(fs->uuid), fs->esp ? "  EFI system partition" : "");
	}
}

static void say_kernel(const struct facts_kernel *kernel, struct p2v_buf *out)
{
	p2v_buf_addf(out, "  kernel %s%s%s\n    initramfs %s, %s\n    drivers", kernel->release,
		kernel->default_entry ? ", the default" : "",
		kernel->rescue ? ", a rescue kernel" : "", or_dash(kernel->initramfs.path),
		or_dash(kernel->initramfs.kind));
	for (size_t i = 0; i < kernel->n_drivers; i++)
		if (kernel->drivers[i].state != DRIVER_STATE_ABSENT)
			p2v_buf_addf(out, " %s%s", kernel->drivers[i].name,
				kernel->drivers[i].state == DRIVER_STATE_BUILTIN ? "(builtin)"
										 : "");
	p2v_buf_add_str(out, "\n");
}

static void say_nic(const struct facts_nic *nic, struct p2v_buf *out)
{
	p2v_buf_addf(out, "  network %s, %s, by %s:", nic->name, or_dash(nic->kind),
		or_dash(nic->dialect));
	for (size_t i = 0; i < nic->n_addresses; i++)
		p2v_buf_addf(out, " %s %s", or_dash(nic->addresses[i].method),
			nic->addresses[i].address ? nic->addresses[i].address : "");
	p2v_buf_add_str(out, "\n");
}

static void say_list(const char *what, char *const *items, size_t n_items, struct p2v_buf *out)
{
	for (size_t i = 0; i < n_items; i++)
		p2v_buf_addf(out, "  %s %s\n", what, items[i]);
}

static void say_windows(const struct facts_windows *w, struct p2v_buf *out)
{
	p2v_buf_addf(out,
		"  NT %" PRIu32 ".%" PRIu32 " build %" PRIu32 ".%" PRIu32 " %s, %s, in %s\n",
		w->major, w->minor, w->build, w->revision,
		w->service_pack ? w->service_pack : or_dash(w->release), or_dash(w->role),
		or_dash(w->dir));
	say_list("control set", w->sets, w->n_sets, out);
	say_list("hive not written back in full:", w->dirty, w->n_dirty, out);
	say_list("at its next start:", w->pending, w->n_pending, out);
	say_list("anti-virus:", w->antivirus, w->n_antivirus, out);
	if (w->hibernated)
		p2v_buf_add_str(out, "  is hibernated\n");
	for (size_t i = 0; i < w->n_drivers; i++)
		if (w->drivers[i].present)
			p2v_buf_addf(out, "  driver %s in %s starts %" PRIu32 "%s\n",
				w->drivers[i].name, w->drivers[i].set, w->drivers[i].start,
				w->drivers[i].overridden ? ", overridden" : "");
	for (size_t i = 0; i < w->n_filters; i++)
		p2v_buf_addf(out, "  filter %s of the old hardware: %s %s\n", w->filters[i].name,
			w->filters[i].key, w->filters[i].value);
}

static void say_system(const struct facts_os *os, struct p2v_buf *out)
{
	p2v_buf_addf(out, "\n%s  %s\n  host name %s, %s, init %s, boot loader %s (%s)\n", os->root,
		os->pretty ? os->pretty : or_dash(os->kind), or_dash(os->hostname),
		or_dash(os->arch), or_dash(os->init), or_dash(os->bootloader.kind),
		or_dash(os->bootloader.firmware));
	for (size_t i = 0; i < os->n_windows; i++)
		say_windows(&os->windows[i], out);
	for (size_t i = 0; i < os->n_mounts; i++)
		p2v_buf_addf(out, "  mount  %-20s %-40s %s\n", os->mounts[i].mountpoint,
			os->mounts[i].spec, or_dash(os->mounts[i].device));
	for (size_t i = 0; i < os->n_kernels; i++)
		say_kernel(&os->kernels[i], out);
	for (size_t i = 0; i < os->n_nics; i++)
		say_nic(&os->nics[i], out);
	for (size_t i = 0; i < os->n_refs; i++)
		p2v_buf_addf(out, "  names hardware: %s line %" PRIu32 ": %s -> %s\n",
			os->refs[i].path, os->refs[i].line, os->refs[i].text,
			or_dash(os->refs[i].stable));
	for (size_t i = 0; i < os->n_services; i++)
		p2v_buf_addf(out, "  old hardware's service %s: %s\n", os->services[i].name,
			or_dash(os->services[i].reason));
}

static int say(struct facts *facts, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};

	if (cli_make_printable(&model_facts_type, facts, err) < 0)
		return P2V_ENOMEM;
	say_disks(facts, &out);
	for (size_t i = 0; i < facts->n_systems; i++)
		say_system(&facts->systems[i], &out);
	if (!facts->n_systems)
		p2v_buf_add_str(&out, "\nno operating system was found\n");
	for (size_t i = 0; i < facts->n_notes; i++)
		p2v_buf_addf(&out, "note: %s\n", facts->notes[i]);
	if (p2v_buf_check(&out, err) < 0)
		return P2V_ENOMEM;
	cli_print_text(out.data, out.len);
	return 0;
}

static const struct p2v_opt inspect_opts[] = {
	{"json", 0, NULL, P2V_OPT_FLAG, offsetof(struct inspect_opts, json), 0,
		"Print facts.json."},
	{"input-format", 0, "FORMAT", P2V_OPT_STR, offsetof(struct inspect_opts, input_format), 0,
		"The disks' format (raw, qcow2, vmdk, ...) instead of finding it out."},
	{"key", 0, CLI_KEY_ARG, P2V_OPT_STRS, offsetof(struct inspect_opts, keys),
		offsetof(struct inspect_opts, n_keys), CLI_KEY_HELP},
	{"progress", 0, "MODE", P2V_OPT_STR, offsetof(struct inspect_opts, progress), 0,
		"auto, json or none."},
	P2V_OPT_END,
};

static const struct p2v_cmd inspect_cmd = {
	.name = "p2v inspect",
	.operands = "DISK...|DIR",
	.min_operands = 1,
	.max_operands = -1,
	.summary = "say what is on a disk; nothing is written",
	.text = "DISK is a file or block device in any format that QEMU reads; all disks of one "
		"machine "
		"are named together, in the machine's order. DIR is a job directory. The disks are "
		"looked at inside the libguestfs appliance, read-only; the guest's code is not "
		"run.",
	.opts = inspect_opts,
	.operands_offset = offsetof(struct inspect_opts, disks),
	.n_operands_offset = offsetof(struct inspect_opts, n_disks),
	.see_also = "p2v(1), p2v-convert(1)",
};

static int inspect(const struct inspect_opts *o, struct p2v_progress *progress, struct p2v_err *err)
{
	p2v_auto_image struct image image = {0};
	p2v_auto_facts struct facts facts = {0};
	struct guest *g = NULL;
	int r;

	r = cli_given(o->disks, o->n_disks, o->input_format, &image, err);
	if (r < 0)
		return r;
	p2v_progress_start(progress, "starting the appliance", "steps", 0);
	r = cli_door_open(&image, NULL, o->keys, o->n_keys, &g, err);
	if (r < 0)
		return r;
	p2v_progress_start(progress, "inspecting", "steps", 0);
	r = inspect_run(g, &image, NULL, &facts, err);
	guest_free(g);
	p2v_progress_end(progress);
	if (r < 0)
		return r;
	return o->json ? cli_print_json(&model_facts_type, &facts, err) : say(&facts, err);
}

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct inspect_opts o = {0};
	struct p2v_progress *progress = NULL;
	enum p2v_progress_mode mode;
	int r = p2v_opt_parse(&inspect_cmd, argc, argv, &o, err);

	if (r == 0)
		r = p2v_progress_mode_parse(o.progress, &mode, err);
	if (r == 0) {
		progress = p2v_progress_new(mode);
		r = inspect(&o, progress, err);
	}
	p2v_progress_free(progress);
	p2v_opt_free(&inspect_cmd, &o);
	return r;
}

const struct verb cli_inspect = {"inspect", &inspect_cmd, run};
