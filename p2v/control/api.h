/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_API_H
#define P2V_CONTROL_API_H

/*
 * What p2vd answers: requests to answers, over the ledger and the job directories. No sockets here
 * (control/http.h has them). One table of routes is the dispatcher and the OpenAPI document.
 *
 * It only ever writes to the ledger; p2vd's loop sees it there. So any server that shares the
 * ledger can be asked.
 *
 * Several threads may ask: the ledger is behind a lock.
 */

#include <pthread.h>

#include "p2v/control/config.h"
#include "p2v/core/buf.h"
#include "p2v/store/agents.h"
#include "p2v/store/ledger.h"

enum api_role { API_VIEWER, API_OPERATOR, API_ADMIN };

struct api {
	const struct server_config *config;
	struct ledger *ledger;
	pthread_mutex_t lock;
	int poke_fd; /* an eventfd that is written after a change, or -1 */
};

int control_api_init(
	struct api *api, const struct server_config *config, int poke_fd, struct p2v_err *err);
void control_api_finish(struct api *api);

struct api_request {
	const char *method, *path; /* path without its query, decoded */
	const char *who;	   /* for the audit log */
	enum api_role role;
	uint64_t after; /* the query's "after", or 0 */
	const void *body;
	size_t n;
};

struct api_answer {
	unsigned status;  /* HTTP */
	const char *type; /* of the body */
	struct p2v_buf body;
};

/* Errors are answers, too: {"version":1,"kind":"refused","text":"..."}. ret: finish its body. */
void control_api_answer(struct api *api, const struct api_request *request, struct api_answer *ret);
/* For a stream: events after *after as server-sent events, and *after moved on. */
int control_api_events(struct api *api, uint64_t *after, struct p2v_buf *out, struct p2v_err *err);

/* ---- what else is said over it ---- */

struct api_error {
	uint32_t version;
	char *kind, *text;
};
extern const struct p2v_json_type control_error_type;

struct api_action {
	char *action; /* store_ledger_act's words, or priority */
	char *reason;
	uint32_t priority;
};
extern const struct p2v_json_type control_action_type;

struct api_agent_action {
	char *action;	/* enroll, assign or rm */
	char *code;	/* enroll: what the machine's screen shows */
	char *which;	/* assign, rm: store_agents_assign's */
	char *name;	/* enroll: NULL: the one that it wants */
	uint64_t for_s; /* enroll: how long its key is good; 0: 30 days */
};
extern const struct p2v_json_type control_agent_action_type;

struct api_door_action {
	uint64_t for_s; /* 0: shut */
	char *from;	/* addresses, or NULL: all */
};
extern const struct p2v_json_type control_door_action_type;

struct api_server {
	uint32_t version;
	char *program; /* its version */
	char *host, *pool, *base;
	uint64_t now_s, free_bytes;
	uint32_t workers;
};
extern const struct p2v_json_type control_server_type;

#endif
