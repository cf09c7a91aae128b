/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/layers.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/link/http.h"

#define FETCH_MS     60000

#define OWN_IDENTITY "identity"
#define KEY_MS	     60000

static const char *const names[UI_LAYERS] = {
	"the medium's " UI_CONFIG, "the settings fetched", "kernel command line", "answers"};

int ui_layers_read(struct ui_layers *l, struct p2v_err *err)
{
	int r = p2v_file_read("/proc/cmdline", UI_CONFIG_MAX, &l->texts[UI_LAYER_CMDLINE], err);

	if (r == 0 && p2v_file_exists(UI_CONFIG))
		r = p2v_file_read(UI_CONFIG, UI_CONFIG_MAX, &l->texts[UI_LAYER_MEDIUM], err);
	return r;
}

int ui_layers_fetch(struct ui_layers *l, const struct ui_settings *s, struct p2v_err *err)
{
	const struct link_http_spec spec = {
		s->config, s->config_digest, s->config_key, UI_CONFIG_MAX, FETCH_MS};
	int r;

	if (!s->config || (l->fetched_from && strcmp(l->fetched_from, s->config) == 0))
		return 0;
	p2v_buf_reset(&l->texts[UI_LAYER_FETCHED]);
	r = link_http_get(&spec, &l->texts[UI_LAYER_FETCHED], err);
	if (r < 0)
		return r;
	free(l->fetched_from);
	l->fetched_from = strdup(s->config);
	return l->fetched_from ? 1 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int ui_layers_key(
	struct ui_layers *l, const struct ui_settings *s, const char *dir, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, OWN_IDENTITY);
	const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
		"p2v-medium", "-f", path, NULL};
	int r = 0;

	if (s->identity || !s->server)
		return 0;
	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	/* A worker that was started anew goes on with the key that may be known by now. */
	if (!p2v_file_exists(path))
		r = p2v_proc_run(argv, NULL, 0, KEY_MS, NULL, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "making a key");
	free(l->own_identity);
	l->own_identity = p2v_steal(path);
	return 1;
}

/* What the medium brought, where nothing else was told. */
static void defaults_take(const struct ui_layers *l, struct ui_settings *s)
{
	if (!s->identity)
		s->identity = p2v_file_exists(UI_IDENTITY) ? UI_IDENTITY : l->own_identity;
	if (!s->known_hosts && !s->host_key && p2v_file_exists(UI_KNOWN_HOSTS))
		s->known_hosts = UI_KNOWN_HOSTS;
}

int ui_layers_resolve(const struct ui_layers *l, const struct machine *m, int argc, char **argv,
	struct ui_settings *ret, struct p2v_err *ret_wrong, struct p2v_err *err)
{
	ui_autosaid struct ui_said said = {0};
	struct ui_said none = {0};
	int r;

	p2v_err_clear(ret_wrong);
	for (size_t i = 0; i < UI_LAYERS; i++) {
		struct p2v_span text = p2v_span_of(l->texts[i].data, l->texts[i].len);
		struct p2v_err wrong = {0};

		if (i == UI_LAYER_CMDLINE)
			r = ui_said_add_cmdline(&said, names[i], text, &wrong);
		else
			r = ui_said_add_file(&said, names[i], text, m, &wrong);
		if (r < 0 && !ret_wrong->kind)
			*ret_wrong = wrong;
	}
	r = ui_settings_resolve(&said, argc, argv, ret, ret_wrong);
	/* Values that do not fit: nothing but the defaults holds. */
	if (r < 0)
		r = ui_settings_resolve(&none, argc, argv, ret, err);
	if (r == 0)
		defaults_take(l, ret);
	return r;
}

void ui_layers_finish(struct ui_layers *l)
{
	for (size_t i = 0; i < UI_LAYERS; i++)
		p2v_buf_finish(&l->texts[i]);
	free(l->fetched_from);
	free(l->own_identity);
	memset(l, 0, sizeof(*l));
}
