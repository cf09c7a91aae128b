/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_JOB_PRINT_H
#define P2V_CLI_JOB_PRINT_H

/* Jobs as people read them: appended as printable text, no line wider than `columns`. */

#include "p2v/core/buf.h"
#include "p2v/store/ledger.h"

/* A line a job, with a head. */
void cli_jobs_print(const struct jobs *jobs, size_t columns, struct p2v_buf *out);
/* One with all that there is to say, its history, and what may be done next. */
void cli_job_print(
	const struct job *job, const struct events *events, size_t columns, struct p2v_buf *out);

/* text, printable, cut to so many columns; a cut one ends in "...". */
void cli_cut_add(struct p2v_buf *out, const char *text, size_t columns);
/* The same, filled up with blanks to a column more. */
void cli_cell_add(struct p2v_buf *out, const char *text, size_t columns);

#endif
