/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_HISTORY_H
#define P2V_CONTROL_HISTORY_H

/* The whole history of a job, from the other side of the API: an answer has so many events and no
 * more. */

#include "p2v/store/ledger.h"

/* Asks p2vd for path and decodes the answer into obj (zeroed). */
typedef int (*control_get_fn)(const void *ctx, const char *path, const struct p2v_json_type *type,
	void *obj, struct p2v_err *err);

/* job: its number or its name, which must be one. */
int control_history(control_get_fn get, const void *ctx, const char *job, struct events *ret,
	struct p2v_err *err);

#endif
