/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_JOB_SNAPSHOT_H
#define P2V_CLI_JOB_SNAPSHOT_H

/* A job's snapshots (p2v/store/snapshot.h), and which of the guest's files differ between two. */

#include <stdbool.h>

#include "p2v/cli/server-door.h"

/* job: a job's path in the API, /v1/jobs/NAME. */
int cli_job_snapshots(
	const struct cli_server *server, const char *job, bool json, struct p2v_err *err);

struct cli_job_diff {
	const char *from, *to; /* NULL: pristine; the last conversion */
	bool json, patch;      /* patch: with the text files' unified diffs */
};
int cli_job_diff(const struct cli_server *server, const char *job, const struct cli_job_diff *what,
	struct p2v_err *err);

#endif
