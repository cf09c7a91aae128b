/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/pause.h"
#include "agent/source/source.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/link/ssh.h"

#define RECEIVER "p2v-recv" /* where sshd has a forced command, it does not even look at this */

struct connector {
	struct link_ssh_spec ssh;
	pthread_mutex_t lock;
	char *methods; /* of the last link; NULL: none yet */
};

int agent_streams_parse(const char *text, unsigned *ret, struct p2v_err *err)
{
	uint64_t n = 0;
	int r = 0;

	if (text && strcmp(text, "auto") != 0)
		r = p2v_num_parse(text, "--streams", 1, SEND_STREAMS_MAX, &n, err);
	if (r == 0)
		*ret = (unsigned)n;
	return r;
}

static int ssh_connect(void *ctx, struct link **ret, struct p2v_err *err)
{
	struct connector *c = ctx;
	struct link *l = NULL;
	int r = link_ssh_open(&c->ssh, &l, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	free(c->methods);
	c->methods = strdup(link_ssh_methods(l));
	if (!c->methods)
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		link_free(l);
	else
		*ret = l;
	return r;
}

static void busy_warn(const struct agent_disks *disks, struct p2v_progress *progress)
{
	for (size_t i = 0; i < disks->n_items; i++)
		if (source_disk_busy(disks->items[i].path))
			p2v_progress_say(progress,
				"%s is in use: what changes while it is read is copied as after a "
				"power failure",
				disks->items[i].path);
}

static void bad_name(void *ctx, uint16_t disk, const struct send_bad *bad, char *const **ret_lines,
	size_t *ret_n)
{
	struct agent_disk *d = &((struct agent_disks *)ctx)->items[disk];

	/* The copy is complete without them. */
	agent_disk_name_bad(d, bad, NULL);
	*ret_lines = d->bad_files;
	*ret_n = d->n_bad_files;
}

int agent_send(const struct agent_opts *o, const struct machine *m, struct agent_disks *disks,
	struct p2v_progress *progress, struct send_result *ret, char **ret_link,
	struct p2v_err *err)
{
	struct link_ssh_target target = {0};
	struct connector connector = {.lock = PTHREAD_MUTEX_INITIALIZER,
		.ssh = {.target = &target,
			.identity_file = o->identity,
			.known_hosts_file = o->known_hosts,
			.fingerprint = o->host_key,
			.command = RECEIVER}};
	p2v_autofree struct send_disk *sources = calloc(disks->n_items, sizeof(*sources));
	struct send_spec spec = {.connect = ssh_connect,
		.connect_ctx = &connector,
		.paused = agent_paused,
		.machine = m,
		.disks = sources,
		.limit_bytes_per_second = o->limit_bytes,
		.retry_for_ms = o->retry_for_s * 1000,
		.rescue = o->rescue,
		.refresh = o->refresh,
		.follow = o->follow,
		.assign = o->assign,
		.name_bad = bad_name,
		.name_bad_ctx = disks,
		.log_file = o->log,
		.progress = progress};
	int r = sources ? send_compress_parse(o->compress, &spec.compress, err)
			: p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; sources && i < disks->n_items; i++)
		sources[i] = (struct send_disk){disks->items[i].io, &disks->items[i].map.extents};
	if (r == 0)
		r = agent_streams_parse(o->streams, &spec.streams, err);
	if (r == 0)
		r = link_ssh_row_parse(o->link, &connector.ssh.row, err);
	if (r == 0)
		r = link_ssh_target_parse(o->server, &target, err);
	if (r == 0) {
		busy_warn(disks, progress);
		agent_pause_begin(!o->progress || strcmp(o->progress, "auto") == 0);
		r = send_run(&spec, ret, err);
		agent_pause_end();
	}
	link_ssh_target_finish(&target);
	if (r == 0)
		*ret_link = p2v_steal(connector.methods);
	free(connector.methods);
	return r;
}
