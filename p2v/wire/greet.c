/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/wire/greet.h"

#include "p2v/core/num.h"

void wire_hello_make(
	const char *program, uint64_t features, const struct digest *token, struct wire_hello *ret)
{
	*ret = (struct wire_hello){
		.version_min = WIRE_VERSION,
		.version_max = WIRE_VERSION,
		.features = features,
		.max_frame = WIRE_FRAME_MAX,
		.role = token ? WIRE_ROLE_DATA : WIRE_ROLE_CONTROL,
		.program = wire_text(program),
	};
	if (token)
		ret->token = *token;
}

static int check_max_frame(const char *message, uint32_t max_frame, struct p2v_err *err)
{
	if (max_frame >= WIRE_FRAME_MAX_LOWEST)
		return 0;
	return p2v_err_set(err, P2V_EFORMAT, "%s: frames of %u bytes are too short, %u are needed",
		message, max_frame, WIRE_FRAME_MAX_LOWEST);
}

int wire_welcome_make(const struct wire_hello *hello, const char *program, uint64_t features,
	uint32_t window, struct wire_terms *ret_terms, struct wire_welcome *ret_welcome,
	struct p2v_err *err)
{
	int r;

	if (hello->version_min > WIRE_VERSION)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"the agent speaks protocol %u to %u, this receiver 1 to %u: update the "
			"receiver",
			hello->version_min, hello->version_max, WIRE_VERSION);
	r = check_max_frame("HELLO", hello->max_frame, err);
	if (r < 0)
		return r;
	*ret_terms = (struct wire_terms){
		.version = WIRE_VERSION,
		.features = features & hello->features,
		.max_frame = (uint32_t)p2v_min_u64(hello->max_frame, WIRE_FRAME_MAX),
		.window = window,
		.keepalive_ms = WIRE_KEEPALIVE_MS,
	};
	*ret_welcome = (struct wire_welcome){
		.version = WIRE_VERSION,
		.features = features,
		.max_frame = WIRE_FRAME_MAX,
		.window = window,
		.keepalive_ms = WIRE_KEEPALIVE_MS,
		.program = wire_text(program),
	};
	return 0;
}

int wire_welcome_check(const struct wire_hello *hello, const struct wire_welcome *welcome,
	struct wire_terms *ret_terms, struct p2v_err *err)
{
	int r;

	if (welcome->version < hello->version_min || welcome->version > hello->version_max)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"the receiver chose protocol %u, this agent speaks %u to %u",
			welcome->version, hello->version_min, hello->version_max);
	r = check_max_frame("WELCOME", welcome->max_frame, err);
	if (r < 0)
		return r;
	if (welcome->window < WIRE_CHUNK_MAX || welcome->window > WIRE_WINDOW_MAX)
		return p2v_err_set(err, P2V_EFORMAT, "WELCOME: a window of %u is out of bounds",
			welcome->window);
	if (welcome->keepalive_ms < 1000)
		return p2v_err_set(err, P2V_EFORMAT,
			"WELCOME: a keepalive of %u ms is out of bounds", welcome->keepalive_ms);
	*ret_terms = (struct wire_terms){
		.version = welcome->version,
		.features = welcome->features & hello->features,
		.max_frame = (uint32_t)p2v_min_u64(welcome->max_frame, hello->max_frame),
		.window = welcome->window,
		.keepalive_ms = welcome->keepalive_ms,
	};
	return 0;
}
