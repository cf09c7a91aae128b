/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_AGENTS_FILE_H
#define P2V_STORE_AGENTS_FILE_H

/* The files behind store/agents.h. For agents*.c alone. */

#include "p2v/store/agents.h"

/* make: where the directory is not there. P2V_ENOTFOUND without. ret: closing it lets go. */
int agents_dir_lock(const char *base, bool make, int *ret, struct p2v_err *err);
/* All that still count; those whose time is over are removed. None where there is no directory. */
int agents_file_all(const char *base, struct store_agents *ret, struct p2v_err *err);
int agents_file_save(const char *base, const struct store_agent *agent, struct p2v_err *err);
void agents_file_remove(const char *base, const char *id);
/* What is kept of what a machine says. */
int agents_file_of_machine(const struct machine *m, const char *key, const char *address,
	struct store_agent *ret, struct p2v_err *err);

#endif
