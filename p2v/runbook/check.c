/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules on a runbook, and what no rule can say. Its text is read a second time, as a tree: that
 * knows the lines. */
#include <regex.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/yaml-tree.h"
#include "p2v/runbook/rule.h"

struct check {
	struct p2v_yaml_tree *tree;
	const char *server; /* that is looked at, or NULL */
	struct p2v_err *err;
};

P2V_DEFINE_CLEANUP(struct p2v_yaml_tree *, p2v_yaml_tree_free);

/* "line 7: web01: ..." */
static int wrong(const struct check *c, int node, const char *what, const char *why)
{
	return p2v_err_set(c->err, P2V_EFORMAT, "line %u: %s%s%s: %s", p2v_yaml_line(c->tree, node),
		c->server ? c->server : "", c->server ? ": " : "", what, why);
}

static int pattern_matches(const char *pattern, const char *text, struct p2v_err *err)
{
	regex_t regex;
	int r;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return r;
}

/* Of UTF-8. */
static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static int text_check(
	const struct check *c, int node, const struct runbook_rule *rule, const char *text)
{
	p2v_autofree char *why = NULL;
	int r = text && rule->pattern ? pattern_matches(rule->pattern, text, c->err) : 1;
	bool fits = !text || !rule->max || characters(text) <= rule->max;

	if (r < 0 || (r > 0 && fits))
		return r < 0 ? r : 0;
	why = p2v_strf("'%.80s' is not %s", text, rule->right);
	return wrong(c, node, rule->key, why ? why : "");
}

static int number_check(
	const struct check *c, int node, const struct runbook_rule *rule, uint32_t number)
{
	p2v_autofree char *why = NULL;

	if (!rule->max || number <= rule->max)
		return 0;
	why = p2v_strf("%u is more than %u", number, rule->max);
	return wrong(c, node, rule->key, why ? why : "");
}

static int object_check(
	const struct check *c, int node, const struct p2v_json_type *type, const void *obj);

static int field_check(const struct check *c, int node, const struct runbook_rule *rule,
	const struct p2v_json_field *f, const char *at)
{
	size_t n = f->n_offset ? *(const size_t *)(at + f->n_offset) : 0;
	const void *member = at + f->offset;
	int r = 0;

	if (rule && f->kind == P2V_JSON_KIND_STR)
		return text_check(c, node, rule, *(char *const *)member);
	if (rule && f->kind == P2V_JSON_KIND_U32)
		return number_check(c, node, rule, *(const uint32_t *)member);
	if (f->kind == P2V_JSON_KIND_OBJ)
		return node ? object_check(c, node, f->type, member) : 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		int item = p2v_yaml_item_at(c->tree, node, i);

		if (f->kind == P2V_JSON_KIND_OBJS)
			r = object_check(c, item ? item : node, f->type,
				*(const char *const *)member + i * f->type->size);
		else if (rule)
			r = text_check(c, item ? item : node, rule, (*(char **const *)member)[i]);
	}
	return r;
}

static int object_check(
	const struct check *c, int node, const struct p2v_json_type *type, const void *obj)
{
	struct check inner = *c;
	int r = 0;

	if (type == &runbook_server_type && ((const struct runbook_server *)obj)->name)
		inner.server = ((const struct runbook_server *)obj)->name;
	for (const struct p2v_json_field *f = type->fields; r == 0 && f->key; f++)
		r = field_check(&inner, p2v_yaml_get(c->tree, node, f->key),
			runbook_rule_find(type, f->key), f, obj);
	return r;
}

/* ---- what no rule says ---- */

static int windows_check(const struct check *c, int node, const struct runbook_server *server)
{
	for (size_t i = 0; i < server->n_window; i++) {
		struct p2v_err why = {0};
		struct window window;

		if (control_window_parse(server->window[i], &window, &why) < 0)
			return wrong(c, node, "window", why.text);
	}
	return 0;
}

static int sizes_check(const struct check *c, int node, const struct runbook_server *server)
{
	const struct {
		const char *key, *text;
		uint64_t min;
	} rows[] = {{"memory", server->memory, 16 * P2V_MIB}, {"size", server->size, 1},
		{"rate", server->rate, 1}, {"bandwidth", server->bandwidth, P2V_KIB}};

	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct p2v_err why = {0};
		uint64_t bytes = 0;
		int at = p2v_yaml_get(c->tree, node, rows[i].key);

		if (!rows[i].text)
			continue;
		if (p2v_num_parse_bytes(rows[i].text, rows[i].key, &bytes, &why) < 0)
			return wrong(c, at, rows[i].key, why.text);
		if (bytes < rows[i].min)
			return wrong(c, at, rows[i].key, "is too little");
	}
	return 0;
}

static int wires_check(const struct check *c, int node, const struct runbook_server *server)
{
	for (size_t i = 0; i < server->n_networks; i++) {
		const struct orders_network *n = &server->networks[i];

		if (!n->bridge == !n->network)
			return wrong(c, p2v_yaml_get(c->tree, node, "networks"), "networks",
				"a card leads to a bridge or to a network, and to one of them");
	}
	for (size_t i = 0; i < server->n_checks; i++)
		if (!server->checks[i].tcp && !server->checks[i].http)
			return wrong(c, p2v_yaml_get(c->tree, node, "checks"), "checks",
				"one without tcp and without http");
	return 0;
}

static int media_check(const struct check *c, int node, const struct runbook_server *server)
{
	bool url = server->virtio_win && *server->virtio_win != '/';

	if (url && !server->virtio_win_digest)
		return wrong(c, p2v_yaml_get(c->tree, node, "virtio_win"), "virtio_win",
			"what is fetched from an address has to be known: virtio_win_digest");
	return 0;
}

static int cutover_check(const struct check *c, int node, const struct runbook_server *server)
{
	const struct runbook_cutover *cut = &server->cutover;

	if (cut->handover.n_run && !cut->interface)
		return wrong(c, node, "cutover",
			"handover needs the interface where the physical machine would answer");
	if (!cut->refresh_min != !cut->refresh.n_run)
		return wrong(c, node, "cutover", "refresh and refresh_min go together");
	if (runbook_approves(server, "final") && !cut->final.n_run)
		return wrong(c, node, "approve", "final is said, and cutover has no final");
	if (cut->refresh.n_run && !cut->final.n_run)
		return wrong(c, node, "cutover", "refresh without final: nothing ends it");
	return 0;
}

static int server_check(const struct check *c, int node, const struct runbook_server *server)
{
	int r = windows_check(c, p2v_yaml_get(c->tree, node, "window"), server);

	if (r == 0)
		r = sizes_check(c, node, server);
	if (r == 0)
		r = wires_check(c, node, server);
	if (r == 0)
		r = media_check(c, node, server);
	return r < 0 ? r : cutover_check(c, p2v_yaml_get(c->tree, node, "cutover"), server);
}

static bool same(const char *a, const char *b)
{
	return a && b && strcasecmp(a, b) == 0;
}

static int twins_check(const struct check *c, int node, const struct runbook_server *server,
	const struct runbook_server *other)
{
	const struct runbook_match *a = &server->match, *b = &other->match;

	if (same(server->name, other->name))
		return wrong(c, node, "name", "another server is called so, too");
	if (same(a->uuid, b->uuid) || same(a->mac, b->mac) || same(a->name, b->name) ||
		(same(a->serial, b->serial) && !a->uuid && !a->mac && !a->name))
		return wrong(c, node, "match", "another server matches the same machine");
	return 0;
}

/* Every server before this one: the waves up to w, and in that up to s. */
static int unique_check(
	const struct check *c, int node, const struct runbook *runbook, size_t w, size_t s)
{
	int r = 0;

	for (size_t i = 0; i <= w; i++)
		for (size_t j = 0; r == 0 && j < (i == w ? s : runbook->waves[i].n_servers); j++)
			r = twins_check(c, node, &runbook->waves[w].servers[s],
				&runbook->waves[i].servers[j]);
	return r;
}

static int wave_check(const struct check *c, int node, const struct runbook *runbook, size_t w)
{
	const struct runbook_wave *wave = &runbook->waves[w];
	int list = p2v_yaml_get(c->tree, node, "servers"), r = 0;

	if (wave->n_servers == 0)
		return wrong(c, node, wave->name, "a wave without servers");
	for (size_t s = 0; r == 0 && s < wave->n_servers; s++) {
		struct check inner = {c->tree, wave->servers[s].name, c->err};
		int at = p2v_yaml_item_at(c->tree, list, s);

		if (!inner.server)
			return wrong(c, at ? at : node, "server", "one without a name");
		r = server_check(&inner, at, &wave->servers[s]);
		if (r == 0)
			r = unique_check(&inner, at, runbook, w, s);
	}
	return r;
}

static int defaults_check(const struct check *c, int root, const struct runbook *runbook)
{
	const struct runbook_match *m = &runbook->defaults.match;
	int node = p2v_yaml_get(c->tree, root, "defaults");

	if (runbook->defaults.name || m->serial || m->uuid || m->mac || m->name)
		return wrong(c, node, "defaults", "name and match are a server's own");
	return server_check(c, node, &runbook->defaults);
}

int runbook_check(const struct runbook *runbook, struct p2v_span text, struct p2v_err *err)
{
	p2v_auto(p2v_yaml_tree_free) struct p2v_yaml_tree *tree = NULL;
	int r = p2v_yaml_tree_new(text, &tree, err), root;
	struct check c = {tree, NULL, err};

	if (r < 0)
		return r;
	root = p2v_yaml_root(tree);
	if (runbook->n_waves == 0)
		return wrong(&c, root, "waves", "there are none");
	r = object_check(&c, root, &runbook_type, runbook);
	if (r == 0)
		r = defaults_check(&c, root, runbook);
	for (size_t w = 0; r == 0 && w < runbook->n_waves; w++)
		r = wave_check(&c, p2v_yaml_item_at(tree, p2v_yaml_get(tree, root, "waves"), w),
			runbook, w);
	return r;
}
