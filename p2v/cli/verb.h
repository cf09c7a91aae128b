/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_VERB_H
#define P2V_CLI_VERB_H

/*
 * A verb of `p2v`: one file, one row in main.c. Its command table (p2v/core/opt.h) is its parser,
 * its
 * --help and its manual page.
 */

#include "p2v/core/err.h"
#include "p2v/core/opt.h"

struct verb {
	const char *word;
	const struct p2v_cmd *cmd;
	/* argv[0] is the verb's word. Returns 0, or a negative kind with a sentence; 1 where help
	 * was printed. A verb that did its work and found something wrong returns P2V_EIO with no
	 * sentence (an empty err): exit code 1 and nothing more to say. */
	int (*run)(int argc, char **argv, struct p2v_err *err);
};

extern const struct verb cli_doctor;
extern const struct verb cli_inspect;
extern const struct verb cli_assess;
extern const struct verb cli_convert;
extern const struct verb cli_prove;
extern const struct verb cli_verify;
extern const struct verb cli_job;
extern const struct verb cli_enroll;
extern const struct verb cli_agent;
extern const struct verb cli_key;
extern const struct verb cli_server_verb;
extern const struct verb cli_media;
extern const struct verb cli_run;

#endif
