/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_CONNECT_H
#define AGENT_CONNECT_H

/* How the agent reaches its server: links as the options say, one after the other or several. */

#include <pthread.h>

#include "agent/agent.h"
#include "p2v/link/ssh.h"

struct agent_connector {
	struct link_ssh_target target;
	struct link_ssh_spec ssh;
	pthread_mutex_t lock;
	struct link *ahead; /* or NULL */
	uint64_t ahead_ms;
	char *methods; /* of the last link ("openssh aes128-gcm@..."); NULL: none yet */
};

/* The options are lent until finish; it stays where it is. */
int agent_connector_init(
	const struct agent_opts *o, struct agent_connector *ret, struct p2v_err *err);
void agent_connector_finish(struct agent_connector *c);
/* Makes the first link before somebody asks for it, while others do something else: key exchange
 * and the server's programs take their time. By the thread that will end the link. */
int agent_connect_ahead(struct agent_connector *c, struct p2v_err *err);
/* For send_spec.connect, whose contract it has; ctx: the connector. */
int agent_connect(void *ctx, struct link **ret, struct p2v_err *err);

#endif
