/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/connect.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/stop.h"

#define RECEIVER "p2v-recv" /* where sshd has a forced command, it does not even look at this */

/* A receiver that hears nothing for thrice that gives its agent up. */
#define AHEAD_MS 10000

int agent_connector_init(
	const struct agent_opts *o, struct agent_connector *ret, struct p2v_err *err)
{
	int r;

	*ret = (struct agent_connector){.lock = PTHREAD_MUTEX_INITIALIZER,
		.ssh = {.target = &ret->target,
			.identity_file = o->identity,
			.known_hosts_file = o->known_hosts,
			.fingerprint = o->host_key,
			.command = RECEIVER}};
	r = link_ssh_row_parse(o->link, &ret->ssh.row, err);
	return r < 0 ? r : link_ssh_target_parse(o->server, &ret->target, err);
}

void agent_connector_finish(struct agent_connector *c)
{
	link_free(c->ahead);
	link_ssh_target_finish(&c->target);
	free(c->methods);
}

static int methods_keep(struct agent_connector *c, struct link *l, struct p2v_err *err)
{
	char *methods = strdup(link_ssh_methods(l));

	if (!methods)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	pthread_mutex_lock(&c->lock);
	free(c->methods);
	c->methods = methods;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

int agent_connect_ahead(struct agent_connector *c, struct p2v_err *err)
{
	int r = link_ssh_open(&c->ssh, &c->ahead, err);

	c->ahead_ms = p2v_now_ms();
	return r;
}

/* The link that was made ahead, where it is not too old. */
static struct link *ahead_take(struct agent_connector *c)
{
	struct link *l;

	pthread_mutex_lock(&c->lock);
	l = c->ahead;
	c->ahead = NULL;
	pthread_mutex_unlock(&c->lock);
	if (l && p2v_now_ms() - c->ahead_ms > AHEAD_MS) {
		link_free(l);
		l = NULL;
	}
	return l;
}

int agent_connect(void *ctx, struct link **ret, struct p2v_err *err)
{
	struct agent_connector *c = ctx;
	struct link *l = ahead_take(c);
	int r = l ? 0 : link_ssh_open(&c->ssh, &l, err);

	if (r == 0)
		r = methods_keep(c, l, err);
	if (r < 0) {
		link_free(l);
		return r;
	}
	*ret = l;
	return 0;
}
