/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_METHOD_H
#define P2V_LINK_SSH_METHOD_H

#include <libssh2.h>
#include <stdbool.h>

#include "p2v/core/err.h"

/*
 * Offers for `method` (LIBSSH2_METHOD_...) those of the comma-separated names that this libssh2
 * knows, in that order. P2V_EINVAL where it knows none. For ssh-*.c alone: libssh2 is never given a
 * name that it does not know, since 1.10 strikes those out with a memcpy that overlaps.
 */
int ssh_method_prefer(LIBSSH2_SESSION *session, int method, const char *names, struct p2v_err *err);

/* Whether this libssh2 has it at all. */
bool ssh_method_known(int method, const char *name);

#endif
