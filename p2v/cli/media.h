/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_MEDIA_H
#define P2V_CLI_MEDIA_H

/* The words behind `p2v media`: argv[0] is the word. As verb.h's run. */

#include "p2v/core/err.h"
#include "p2v/core/opt.h"

extern const struct p2v_cmd cli_media_build_cmd, cli_media_pxe_cmd, cli_media_key_cmd,
	cli_media_revoke_cmd;

int cli_media_build(const struct p2v_cmd *cmd, int argc, char **argv, struct p2v_err *err);
int cli_media_key(int argc, char **argv, struct p2v_err *err);
int cli_media_revoke(int argc, char **argv, struct p2v_err *err);

#endif
