/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_API_ROUTE_H
#define P2V_CONTROL_API_ROUTE_H

/* The table of routes. */

#include "p2v/control/api.h"

struct api_call {
	struct api *api;
	const struct api_request *request;
	struct job job;	  /* where the path has {job} */
	const char *rest; /* where it has {file}: what stands there */
	struct api_answer *answer;
};

struct api_route {
	const char *method, *path; /* "/v1/jobs/{job}/files/{file}": {file} is the rest */
	enum api_role role;
	const char *summary;
	const struct p2v_json_type *takes, *gives; /* NULL: nothing, or no JSON */
	const char *type;			   /* of the answer */
	bool after;				   /* it heeds the query's "after" */
	int (*run)(struct api_call *call, struct p2v_err *err);
};

extern const struct api_route control_routes[]; /* ended by one without a path */

/* Snapshots: api-snapshot.c. */
int control_run_snapshots(struct api_call *call, struct p2v_err *err);
int control_run_snapshot(struct api_call *call, struct p2v_err *err);

/* Keys of agents: api-key.c. */
int control_run_keys(struct api_call *call, struct p2v_err *err);
int control_run_key_add(struct api_call *call, struct p2v_err *err);
int control_run_key_revoke(struct api_call *call, struct p2v_err *err);

/* The OpenAPI document, from the routes and the tables of their nouns. */
int control_openapi(struct p2v_buf *out, struct p2v_err *err);
/* For Prometheus. */
int control_metrics(struct api *api, struct p2v_buf *out, struct p2v_err *err);
/* Of api-agents.c. */
int control_run_agents(struct api_call *call, struct p2v_err *err);
int control_run_agent_action(struct api_call *call, struct p2v_err *err);
int control_run_door(struct api_call *call, struct p2v_err *err);
int control_run_door_action(struct api_call *call, struct p2v_err *err);
int control_free_bytes(const char *dir, uint64_t *ret, struct p2v_err *err);

#endif
