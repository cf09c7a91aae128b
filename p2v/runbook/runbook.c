/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/runbook.h"

#include <string.h>

#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/yaml-doc.h"
#include "p2v/runbook/rule.h"

#define RUNBOOK_MAX ((size_t)1 << 20)

static const struct p2v_json_field match_fields[] = {
	P2V_JSON_STR(struct runbook_match, serial, 0),
	P2V_JSON_STR(struct runbook_match, uuid, 0),
	P2V_JSON_STR(struct runbook_match, mac, 0),
	P2V_JSON_STR(struct runbook_match, name, 0),
	P2V_JSON_END,
};
const struct p2v_json_type runbook_match_type = {
	"match", sizeof(struct runbook_match), match_fields};

static const struct p2v_json_field hook_fields[] = {
	P2V_JSON_STRS(struct runbook_hook, run, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct runbook_hook, timeout_s, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type runbook_hook_type = {"hook", sizeof(struct runbook_hook), hook_fields};

static const struct p2v_json_field hooks_fields[] = {
	P2V_JSON_OBJ(struct runbook_hooks, before, 0, &runbook_hook_type),
	P2V_JSON_OBJ(struct runbook_hooks, after, 0, &runbook_hook_type),
	P2V_JSON_OBJ(struct runbook_hooks, failed, 0, &runbook_hook_type),
	P2V_JSON_END,
};
static const struct p2v_json_type hooks_type = {
	"hooks", sizeof(struct runbook_hooks), hooks_fields};

static const struct p2v_json_field cutover_fields[] = {
	P2V_JSON_U32(struct runbook_cutover, refresh_min, P2V_JSON_OMIT),
	P2V_JSON_OBJ(struct runbook_cutover, refresh, 0, &runbook_hook_type),
	P2V_JSON_OBJ(struct runbook_cutover, final, 0, &runbook_hook_type),
	P2V_JSON_OBJ(struct runbook_cutover, handover, 0, &runbook_hook_type),
	P2V_JSON_OBJ(struct runbook_cutover, rollback, 0, &runbook_hook_type),
	P2V_JSON_STR(struct runbook_cutover, interface, 0),
	P2V_JSON_END,
};
const struct p2v_json_type runbook_cutover_type = {
	"cutover", sizeof(struct runbook_cutover), cutover_fields};

static const struct p2v_json_field server_fields[] = {
	P2V_JSON_STR(struct runbook_server, name, 0),
	P2V_JSON_OBJ(struct runbook_server, match, 0, &runbook_match_type),
	P2V_JSON_STR(struct runbook_server, target, 0),
	P2V_JSON_STR(struct runbook_server, format, 0),
	P2V_JSON_STR(struct runbook_server, root, 0),
	P2V_JSON_STR(struct runbook_server, virtio_win, 0),
	P2V_JSON_STR(struct runbook_server, virtio_win_digest, 0),
	P2V_JSON_STR(struct runbook_server, memory, 0),
	P2V_JSON_STR(struct runbook_server, bandwidth, 0),
	P2V_JSON_U32(struct runbook_server, cpus, P2V_JSON_OMIT),
	P2V_JSON_U32(struct runbook_server, priority, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct runbook_server, leave_out, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct runbook_server, keys, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct runbook_server, window, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct runbook_server, approve, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct runbook_server, networks, P2V_JSON_OMIT, &model_orders_network_type),
	P2V_JSON_OBJS(struct runbook_server, checks, P2V_JSON_OMIT, &model_orders_check_type),
	P2V_JSON_STR(struct runbook_server, size, 0),
	P2V_JSON_STR(struct runbook_server, rate, 0),
	P2V_JSON_OBJ(struct runbook_server, hooks, 0, &hooks_type),
	P2V_JSON_OBJ(struct runbook_server, cutover, 0, &runbook_cutover_type),
	P2V_JSON_END,
};
const struct p2v_json_type runbook_server_type = {
	"server", sizeof(struct runbook_server), server_fields};

static const struct p2v_json_field wave_fields[] = {
	P2V_JSON_STR(struct runbook_wave, name, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct runbook_wave, go_on, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct runbook_wave, servers, P2V_JSON_REQUIRED, &runbook_server_type),
	P2V_JSON_END,
};
const struct p2v_json_type runbook_wave_type = {"wave", sizeof(struct runbook_wave), wave_fields};

static const struct p2v_json_field runbook_fields[] = {
	P2V_JSON_U32(struct runbook, version, P2V_JSON_OMIT),
	P2V_JSON_STR(struct runbook, name, P2V_JSON_REQUIRED),
	P2V_JSON_OBJ(struct runbook, defaults, 0, &runbook_server_type),
	P2V_JSON_OBJS(struct runbook, waves, P2V_JSON_REQUIRED, &runbook_wave_type),
	P2V_JSON_END,
};
const struct p2v_json_type runbook_type = {"runbook", sizeof(struct runbook), runbook_fields};

void runbook_finish(struct runbook *runbook)
{
	p2v_json_free(&runbook_type, runbook);
}

/* ---- defaults ---- */

static bool fill(const struct p2v_json_type *type, void *to, const void *from);

static bool strs_fill(const struct p2v_json_field *f, char *to, const char *from)
{
	char *const *texts = *(char *const *const *)(from + f->offset);
	size_t n = *(const size_t *)(from + f->n_offset);
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++)
		ok = p2v_json_add_str((char ***)(to + f->offset), (size_t *)(to + f->n_offset),
			     texts[i], NULL) == 0;
	return ok;
}

static bool objs_fill(const struct p2v_json_field *f, char *to, const char *from)
{
	const char *items = *(const char *const *)(from + f->offset);
	size_t n = *(const size_t *)(from + f->n_offset);
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		void *item = p2v_json_grow(
			(void **)(to + f->offset), (size_t *)(to + f->n_offset), f->type->size);

		ok = item && fill(f->type, item, items + i * f->type->size);
	}
	return ok;
}

static bool str_fill(char **to, const char *from)
{
	if (!*to && from)
		*to = strdup(from);
	return *to || !from;
}

static bool field_fill(const struct p2v_json_field *f, char *to, const char *from)
{
	bool has = f->n_offset && *(size_t *)(to + f->n_offset);

	switch (f->kind) {
	case P2V_JSON_KIND_STR:
		return str_fill((char **)(to + f->offset), *(char *const *)(from + f->offset));
	case P2V_JSON_KIND_U32:
		if (!*(uint32_t *)(to + f->offset))
			*(uint32_t *)(to + f->offset) = *(const uint32_t *)(from + f->offset);
		return true;
	case P2V_JSON_KIND_OBJ:
		return fill(f->type, to + f->offset, from + f->offset);
	case P2V_JSON_KIND_STRS:
		return has || strs_fill(f, to, from);
	case P2V_JSON_KIND_OBJS:
		return has || objs_fill(f, to, from);
	default: /* a server has no others */
		return true;
	}
}

/* What `to` does not say it says as `from` does. */
static bool fill(const struct p2v_json_type *type, void *to, const void *from)
{
	bool ok = true;

	for (const struct p2v_json_field *f = type->fields; ok && f->key; f++)
		ok = field_fill(f, to, from);
	return ok;
}

static int defaults_fill(struct runbook *runbook, struct p2v_err *err)
{
	bool ok = true;

	for (size_t w = 0; w < runbook->n_waves; w++)
		for (size_t s = 0; ok && s < runbook->waves[w].n_servers; s++)
			ok = fill(&runbook_server_type, &runbook->waves[w].servers[s],
				&runbook->defaults);
	return ok ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int runbook_decode(const void *text, size_t n, struct runbook *ret, struct p2v_err *err)
{
	struct runbook got = {0};
	int r = p2v_yaml_decode(&runbook_type, text, n, &got, err);

	if (r == 0)
		r = runbook_check(&got, p2v_span_of(text, n), err);
	if (r == 0)
		r = defaults_fill(&got, err);
	if (r < 0)
		runbook_finish(&got);
	else
		*ret = got;
	return r;
}

int runbook_load(const char *path, struct runbook *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = p2v_file_read(path, RUNBOOK_MAX, &text, err);

	if (r < 0)
		return r;
	r = runbook_decode(text.data, text.len, ret, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", path) : 0;
}

/* ---- what follows ---- */

bool runbook_approves(const struct runbook_server *server, const char *point)
{
	for (size_t i = 0; i < server->n_approve; i++)
		if (strcmp(server->approve[i], point) == 0)
			return true;
	return false;
}

bool runbook_cuts_over(const struct runbook_server *server)
{
	return server->cutover.final.n_run != 0;
}

static int holds_add(const struct runbook_server *server, struct orders *o, struct p2v_err *err)
{
	int r = p2v_json_add_str(&o->hold, &o->n_hold, "conversion", err);

	if (r == 0 && runbook_approves(server, "emission"))
		r = p2v_json_add_str(&o->hold, &o->n_hold, "emission", err);
	return r;
}

/* The two tables call the same things the same, so the one's text is the other's; each passes over
 * what it does not know. */
int runbook_orders(const struct runbook_server *server, struct orders *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf json = {0}, text = {0};
	p2v_auto_orders struct orders got = {0};
	int r = p2v_json_encode(&runbook_server_type, server, false, &json, err);

	if (r == 0) {
		p2v_buf_addf(&text, "{\"version\":1,%s", (const char *)json.data + 1);
		r = p2v_buf_check(&text, err);
	}
	if (r == 0)
		r = model_orders_decode(text.data, text.len, &got, err);
	if (r == 0 && server->memory)
		r = p2v_num_parse_bytes(server->memory, "memory", &got.memory_bytes, err);
	if (r == 0 && server->bandwidth)
		r = p2v_num_parse_bytes(server->bandwidth, "bandwidth", &got.bandwidth_bytes, err);
	if (r == 0)
		r = holds_add(server, &got, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "%s", server->name);
	*ret = got;
	got = (struct orders){0};
	return 0;
}
