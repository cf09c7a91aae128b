/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "converters/emit/description.h"
#include "converters/emit/disk.h"
#include "converters/emit/firmware.h"
#include "converters/emit/hw.h"
#include "converters/emit/nvram.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/store/jobdir.h"

#define MAX_VARS_BYTES (64 << 20)

const struct emit_description emit_descriptions[] = {
	{".xml", 0644, offsetof(struct output, domain_xml), emit_domain_write},
	{".sh", 0755, offsetof(struct output, start_script), emit_script_write},
};
const size_t emit_n_descriptions = P2V_N(emit_descriptions);

static int no_memory(const struct emit_request *rq, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", rq->dir);
}

/* A copy of text (NULL stays NULL); *failed where there is no memory. */
static char *copy(const char *text, bool *failed)
{
	char *p = text ? strdup(text) : NULL;

	*failed |= text && !p;
	return p;
}

static bool fill_nic(const struct plan_nic *from, struct output_nic *to)
{
	bool failed = false;

	to->mac = copy(from->mac, &failed);
	to->model = copy(from->model, &failed);
	to->name = copy(from->name, &failed);
	to->gateway = copy(from->gateway, &failed);
	to->bridge = copy(from->bridge, &failed);
	to->network = copy(from->network, &failed);
	to->dhcp = from->dhcp;
	for (size_t i = 0; !failed && i < from->n_addresses; i++)
		failed = p2v_json_add_str(
				 &to->addresses, &to->n_addresses, from->addresses[i], NULL) < 0;
	for (size_t i = 0; !failed && i < from->n_tagged; i++) {
		struct plan_tag *tag =
			p2v_json_grow((void **)&to->tagged, &to->n_tagged, sizeof(*tag));

		failed = !tag;
		if (tag)
			*tag = (struct plan_tag){
				copy(from->tagged[i].address, &failed), from->tagged[i].vlan_id};
	}
	return !failed;
}

static bool fill_disk(const struct emit_request *rq, size_t i, struct output_disk *to)
{
	const struct plan_disk *from = &rq->plan->disks[i];
	bool failed = false;

	to->id = copy(from->id, &failed);
	to->bus = copy(from->bus, &failed);
	to->boot_order = from->boot_order;
	to->logical_sector_bytes = rq->image->disks[i].logical_sector_bytes;
	return !failed;
}

/* What the plan says, before any file is made. */
static int fill(const struct emit_request *rq, struct output *out, struct p2v_err *err)
{
	const struct plan *plan = rq->plan;
	bool failed = false;

	out->version = 1;
	out->name = copy(plan->name, &failed);
	out->uuid = copy(plan->uuid, &failed);
	out->target = copy(plan->target, &failed);
	out->machine = copy(plan->machine, &failed);
	out->firmware = copy(plan->firmware, &failed);
	out->arch = copy(plan->arch, &failed);
	out->os = copy(plan->os, &failed);
	out->rtc = copy(plan->rtc, &failed);
	out->secure_boot = plan->secure_boot;
	out->tpm = plan->tpm;
	for (size_t i = 0; !failed && i < plan->n_hyperv; i++)
		failed = p2v_json_add_str(&out->hyperv, &out->n_hyperv, plan->hyperv[i], NULL) < 0;
	out->memory_bytes = plan->memory_bytes;
	out->cpus = plan->cpus;
	out->grade = plan->grade;
	for (size_t i = 0; !failed && i < plan->n_disks; i++) {
		struct output_disk *disk =
			p2v_json_grow((void **)&out->disks, &out->n_disks, sizeof(*out->disks));

		failed = !disk || !fill_disk(rq, i, disk);
	}
	for (size_t i = 0; !failed && i < plan->n_nics; i++) {
		struct output_nic *nic =
			p2v_json_grow((void **)&out->nics, &out->n_nics, sizeof(*out->nics));

		failed = !nic || !fill_nic(&plan->nics[i], nic);
	}
	return failed ? no_memory(rq, err) : 0;
}

static int check(const struct emit_request *rq, const struct output *out, struct p2v_err *err)
{
	if (!emit_format_find(rq->plan->format))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: disk format '%.40s' is not known (qcow2, raw, vmdk, vhdx, vdi)",
			rq->plan->name, rq->plan->format);
	if (rq->plan->n_disks != rq->image->n_disks)
		return p2v_err_set(err, P2V_EFORMAT,
			"%s: the plan has %zu disks, the image has %zu", rq->plan->name,
			rq->plan->n_disks, rq->image->n_disks);
	return emit_hw_check(out, err);
}

static int emit_disks(
	const struct emit_request *rq, const char *dir, struct output *out, struct p2v_err *err)
{
	for (size_t i = 0; i < out->n_disks; i++) {
		p2v_autofree char *overlay = rq->overlays[i][0] == '/'
						     ? strdup(rq->overlays[i])
						     : p2v_path_join(dir, rq->overlays[i]);
		struct emit_disk_job job = {
			.dir = dir,
			.name = out->name,
			.format = emit_format_find(rq->plan->format),
			.image = &rq->image->disks[i],
			.overlay = overlay,
			.to = rq->plan->disks[i].to,
			.progress = rq->progress,
		};
		p2v_autofree char *label = p2v_strf("%s:%s", out->name, out->disks[i].id);
		int r = p2v_stop_check(err);

		if (!overlay || !label)
			return no_memory(rq, err);
		p2v_progress_start(rq->progress, label, "bytes", job.image->size_bytes);
		if (r == 0)
			r = emit_disk_run(&job, &out->disks[i], err);
		if (r == 0)
			p2v_progress_set(rq->progress, job.image->size_bytes);
		p2v_progress_end(rq->progress);
		if (r < 0)
			return r;
	}
	return 0;
}

/* This host's template, with the boot entries of the machine. */
static int emit_nvram(const struct emit_request *rq, const struct emit_firmware *firmware,
	const char *out_dir, struct output *out, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf vars = {0};
	p2v_autofree char *name = p2v_strf("%s_VARS.fd", out->name);
	size_t n_entries;
	int r;

	if (!firmware->vars)
		return 0;
	out->nvram = p2v_strf(STORE_OUTPUT_DIR "/%s_VARS.fd", out->name);
	if (!name || !out->nvram)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", out->name);
	r = p2v_file_read(firmware->vars, MAX_VARS_BYTES, &vars, err);
	if (r == 0 && rq->machine) {
		r = emit_nvram_add(&vars, rq->machine, &n_entries, err);
		if (r < 0)
			p2v_err_wrap(err, r, "%s", firmware->vars);
	}
	return r < 0 ? r : p2v_publish_bytes(out_dir, name, vars.data, vars.len, 0600, err);
}

static int emit_description(const struct emit_description *row,
	const struct emit_description_input *in, const char *out_dir, struct output *out,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	p2v_autofree char *name = p2v_strf("%s%s", out->name, row->suffix);
	char **path = (char **)(void *)((char *)out + row->path_offset);
	int r;

	*path = p2v_strf(STORE_OUTPUT_DIR "/%s%s", out->name, row->suffix);
	if (!name || !*path)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", out->name);
	r = row->write(in, &text, err);
	return r < 0 ? r : p2v_publish_bytes(out_dir, name, text.data, text.len, row->mode, err);
}

/* Everything but output.json; dir is absolute. */
static int emit_files(
	const struct emit_request *rq, const char *dir, struct output *out, struct p2v_err *err)
{
	p2v_autofree char *out_dir = p2v_path_join(dir, STORE_OUTPUT_DIR);
	struct emit_description_input in = {.output = out, .machine = rq->machine, .dir = dir};
	int r;

	if (!out_dir)
		return no_memory(rq, err);
	r = emit_firmware_find(out, &in.firmware, err);
	if (r == 0)
		r = p2v_dir_make(out_dir, 0700, err);
	if (r == 0)
		r = emit_disks(rq, dir, out, err);
	if (r == 0)
		r = emit_nvram(rq, &in.firmware, out_dir, out, err);
	for (size_t i = 0; r == 0 && i < emit_n_descriptions; i++)
		r = emit_description(&emit_descriptions[i], &in, out_dir, out, err);
	return r;
}

int emit_run(const struct emit_request *rq, struct output *ret, struct p2v_err *err)
{
	p2v_autofree char *dir = realpath(rq->dir, NULL);
	p2v_auto_output struct output out = {0};
	uint64_t start = p2v_now_ms();
	int r;

	if (!dir)
		return p2v_err_errno(err, errno, "%s", rq->dir);
	r = fill(rq, &out, err);
	if (r == 0)
		r = check(rq, &out, err);
	/* An older output stops being true when the first disk is touched. */
	if (r == 0)
		r = store_jobdir_drop_from(dir, STORE_OUTPUT, err);
	if (r == 0)
		r = emit_files(rq, dir, &out, err);
	out.duration_ms = p2v_now_ms() - start;
	if (r == 0)
		r = model_output_save(&out, dir, STORE_OUTPUT, err);
	if (r < 0)
		return r;
	/* Nothing depends on the overlays any more. */
	for (size_t i = 0; i < out.n_disks; i++) {
		p2v_autofree char *overlay = rq->overlays[i][0] == '/'
						     ? strdup(rq->overlays[i])
						     : p2v_path_join(dir, rq->overlays[i]);

		if (overlay)
			unlink(overlay);
	}
	*ret = out;
	out = (struct output){0};
	return 0;
}

int emit_undo(const char *dir, const char *noun, struct p2v_err *err)
{
	p2v_autofree char *absolute = realpath(dir, NULL);
	p2v_autofree char *path = NULL;
	p2v_auto_image struct image image = {0};
	int r;

	if (!absolute)
		return p2v_err_errno(err, errno, "%s", dir);
	path = p2v_path_join(absolute, STORE_IMAGE);
	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", dir);
	r = model_image_load(path, &image, err);
	for (size_t i = 0; r == 0 && i < image.n_disks; i++)
		r = emit_disk_undo(absolute, &image.disks[i], true, err);
	if (r < 0)
		return r;
	/* The nouns first: they stop being true when the first disk goes back. */
	r = store_jobdir_drop_from(absolute, noun, err);
	for (size_t i = 0; r == 0 && i < image.n_disks; i++)
		r = emit_disk_undo(absolute, &image.disks[i], false, err);
	return r;
}
