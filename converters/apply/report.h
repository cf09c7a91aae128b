/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_APPLY_REPORT_H
#define CONVERTERS_APPLY_REPORT_H

/* From what the guest door recorded to the noun `changes`, with its diffs as files. */

#include "converters/apply/editors.h"
#include "p2v/model/changes.h"

struct apply_report {
	struct apply_details details;
	struct apply_first {
		char *path;
		uint32_t step; /* that wrote it first */
	} * firsts;
	size_t n_firsts;
};

void apply_report_finish(struct apply_report *report);
/* Call after each step. */
int apply_report_note_step(
	struct apply_report *report, const struct guest *g, size_t step, struct p2v_err *err);
int apply_report_make(const struct apply_report *report, const struct guest *g, const char *name,
	const char *changes_dir, struct changes *ret, struct p2v_err *err);

#endif
