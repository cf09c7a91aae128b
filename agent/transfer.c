/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/connect.h"
#include "agent/pause.h"
#include "agent/source/source.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

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
	struct agent_connector *connector, struct p2v_progress *progress, struct send_result *ret,
	struct p2v_err *err)
{
	p2v_autofree struct send_disk *sources = calloc(disks->n_items, sizeof(*sources));
	struct send_spec spec = {.connect = agent_connect,
		.connect_ctx = connector,
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
	if (r == 0) {
		busy_warn(disks, progress);
		agent_pause_begin(!o->progress || strcmp(o->progress, "auto") == 0);
		r = send_run(&spec, ret, err);
		agent_pause_end();
	}
	return r;
}
