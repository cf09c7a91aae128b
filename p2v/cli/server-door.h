/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_SERVER_DOOR_H
#define P2V_CLI_SERVER_DOOR_H

/* The way to p2vd: its socket on this host, or on another one by ssh. */

#include <sys/types.h>

#include "p2v/core/buf.h"
#include "p2v/core/json.h"

struct cli_server {
	char *socket;
	pid_t ssh;	  /* that brings a far socket here, or 0 */
	char *dir, *host; /* where it is then, and comes from */
};

/* socket: a path, or NULL for the one that p2vd.conf names. host: [USER@]HOST as ssh(1) takes it,
 * or NULL. Another host is reached by the user's own ssh, with his keys or agent: it cannot ask. */
int cli_server_open(
	const char *socket, const char *host, struct cli_server *ret, struct p2v_err *err);
void cli_server_close(struct cli_server *server);
#define p2v_auto_server __attribute__((cleanup(cli_server_close)))

/* What the API answers; its refusals and errors become ours. json: a body, or NULL. */
int cli_server_call(const struct cli_server *server, const char *method, const char *path,
	const char *json, struct p2v_buf *ret, struct p2v_err *err);
/* The same, decoded into obj (zeroed). */
int cli_server_get(const struct cli_server *server, const char *path,
	const struct p2v_json_type *type, void *obj, struct p2v_err *err);

#endif
