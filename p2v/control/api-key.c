/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys of agents, over the API. */
#include "p2v/control/api-route.h"
#include "p2v/control/key.h"
#include "p2v/core/publish.h"

int control_run_keys(struct api_call *call, struct p2v_err *err)
{
	p2v_auto_keys struct keys keys = {0};
	int r = control_key_list(call->api->config->keys, &keys, err);

	return r < 0 ? r
		     : p2v_json_encode(&control_keys_type, &keys, false, &call->answer->body, err);
}

static int body_decode(
	struct api_call *call, const struct p2v_json_type *type, void *obj, struct p2v_err *err)
{
	int r = p2v_json_decode(type, call->request->body, call->request->n, obj, err);

	return r < 0 ? p2v_err_wrap(err, P2V_EINVAL, "the request's body") : 0;
}

int control_run_key_add(struct api_call *call, struct p2v_err *err)
{
	const struct server_config *config = call->api->config;
	struct key_request request = {0};
	struct key key = {0};
	p2v_autofree char *text = NULL;
	int r = body_decode(call, &control_key_request_type, &request, err);

	if (r < 0)
		return r;
	r = control_key_add(config->keys, config->base, &request, &key, err);
	p2v_json_free(&control_key_request_type, &request);
	if (r < 0)
		return r;
	text = p2v_strf("%s %s", key.name, key.fingerprint);
	r = store_ledger_note(
		call->api->ledger, NULL, call->request->who, "key new", text ? text : "", err);
	if (r == 0)
		r = p2v_json_encode(&control_key_type, &key, false, &call->answer->body, err);
	p2v_json_free(&control_key_type, &key);
	return r;
}

int control_run_key_revoke(struct api_call *call, struct p2v_err *err)
{
	struct key_revoke revoke = {0};
	p2v_autofree char *text = NULL;
	int r = body_decode(call, &control_key_revoke_type, &revoke, err);

	if (r < 0)
		return r;
	r = control_key_revoke(call->api->config->keys, revoke.key, &text, err);
	p2v_json_free(&control_key_revoke_type, &revoke);
	if (r == 0)
		r = store_ledger_note(
			call->api->ledger, NULL, call->request->who, "key revoke", text, err);
	return r < 0 ? r : control_run_keys(call, err);
}
