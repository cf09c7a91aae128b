/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_RETENTION_H
#define P2V_CONTROL_RETENTION_H

/* How long jobs are kept that nobody works on: "cancelled 30d", "handed-over 14d". */

#include "p2v/store/ledger.h"

struct retention {
	const char *what;
	uint64_t after_s;
};

int control_retention_parse(const char *text, struct retention *ret, struct p2v_err *err);
/* Whether it is over for a job for which nothing has happened since since_s. */
bool control_retention_over(
	const struct retention *rule, const struct job *job, uint64_t since_s, uint64_t now_s);

#endif
