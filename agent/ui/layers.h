/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_LAYERS_H
#define AGENT_UI_LAYERS_H

/* The texts that the settings of this machine come from, lowest first; and what they come to. */

#include "agent/ui/settings.h"
#include "p2v/core/buf.h"
#include "p2v/model/machine.h"

#define UI_CONFIG      "/p2v/config"
#define UI_IDENTITY    "/p2v/identity"
#define UI_KNOWN_HOSTS "/p2v/known_hosts"
#define UI_CONFIG_MAX  ((size_t)1 << 20)

enum ui_layer { UI_LAYER_MEDIUM, UI_LAYER_FETCHED, UI_LAYER_CMDLINE, UI_LAYER_ANSWERS, UI_LAYERS };

struct ui_layers {
	struct p2v_buf texts[UI_LAYERS];
	char *fetched_from; /* what the fetched text came from; NULL: nothing was fetched */
	char *own_identity; /* a key that was made here, for where none came with the medium; or
			       NULL */
};

/* The medium's file and /proc/cmdline. */
int ui_layers_read(struct ui_layers *l, struct p2v_err *err);
/* Fetches what s->config names, unless it is there already. 1: the settings may be others now. */
int ui_layers_fetch(struct ui_layers *l, const struct ui_settings *s, struct p2v_err *err);
/* Makes a key in DIR, which is in memory, where s has none: it opens nothing until somebody at the
 * server says so ('p2v enroll'). 1: the settings are others now. */
int ui_layers_key(
	struct ui_layers *l, const struct ui_settings *s, const char *dir, struct p2v_err *err);
/*
 * A layer that cannot be read counts as empty, and ret_wrong says why ("" where all are fine): the
 * others still say what they say, but somebody has to look at it.
 */
int ui_layers_resolve(const struct ui_layers *l, const struct machine *m, int argc, char **argv,
	struct ui_settings *ret, struct p2v_err *ret_wrong, struct p2v_err *err);
void ui_layers_finish(struct ui_layers *l);

#endif
