/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/hook.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/stop.h"

#define TIMEOUT_S 600
#define GRACE_MS  5000

const char *const campaign_hook_words[] = {
	"refresh", "final", "before", "after", "handover", "failed", "rollback", NULL};

static const struct p2v_json_field fields[] = {
	P2V_JSON_U32(struct campaign_hook_news, version, 0),
	P2V_JSON_STR(struct campaign_hook_news, hook, 0),
	P2V_JSON_STR(struct campaign_hook_news, campaign, 0),
	P2V_JSON_STR(struct campaign_hook_news, wave, 0),
	P2V_JSON_STR(struct campaign_hook_news, server, 0),
	P2V_JSON_U64(struct campaign_hook_news, job, 0),
	P2V_JSON_STR(struct campaign_hook_news, job_name, 0),
	P2V_JSON_STR(struct campaign_hook_news, dir, 0),
	P2V_JSON_STR(struct campaign_hook_news, note, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type type = {"hook", sizeof(struct campaign_hook_news), fields};

const struct runbook_hook *campaign_hook_of(
	const struct runbook_server *server, enum campaign_hook which)
{
	const struct runbook_hook *const hooks[] = {&server->cutover.refresh,
		&server->cutover.final, &server->hooks.before, &server->hooks.after,
		&server->cutover.handover, &server->hooks.failed, &server->cutover.rollback};

	return hooks[which];
}

/* The text as a file that has no name: nobody has to feed it to the program. */
static int text_fd(const struct p2v_buf *text, int *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = memfd_create("p2v-hook", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text->data, text->len) != (ssize_t)text->len ||
		lseek(fd, 0, SEEK_SET) < 0)
		return p2v_err_errno(err, errno, "memory for a program's input");
	*ret = p2v_steal_fd(&fd);
	return 0;
}

static const char **argv_of(const struct runbook_hook *hook)
{
	const char **argv = calloc(hook->n_run + 1, sizeof(*argv));

	for (size_t i = 0; argv && i < hook->n_run; i++)
		argv[i] = hook->run[i];
	return argv;
}

int campaign_hook_start(const struct runbook_hook *hook, const struct campaign_hook_news *news,
	int log_fd, struct campaign_hook_run *ret, struct p2v_err *err)
{
	p2v_autofree const char **argv = argv_of(hook);
	struct p2v_proc_spec spec = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = log_fd, .stderr_fd = log_fd};
	struct campaign_hook_run run = {.began_ms = p2v_now_ms(),
		.timeout_ms = (hook->timeout_s ? hook->timeout_s : TIMEOUT_S) * UINT64_C(1000)};
	p2v_autobuf struct p2v_buf text = {0};
	p2v_autoclose int fd = -1;
	int r = argv ? p2v_json_encode(&type, news, false, &text, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		r = text_fd(&text, &fd, err);
	spec.stdin_fd = fd;
	if (r == 0)
		r = p2v_proc_start(&spec, &run.pid, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "hook %s", news->hook);
	run.which = ret->which;
	*ret = run;
	return 0;
}

int campaign_hook_poll(struct campaign_hook_run *run, struct p2v_err *err)
{
	const char *word = campaign_hook_words[run->which];
	char how[P2V_PROC_TEXT];
	int status = 0;
	int r = p2v_proc_wait(run->pid, 0, &status, NULL);

	if (r == P2V_ETIMEDOUT) {
		if (p2v_now_ms() - run->began_ms < run->timeout_ms)
			return 0;
		campaign_hook_stop(run);
		return p2v_err_set(err, P2V_EIO, "hook %s: took longer than %llu s", word,
			(unsigned long long)run->timeout_ms / 1000);
	}
	if (r == P2V_ECANCELED)
		return 0;
	run->pid = 0;
	if (r < 0 || status != 0)
		return p2v_err_set(err, P2V_EIO, "hook %s: its program ended: %s", word,
			p2v_proc_status_text(status, how));
	return 1;
}

void campaign_hook_stop(struct campaign_hook_run *run)
{
	p2v_proc_stop(run->pid, GRACE_MS);
	run->pid = 0;
}
