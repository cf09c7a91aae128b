/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A job's snapshots, over the API. */
#include <string.h>

#include "p2v/control/api-route.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/snapshot.h"

int control_run_snapshots(struct api_call *call, struct p2v_err *err)
{
	p2v_autofree char *dir = p2v_path_join(call->api->config->base, call->job.name);
	p2v_auto_snapshots struct snapshots all = {0};
	int r = dir ? store_snapshots_load(dir, &all, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	return r < 0 ? r
		     : p2v_json_encode(
			       &store_snapshots_type, &all, false, &call->answer->body, err);
}

int control_run_snapshot(struct api_call *call, struct p2v_err *err)
{
	p2v_autofree char *dir = p2v_path_join(call->api->config->base, call->job.name);
	p2v_auto_changes struct changes changes = {0};
	int r = dir ? store_snapshot_changes(dir, call->rest, &changes, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0 && !changes.name)
		changes.name = strdup(call->job.name);
	return r < 0 ? r
		     : p2v_json_encode(
			       &model_changes_type, &changes, false, &call->answer->body, err);
}
