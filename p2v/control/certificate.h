/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_CERTIFICATE_H
#define P2V_CONTROL_CERTIFICATE_H

/* How long the certificate of the API (tls_cert) is good. */

#include <stdint.h>

#include "p2v/core/err.h"

/* path: PEM; the first one in it is the server's own. ret_until_s: since 1970. P2V_EFORMAT: there
 * is none in it. */
int control_certificate_until(const char *path, int64_t *ret_until_s, struct p2v_err *err);

#endif
