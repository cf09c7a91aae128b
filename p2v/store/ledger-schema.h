/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_LEDGER_SCHEMA_H
#define P2V_STORE_LEDGER_SCHEMA_H

/* The ledger's tables, and how an older one becomes the present one. */

#include "p2v/store/db.h"

int store_schema_update(struct db *db, struct p2v_err *err);

#endif
