/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_HOOK_H
#define P2V_RUNBOOK_HOOK_H

/*
 * A program of the operator's at a moment of the campaign: on its standard input it gets one JSON
 * object; what it prints goes to the log beside the runbook; exit code 0 is "done", any other one
 * fails the server. It has bounded time, and others go on meanwhile. Whoever is killed in the
 * middle runs it again: it has to bear that.
 */

#include <sys/types.h>

#include "p2v/runbook/runbook.h"

enum campaign_hook {
	CAMPAIGN_HOOK_REFRESH,
	CAMPAIGN_HOOK_FINAL,
	CAMPAIGN_HOOK_BEFORE,
	CAMPAIGN_HOOK_AFTER,
	CAMPAIGN_HOOK_HANDOVER,
	CAMPAIGN_HOOK_FAILED,
	CAMPAIGN_HOOK_ROLLBACK,
};
extern const char *const campaign_hook_words[];

/* The one that the server has; without a program (n_run 0) there is none. */
const struct runbook_hook *campaign_hook_of(
	const struct runbook_server *server, enum campaign_hook which);

/* What it is told. */
struct campaign_hook_news {
	uint32_t version; /* 1 */
	const char *hook, *campaign, *wave, *server;
	uint64_t job;
	const char *job_name, *dir, *note; /* dir: on the conversion server */
};

struct campaign_hook_run {
	pid_t pid; /* 0: none runs */
	enum campaign_hook which;
	uint64_t began_ms, timeout_ms;
};

/* log_fd: where its output goes. */
int campaign_hook_start(const struct runbook_hook *hook, const struct campaign_hook_news *news,
	int log_fd, struct campaign_hook_run *ret, struct p2v_err *err);
/* 1: it is done; 0: it runs; P2V_EIO: it failed, or took too long (and was ended). */
int campaign_hook_poll(struct campaign_hook_run *run, struct p2v_err *err);
void campaign_hook_stop(struct campaign_hook_run *run);

#endif
