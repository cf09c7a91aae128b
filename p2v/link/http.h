/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_HTTP_H
#define P2V_LINK_HTTP_H

/*
 * Fetches a file by http or https. Nobody is believed for being reached: the bytes have a
 * digest that was told beforehand, or the https server has the public key that was, or both. No
 * list of certificate authorities is asked. Redirects are followed within the same protocol, since
 * what counts is checked at the end.
 */

#include <stddef.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

struct link_http_spec {
	const char *url;
	const char *digest;	/* "sha256:" and 64 hex digits, or NULL */
	const char *public_key; /* "sha256//" and base64, as curl --pinnedpubkey; or NULL */
	size_t max_bytes;
	int timeout_ms;
};

/*
 * P2V_EINVAL   neither a digest nor a key, or they are not written as above; not http or https
 * P2V_ELINK    not reached, or the answer was not a success
 * P2V_EREFUSED another digest, or another key
 * P2V_EFORMAT  more than max_bytes
 */
int link_http_get(const struct link_http_spec *spec, struct p2v_buf *ret, struct p2v_err *err);
/* The same into fd, a regular file that is emptied first; a digest must be told. What is there
 * after a failure is worth nothing. */
int link_http_fetch(const struct link_http_spec *spec, int fd, struct p2v_err *err);

#endif
