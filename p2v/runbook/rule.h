/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_RULE_H
#define P2V_RUNBOOK_RULE_H

/*
 * What the tables of a runbook cannot say: one row for each member, with what it means and what its
 * value looks like. The check and the published schema are made of the same rows.
 */

#include "p2v/core/span.h"
#include "p2v/runbook/runbook.h"

struct runbook_rule {
	const struct p2v_json_type *type;
	const char *key;
	const char *pattern; /* of each text: an extended regular expression that JSON schema reads
				alike; or NULL. Without counts of hundreds: each is so many states
				for the C library, and seconds of its time */
	const char *right;   /* what is right, for the sentence; or NULL */
	const char *help;
	uint32_t max; /* of a number; of a text its characters; 0: none */
};

extern const struct runbook_rule runbook_rules[]; /* ended by one without a type */
/* NULL: there is none. */
const struct runbook_rule *runbook_rule_find(const struct p2v_json_type *type, const char *key);

/* text: where the runbook came from, for lines. It has not been filled in yet. */
int runbook_check(const struct runbook *runbook, struct p2v_span text, struct p2v_err *err);

#endif
