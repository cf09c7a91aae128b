/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_LOCAL_H
#define P2V_LINK_LOCAL_H

/*
 * HTTP to a server of this host, through a Unix socket. The socket's mode says who may ask; there
 * is no name to check and nothing to encrypt.
 */

#include <stddef.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

struct link_local_spec {
	const char *socket;	   /* path */
	const char *method, *path; /* "GET", "/v1/jobs"; not escaped here */
	const char *json;	   /* the body, or NULL */
	size_t max_bytes;	   /* of the answer */
	int timeout_ms;
};

/* Whatever the server answers is an answer: its status is for the caller to judge. P2V_ENOTFOUND:
 * nothing listens there; P2V_EREFUSED: this user may not open the socket; P2V_ELINK; P2V_EFORMAT:
 * more than max_bytes. Stops on a stop request (P2V_ECANCELED). */
int link_local_call(const struct link_local_spec *spec, unsigned *ret_status, struct p2v_buf *ret,
	struct p2v_err *err);

#endif
