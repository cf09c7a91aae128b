/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_RUN_H
#define P2V_CLI_RUN_H

/* The parts of p2v run: what it checks before, shows meanwhile and reports afterwards. */

#include "p2v/cli/server-door.h"
#include "p2v/runbook/campaign.h"

/* The plan with its estimates on standard output, or as JSON, and what is wrong or missing. c has
 * looked. host: where p2vd is, or NULL. P2V_EIO without a sentence: something is wrong. */
int cli_run_check(struct campaign *c, const char *host, bool json, struct p2v_err *err);

/* One table of where all wanted servers are. */
void cli_run_table(const struct campaign *c, size_t columns, struct p2v_buf *out);

/* Writes RUNBOOK.report.md and RUNBOOK.report.html. ret_path: of the first; malloc'd. */
int cli_run_report(struct campaign *c, char **ret_path, struct p2v_err *err);

/* From when the machine was away, and how long; 0: not yet, or not known. That of one that was
 * copied cold begins with its copy. */
uint64_t cli_run_away_s(const struct campaign_entry *e);
uint64_t cli_run_outage_s(const struct campaign_entry *e);

#endif
