/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_APPLY_EDITORS_H
#define CONVERTERS_APPLY_EDITORS_H

/*
 * Editors: what a plan's step does. Most make one text from another and see no guest (`edit`); the
 * others work through the door (`run`).
 */

#include <stdbool.h>

#include "p2v/core/buf.h"
#include "p2v/core/span.h"
#include "p2v/guest/guest.h"
#include "p2v/model/plan.h"

struct catalog_media;

/* What the steps of one run share; owned by apply_run. The items: a sentence for the report beside
 * the change of `path`. */
struct apply_details {
	struct apply_detail {
		char *path, *text;
	} * items;
	size_t n_items;
	const struct catalog_media *media; /* with the drivers for Windows; NULL: none was named */
};

struct apply_editor {
	const char *op;
	/* Appends the whole new text. */
	int (*edit)(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
		struct p2v_err *err);
	bool creates; /* edit: a file that is not there is an empty text, else it is an error */
	int (*run)(struct guest *g, const struct plan_step *step, struct apply_details *details,
		struct p2v_err *err);
};

/* A sentence for the report; a second one of a path follows the first. */
int apply_details_add(
	struct apply_details *details, const char *path, const char *text, struct p2v_err *err);

/* NULL where no row has that op. */
const struct apply_editor *apply_editor_find(const char *op);

/* The first argument of that key after *at (which counts on), or NULL. Start with 0. */
const char *apply_arg_next(const struct plan_step *step, const char *key, size_t *at);
/* The argument; P2V_EFORMAT in err and NULL where a plan lacks it. */
const char *apply_arg(const struct plan_step *step, const char *key, struct p2v_err *err);

/* The rows' functions, by file. */
int edit_lines_add(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int edit_file_write(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
/* Each of the lines as a comment. */
void edit_comment_lines(struct p2v_span lines, struct p2v_buf *out);
int edit_line_comment(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int edit_device_replace(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int edit_fstab_nofail(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int edit_boot_args(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
/* unified-args: the same in a unified kernel's own arguments. */
int run_unified_args(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int edit_nic_link(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int edit_nic_rule(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int edit_nic_line(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int run_nic_file(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int edit_words_add(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);
int run_initramfs_inject(struct guest *g, const struct plan_step *step,
	struct apply_details *details, struct p2v_err *err);
int run_initramfs_edit(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int run_file_set_aside(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int run_swap_unit(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int run_job_disable(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int run_runlevel_remove(struct guest *g, const struct plan_step *step,
	struct apply_details *details, struct p2v_err *err);
int run_file_remove(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int run_file_copy(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int run_unit_mask(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
int run_rc_disable(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);

/*
 * hive-edit: the step's path is a registry hive, in any letter case; its arguments are run in their
 * order and the hive is put back once. Keys are named from the hive's root (p2v/guest/hive.h).
 *
 *	key KEY            the next ones are in that key; the first value makes it
 *	key-if-there KEY   the same, but where there is no such key they are passed over
 *	u32 NAME           a DWORD, decimal
 *	text NAME, expand NAME     SZ, EXPAND_SZ
 *	binary NAME        hexadecimal
 *	texts NAME         MULTI_SZ: this argument and those behind it with the same name
 *	texts-less NAME    takes that text out of the list; the last one takes the value along
 *	expand-more NAME   adds ";TEXT" to an EXPAND_SZ that does not hold it, or makes one
 *	delete NAME        the value
 *	delete-key KEY     with all below it
 */
int run_hive_edit(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
/* inbox-copy: `from` is a file in the guest, or a cabinet there (.cab) that holds `name`; the
 * step's path is in any letter case. */
int run_inbox_copy(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
/* media-copy: `from` is a path on the medium, the step's path is in any letter case. Several, each
 * with a `to`: to that place below the step's path. */
int run_media_copy(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
/* media-certificate: the certificate of whoever has signed the .cat `from` of the medium. */
int run_media_certificate(struct guest *g, const struct plan_step *step,
	struct apply_details *details, struct p2v_err *err);
/* ntfs-heads: the step's path is a volume's device; `heads` goes into its boot sector. */
int run_ntfs_heads(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err);
/* cmd-write: each `line` ends in CR LF. */
int edit_cmd_write(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err);

#endif
