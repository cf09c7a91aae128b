/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_ASSESSMENT_H
#define P2V_CLI_ASSESSMENT_H

/*
 * What `p2v assess` finds: computed from facts, machine and plan, nothing else. Its JSON form has
 * the member names as keys, version 1. Strings hold what a guest says, and are foreign.
 */

#include "p2v/core/buf.h"
#include "p2v/core/json.h"
#include "p2v/model/facts.h"
#include "p2v/model/machine.h"
#include "p2v/model/plan.h"

enum assess_verdict {
	ASSESS_READY,
	ASSESS_NEEDS_YOU, /* it converts, but not all of it will be there, or somebody must decide
			   */
	ASSESS_BLOCKED,	  /* p2v convert will refuse */
};

/* Something that only a person can do or decide. */
struct assess_need {
	char *kind; /* key, root, disk, san, fake-raid, device, gpu, ... */
	char *text;
};

struct assess_change {
	char *op, *path, *reason;
	char *name; /* of a service or card that it is about; else NULL */
};

struct assessment {
	uint32_t version; /* 1 */
	char *name;
	int verdict; /* enum assess_verdict */
	char *grade; /* A: every part is one that the tests boot; B: an unknown part gets the
		      * generic path; C: copied as it is; "" where it is blocked */
	char **what; /* one line each: system, boot, disks, network */
	size_t n_what;
	char **becomes; /* one line each: what the virtual machine is */
	size_t n_becomes;
	struct assess_change *changes;
	size_t n_changes;
	struct assess_need *needs;
	size_t n_needs;
	char **blocks;
	size_t n_blocks;
	char **notes; /* to know: nobody has to do anything */
	size_t n_notes;
};

extern const struct p2v_json_type cli_assessment_type;

struct assess_input {
	const struct facts *facts;
	const struct machine *machine;
	const struct plan *plan;
	bool machine_known; /* an inventory, not plan_machine_default */
	bool files_only;    /* no disk was opened: a directory posed as the guest */
};

int cli_assessment_make(const struct assess_input *in, struct assessment *ret, struct p2v_err *err);
/* The needs alone, added to a. */
int cli_assessment_needs(const struct assess_input *in, struct assessment *a, struct p2v_err *err);
/* One page for people, 80 columns; long lists are cut and say so, unless `all`. a must be printable
 * (cli_make_printable). */
int cli_assessment_page(
	const struct assessment *a, bool all, struct p2v_buf *out, struct p2v_err *err);

#endif
