/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/apply/editors.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

static const struct apply_editor editors[] = {
	{.op = "initramfs-inject", .run = run_initramfs_inject},
	{.op = "initramfs-edit", .run = run_initramfs_edit},
	{.op = "lines-add", .edit = edit_lines_add, .creates = true},
	{.op = "file-write", .edit = edit_file_write, .creates = true},
	{.op = "file-remove", .run = run_file_remove},
	{.op = "crash-image-remove", .run = run_file_remove},
	{.op = "file-set-aside", .run = run_file_set_aside},
	{.op = "file-copy", .run = run_file_copy},
	{.op = "line-comment", .edit = edit_line_comment},
	{.op = "device-replace", .edit = edit_device_replace},
	{.op = "fstab-nofail", .edit = edit_fstab_nofail},
	{.op = "boot-args", .edit = edit_boot_args},
	{.op = "unified-args", .run = run_unified_args},
	{.op = "nic-link", .edit = edit_nic_link, .creates = true},
	{.op = "nic-rule", .edit = edit_nic_rule, .creates = true},
	{.op = "nic-line", .edit = edit_nic_line},
	{.op = "nic-file", .run = run_nic_file},
	{.op = "words-add", .edit = edit_words_add, .creates = true},
	{.op = "swap-unit", .run = run_swap_unit},
	{.op = "unit-mask", .run = run_unit_mask},
	{.op = "rc-disable", .run = run_rc_disable},
	{.op = "job-disable", .run = run_job_disable},
	{.op = "runlevel-remove", .run = run_runlevel_remove},
	{.op = "hive-edit", .run = run_hive_edit},
	{.op = "media-copy", .run = run_media_copy},
	{.op = "media-certificate", .run = run_media_certificate},
	{.op = "inbox-copy", .run = run_inbox_copy},
	{.op = "ntfs-heads", .run = run_ntfs_heads},
	{.op = "cmd-write", .edit = edit_cmd_write, .creates = true},
};

const struct apply_editor *apply_editor_find(const char *op)
{
	for (size_t i = 0; i < P2V_N(editors); i++)
		if (strcmp(editors[i].op, op) == 0)
			return &editors[i];
	return NULL;
}

const char *apply_arg_next(const struct plan_step *step, const char *key, size_t *at)
{
	while (*at < step->n_args) {
		const struct plan_arg *a = &step->args[(*at)++];

		if (strcmp(a->key, key) == 0)
			return a->value;
	}
	return NULL;
}

const char *apply_arg(const struct plan_step *step, const char *key, struct p2v_err *err)
{
	size_t at = 0;
	const char *value = apply_arg_next(step, key, &at);

	if (!value)
		p2v_err_set(err, P2V_EFORMAT, "the plan's step %s has no '%s'", step->op, key);
	return value;
}

static struct apply_detail *detail_of(struct apply_details *details, const char *path)
{
	struct apply_detail *d;

	for (size_t i = 0; i < details->n_items; i++)
		if (strcmp(details->items[i].path, path) == 0)
			return &details->items[i];
	d = p2v_json_grow((void **)&details->items, &details->n_items, sizeof(*d));
	if (d)
		d->path = strdup(path);
	return d && d->path ? d : NULL;
}

int apply_details_add(
	struct apply_details *details, const char *path, const char *text, struct p2v_err *err)
{
	struct apply_detail *d = detail_of(details, path);
	char *both = d && d->text ? p2v_strf("%s; %s", d->text, text) : d ? strdup(text) : NULL;

	if (!both)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	free(d->text);
	d->text = both;
	return 0;
}
