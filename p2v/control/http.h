/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_HTTP_H
#define P2V_CONTROL_HTTP_H

/*
 * HTTP before the API (libmicrohttpd). Threads of its own; bounded in connections, body size and
 * time.
 *
 * On a Unix socket: who may open it (its mode is 0660) is an administrator, and the kernel says who
 * he is, for the audit log. Over TCP only with TLS, and only who shows a token (control/token.h):
 * "Authorization: Bearer TOKEN".
 */

#include "p2v/control/api.h"

struct http;

/* path: the socket; one that a dead server left there is replaced. P2V_EREFUSED: something else is
 * there. */
int control_http_start(struct api *api, const char *path, struct http **ret, struct p2v_err *err);
/* By config->listen, tls_cert, tls_key and tokens; *ret is NULL where nothing is to listen. */
int control_https_start(struct api *api, struct http **ret, struct p2v_err *err);
/* Ends all connections. NULL is fine. */
void control_http_stop(struct http *http);

#endif
