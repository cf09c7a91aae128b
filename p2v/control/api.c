/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "p2v/control/api-route.h"
#include "p2v/control/key.h"
#include "p2v/core/num.h"
#include "p2v/core/opt.h"
#include "p2v/core/publish.h"
#include "p2v/model/orders.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/snapshot.h"

#define JSON	    "application/json"
#define EVENTS_MOST 500
#define FILE_MOST   ((size_t)64 << 20)

static const struct p2v_json_field error_fields[] = {
	P2V_JSON_U32(struct api_error, version, 0),
	P2V_JSON_STR(struct api_error, kind, 0),
	P2V_JSON_STR(struct api_error, text, 0),
	P2V_JSON_END,
};
const struct p2v_json_type control_error_type = {"error", sizeof(struct api_error), error_fields};

static const struct p2v_json_field action_fields[] = {
	P2V_JSON_STR(struct api_action, action, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct api_action, reason, 0),
	P2V_JSON_U32(struct api_action, priority, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type control_action_type = {
	"action", sizeof(struct api_action), action_fields};

static const struct p2v_json_field server_fields[] = {
	P2V_JSON_U32(struct api_server, version, 0),
	P2V_JSON_STR(struct api_server, program, 0),
	P2V_JSON_STR(struct api_server, host, 0),
	P2V_JSON_STR(struct api_server, pool, 0),
	P2V_JSON_STR(struct api_server, base, 0),
	P2V_JSON_U64(struct api_server, now_s, 0),
	P2V_JSON_U64(struct api_server, free_bytes, 0),
	P2V_JSON_U32(struct api_server, workers, 0),
	P2V_JSON_END,
};
const struct p2v_json_type control_server_type = {
	"server", sizeof(struct api_server), server_fields};

int control_api_init(
	struct api *api, const struct server_config *config, int poke_fd, struct p2v_err *err)
{
	*api = (struct api){.config = config, .poke_fd = poke_fd};
	pthread_mutex_init(&api->lock, NULL);
	return store_ledger_open(config->store, &api->ledger, err);
}

void control_api_finish(struct api *api)
{
	store_ledger_free(api->ledger);
	pthread_mutex_destroy(&api->lock);
}

int control_free_bytes(const char *dir, uint64_t *ret, struct p2v_err *err)
{
	struct statvfs st;

	if (statvfs(dir, &st) < 0)
		return p2v_err_errno(err, errno, "%s", dir);
	*ret = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

/* ---- routes ---- */

static int run_jobs(struct api_call *call, struct p2v_err *err)
{
	p2v_auto_jobs struct jobs jobs = {0};
	int r = store_ledger_jobs(call->api->ledger, &jobs, err);

	return r < 0 ? r
		     : p2v_json_encode(&ledger_jobs_type, &jobs, false, &call->answer->body, err);
}

static int run_job(struct api_call *call, struct p2v_err *err)
{
	return p2v_json_encode(&ledger_job_type, &call->job, false, &call->answer->body, err);
}

static int events_give(struct api_call *call, uint64_t job, struct p2v_err *err)
{
	p2v_auto_events struct events events = {0};
	int r = store_ledger_events(
		call->api->ledger, job, call->request->after, EVENTS_MOST, &events, err);

	return r < 0 ? r
		     : p2v_json_encode(
			       &ledger_events_type, &events, false, &call->answer->body, err);
}

static int run_events(struct api_call *call, struct p2v_err *err)
{
	return events_give(call, 0, err);
}

static int run_job_events(struct api_call *call, struct p2v_err *err)
{
	return events_give(call, call->job.id, err);
}

static int poke(struct api *api)
{
	const uint64_t one = 1;

	return api->poke_fd >= 0 && write(api->poke_fd, &one, sizeof(one)) < 0 ? -1 : 0;
}

static int act(struct api_call *call, const struct api_action *action, struct job *ret,
	struct p2v_err *err)
{
	const struct api_request *request = call->request;
	p2v_autofree char *id = p2v_strf("%llu", (unsigned long long)call->job.id);
	int r;

	/* What cannot be brought back is the administrator's. */
	if (strcmp(action->action, "rm") == 0 && request->role < API_ADMIN)
		return p2v_err_set(err, P2V_EREFUSED, "only an administrator removes jobs");
	if (strcmp(action->action, "priority") != 0)
		return store_ledger_act(call->api->ledger, call->job.id, action->action,
			request->who, action->reason, ret, err);
	r = store_ledger_priority(
		call->api->ledger, call->job.id, action->priority, request->who, err);
	if (r == 0 && id)
		r = store_ledger_job(call->api->ledger, id, ret, err);
	return r;
}

static int run_action(struct api_call *call, struct p2v_err *err)
{
	struct api_action action = {0};
	p2v_auto_job struct job job = {0};
	int r = p2v_json_decode(
		&control_action_type, call->request->body, call->request->n, &action, err);

	if (r < 0)
		return p2v_err_wrap(err, P2V_EINVAL, "the request's body");
	r = act(call, &action, &job, err);
	p2v_json_free(&control_action_type, &action);
	if (r < 0)
		return r;
	poke(call->api);
	return p2v_json_encode(&ledger_job_type, &job, false, &call->answer->body, err);
}

static uint32_t gates_of(const struct orders *orders)
{
	uint32_t gates = 0;

	for (size_t i = 0; i < orders->n_hold; i++)
		gates |= strcmp(orders->hold[i], "conversion") == 0 ? LEDGER_GATE_CONVERSION
								    : LEDGER_GATE_EMISSION;
	return gates;
}

struct placing {
	const char *dir;
	const struct p2v_buf *text;
};

static int orders_place(void *ctx, struct p2v_err *err)
{
	const struct placing *p = ctx;

	return store_jobdir_place(p->dir, STORE_ORDERS, p->text, true, err);
}

static int orders_give(
	struct api_call *call, struct orders *orders, struct job *ret, struct p2v_err *err)
{
	const struct server_config *config = call->api->config;
	p2v_autofree char *dir = p2v_path_join(config->base, call->job.name);
	p2v_autobuf struct p2v_buf text = {0};
	struct placing placing = {dir, &text};
	const struct ledger_order order = {call->job.id, gates_of(orders), orders_place, &placing};
	int r;

	if (!orders->format)
		orders->format = strdup(config->format);
	if (!dir || !orders->format)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = p2v_json_encode(&model_orders_type, orders, true, &text, err);
	return r < 0 ? r
		     : store_ledger_order(call->api->ledger, &order, call->request->who, ret, err);
}

static int run_orders(struct api_call *call, struct p2v_err *err)
{
	p2v_auto_orders struct orders orders = {0};
	p2v_auto_job struct job job = {0};
	int r = model_orders_decode(call->request->body, call->request->n, &orders, err);

	if (r < 0)
		return p2v_err_wrap(err, P2V_EINVAL, "the request's body");
	r = orders_give(call, &orders, &job, err);
	if (r < 0)
		return r;
	poke(call->api);
	return p2v_json_encode(&ledger_job_type, &job, false, &call->answer->body, err);
}

/* Behind "history/N/", where the name begins so. */
static const char *history_skip(const char *name)
{
	size_t n = strlen(STORE_HISTORY_DIR "/"), digits;

	if (strncmp(name, STORE_HISTORY_DIR "/", n) != 0)
		return name;
	digits = strspn(name + n, "0123456789");
	return digits && name[n + digits] == '/' ? name + n + digits + 1 : name;
}

/* Of a job directory only these are shown, and nothing that has a slash too many. */
static bool file_shown(const char *name)
{
	static const char *const names[] = {STORE_MACHINE, STORE_RECEIPT, STORE_IMAGE, STORE_FACTS,
		STORE_PLAN, STORE_CHANGES, STORE_OUTPUT, STORE_PROOF, STORE_ORDERS, STORE_LOG};
	static const char *const dirs[] = {STORE_CHANGES_DIR "/", STORE_PROOF_DIR "/"};

	for (size_t i = 0; i < P2V_N(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	name = history_skip(name);
	for (size_t i = 0; i < P2V_N(dirs); i++) {
		size_t n = strlen(dirs[i]);

		if (strncmp(name, dirs[i], n) == 0 && name[n] && name[n] != '.' &&
			!strchr(name + n, '/'))
			return true;
	}
	return false;
}

static const char *file_type(const char *name)
{
	static const struct {
		const char *end, *type;
	} rows[] = {{".json", JSON}, {"receipt", JSON}, {".png", "image/png"},
		{".log", "text/plain; charset=utf-8"}, {".diff", "text/plain; charset=utf-8"}};

	for (size_t i = 0; i < P2V_N(rows); i++) {
		size_t n = strlen(rows[i].end), of = strlen(name);

		if (of >= n && strcmp(name + of - n, rows[i].end) == 0)
			return rows[i].type;
	}
	return "application/octet-stream";
}

static int run_file(struct api_call *call, struct p2v_err *err)
{
	p2v_autofree char *dir = p2v_path_join(call->api->config->base, call->job.name);
	int r;

	if (!file_shown(call->rest))
		return p2v_err_set(
			err, P2V_ENOTFOUND, "'%.80s' is no file that a job shows", call->rest);
	if (!dir)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	/* The stages write there, and read what strangers' machines have sent. */
	r = p2v_file_read_below(dir, call->rest, FILE_MOST, &call->answer->body, err);
	/* The whole path is nobody's business. */
	if (r == P2V_ENOTFOUND)
		return p2v_err_set(err, r, "job %s has no %s yet", call->job.name, call->rest);
	call->answer->type = file_type(call->rest);
	return r;
}

static int run_server(struct api_call *call, struct p2v_err *err)
{
	const struct server_config *c = call->api->config;
	struct api_server server = {
		1, (char *)(uintptr_t)P2V_VERSION, c->host, c->pool, c->base, 0, 0, c->workers};
	p2v_auto_jobs struct jobs jobs = {0};
	int r = store_ledger_jobs(call->api->ledger, &jobs, err);

	if (r == 0)
		r = control_free_bytes(c->base, &server.free_bytes, err);
	server.now_s = jobs.now_s;
	return r < 0 ? r
		     : p2v_json_encode(
			       &control_server_type, &server, false, &call->answer->body, err);
}

static int run_openapi(struct api_call *call, struct p2v_err *err)
{
	return control_openapi(&call->answer->body, err);
}

static int run_metrics(struct api_call *call, struct p2v_err *err)
{
	return control_metrics(call->api, &call->answer->body, err);
}

const struct api_route control_routes[] = {
	{"GET", "/v1/server", API_VIEWER, "This server", NULL, &control_server_type, JSON, false,
		run_server},
	{"GET", "/v1/jobs", API_VIEWER, "All jobs", NULL, &ledger_jobs_type, JSON, false, run_jobs},
	{"GET", "/v1/jobs/{job}", API_VIEWER, "A job, by its number or name", NULL,
		&ledger_job_type, JSON, false, run_job},
	{"GET", "/v1/jobs/{job}/events", API_VIEWER, "Who did what to a job", NULL,
		&ledger_events_type, JSON, true, run_job_events},
	{"GET", "/v1/jobs/{job}/files/{file}", API_VIEWER,
		"What lies in the job directory: machine.json, receipt, image.json, facts.json, "
		"plan.json, changes.json, output.json, proof.json, orders.json, job.log, "
		"changes/*, proof/*",
		NULL, NULL, "application/octet-stream", false, run_file},
	{"GET", "/v1/jobs/{job}/snapshots", API_VIEWER,
		"What its disks were: pristine, and after each conversion", NULL,
		&store_snapshots_type, JSON, false, control_run_snapshots},
	{"GET", "/v1/jobs/{job}/snapshots/{file}", API_VIEWER,
		"What a snapshot, by its name, differs in from the pristine disk", NULL,
		&model_changes_type, JSON, false, control_run_snapshot},
	{"POST", "/v1/jobs/{job}/actions", API_OPERATOR,
		"hold, approve, retry, cancel, rollback, handover, rm (administrators) or "
		"priority",
		&control_action_type, &ledger_job_type, JSON, false, run_action},
	{"POST", "/v1/jobs/{job}/orders", API_OPERATOR,
		"What it is to become (orders.json), before it is converted; earlier "
		"orders are forgotten",
		&model_orders_type, &ledger_job_type, JSON, false, run_orders},
	{"GET", "/v1/agents", API_VIEWER,
		"Machines that wait to be let in or for a name, and those that were let in", NULL,
		&store_agents_type, JSON, false, control_run_agents},
	{"POST", "/v1/agents/actions", API_OPERATOR,
		"enroll (by the code on its screen), assign a name, or rm",
		&control_agent_action_type, &store_agent_type, JSON, false,
		control_run_agent_action},
	{"GET", "/v1/door", API_VIEWER,
		"Until when machines with unknown keys may ask; 0: they may not", NULL,
		&store_door_type, JSON, false, control_run_door},
	{"POST", "/v1/door", API_OPERATOR, "Let them ask, or not any more",
		&control_door_action_type, &store_door_type, JSON, false, control_run_door_action},
	{"GET", "/v1/keys", API_VIEWER, "Keys that agents may come with", NULL, &control_keys_type,
		JSON, false, control_run_keys},
	{"POST", "/v1/keys", API_ADMIN, "Lets a key in", &control_key_request_type,
		&control_key_type, JSON, false, control_run_key_add},
	{"POST", "/v1/keys/revoke", API_ADMIN, "Takes a key out, by its name or fingerprint",
		&control_key_revoke_type, &control_keys_type, JSON, false, control_run_key_revoke},
	{"GET", "/v1/events", API_VIEWER, "The audit log: who did what", NULL, &ledger_events_type,
		JSON, true, run_events},
	{"GET", "/v1/openapi.json", API_VIEWER, "This document", NULL, NULL, JSON, false,
		run_openapi},
	{"GET", "/metrics", API_VIEWER, "For Prometheus", NULL, NULL,
		"text/plain; version=0.0.4; charset=utf-8", false, run_metrics},
	{NULL, NULL, API_VIEWER, NULL, NULL, NULL, NULL, false, NULL},
};

/* ---- dispatch ---- */

/* Whether path is the route's; in ret_job (malloc'd) and ret_rest what its braces stand for. */
static bool route_match(
	const struct api_route *route, const char *path, char **ret_job, const char **ret_rest)
{
	const char *at = route->path;

	while (*at && *path) {
		if (strncmp(at, "{job}", 5) == 0) {
			size_t n = strcspn(path, "/");

			free(*ret_job);
			*ret_job = strndup(path, n);
			at += 5;
			path += n;
		} else if (strcmp(at, "{file}") == 0) {
			*ret_rest = path;
			return true;
		} else if (*at++ != *path++) {
			return false;
		}
	}
	return !*at && !*path;
}

static unsigned status_of(int kind)
{
	static const struct {
		int kind;
		unsigned status;
	} rows[] = {{P2V_EINVAL, 400}, {P2V_EREFUSED, 409}, {P2V_ENOTFOUND, 404}, {P2V_EEXIST, 409},
		{P2V_ELINK, 503}, {P2V_ETIMEDOUT, 503}, {P2V_ENOSPC, 507}};

	for (size_t i = 0; i < P2V_N(rows); i++)
		if (rows[i].kind == kind)
			return rows[i].status;
	return 500;
}

static void answer_error(struct api_answer *answer, unsigned status, const struct p2v_err *err)
{
	struct api_error error = {
		1, (char *)(uintptr_t)p2v_err_word(err->kind), (char *)(uintptr_t)err->text};

	answer->status = status;
	answer->type = JSON;
	p2v_buf_reset(&answer->body);
	p2v_json_encode(&control_error_type, &error, false, &answer->body, NULL);
}

static int call_run(
	const struct api_route *route, struct api_call *call, const char *job, struct p2v_err *err)
{
	int r = 0;

	pthread_mutex_lock(&call->api->lock);
	if (job)
		r = store_ledger_job(call->api->ledger, job, &call->job, err);
	if (r == 0)
		r = route->run(call, err);
	pthread_mutex_unlock(&call->api->lock);
	ledger_job_finish(&call->job);
	return r;
}

/* The route, or how far the search came. */
static const struct api_route *route_find(const struct api_request *request, char **ret_job,
	const char **ret_rest, unsigned *ret_status, struct p2v_err *err)
{
	p2v_err_set(
		err, P2V_ENOTFOUND, "'%.80s' is nothing here; see /v1/openapi.json", request->path);
	*ret_status = 404;
	for (const struct api_route *route = control_routes; route->path; route++) {
		if (!route_match(route, request->path, ret_job, ret_rest))
			continue;
		if (strcmp(route->method, request->method) == 0) {
			if (request->role >= route->role)
				return route;
			p2v_err_set(err, P2V_EREFUSED, "a %s may not do this",
				request->role == API_VIEWER ? "viewer" : "operator");
			*ret_status = 403;
			return NULL;
		}
		p2v_err_set(err, P2V_EINVAL, "%.80s takes %s", request->path, route->method);
		*ret_status = 405;
	}
	return NULL;
}

void control_api_answer(struct api *api, const struct api_request *request, struct api_answer *ret)
{
	p2v_autofree char *job = NULL;
	struct api_call call = {.api = api, .request = request, .answer = ret};
	struct p2v_err err = {0};
	unsigned status;
	const struct api_route *route = route_find(request, &job, &call.rest, &status, &err);
	int r;

	if (!route) {
		answer_error(ret, status, &err);
		return;
	}
	ret->status = 200;
	ret->type = route->type;
	r = call_run(route, &call, strstr(route->path, "{job}") ? job : NULL, &err);
	if (r == 0 && ret->body.failed)
		r = p2v_err_set(&err, P2V_ENOMEM, "out of memory");
	if (r < 0)
		answer_error(ret, status_of(r), &err);
}

/* ---- the stream ---- */

static int event_add(const struct event *event, struct p2v_buf *out, struct p2v_err *err)
{
	struct events one = {1, (struct event *)(uintptr_t)event, 1};

	p2v_buf_addf(out, "id: %llu\nevent: job\ndata: ", (unsigned long long)event->id);
	/* One line, as encode ends with one. */
	if (p2v_json_encode(&ledger_events_type, &one, false, out, err) < 0)
		return P2V_ENOMEM;
	p2v_buf_add_str(out, "\n");
	return p2v_buf_check(out, err);
}

int control_api_events(struct api *api, uint64_t *after, struct p2v_buf *out, struct p2v_err *err)
{
	p2v_auto_events struct events events = {0};
	int r;

	pthread_mutex_lock(&api->lock);
	r = store_ledger_events(api->ledger, 0, *after, EVENTS_MOST, &events, err);
	pthread_mutex_unlock(&api->lock);
	for (size_t i = 0; r == 0 && i < events.n_events; i++) {
		r = event_add(&events.events[i], out, err);
		*after = events.events[i].id;
	}
	return r;
}
