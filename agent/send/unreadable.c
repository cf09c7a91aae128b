/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/unreadable.h"

#include <stdatomic.h>

#include "agent/send/follow.h"
#include "p2v/core/stop.h"

struct naming {
	const struct send_spec *spec;
	uint16_t disk;
	struct send_disk_result *result;
	atomic_bool done;
};

static void *naming_run(void *arg)
{
	struct naming *n = arg;

	n->spec->name_bad(n->spec->name_bad_ctx, n->disk, &n->result->bad, &n->result->bad_lines,
		&n->result->n_bad_lines);
	atomic_store(&n->done, true);
	return NULL;
}

/* The far end takes a connection for dead that says nothing for half a minute. */
static int name_find(struct conn *c, const struct send_spec *spec, uint16_t disk,
	struct send_disk_result *result, struct p2v_err *err)
{
	struct naming naming = {spec, disk, result, false};
	pthread_t thread;
	int r = 0;

	if (spec->progress)
		p2v_progress_say(spec->progress, "%s: looking which files could not be read",
			spec->machine->disks[disk].path);
	if (pthread_create(&thread, NULL, naming_run, &naming) != 0)
		return p2v_err_set(err, P2V_ENOMEM, "no thread to look for files with");
	while (r == 0 && !atomic_load(&naming.done)) {
		p2v_sleep_ms(SEND_TICK_MS);
		r = conn_tick(c, err);
	}
	/* What it has found counts on the next connection, too. */
	pthread_join(thread, NULL);
	result->bad_named = !p2v_stop_requested();
	return r;
}

int send_unreadable(struct conn *c, const struct send_spec *spec, struct send_result *result,
	struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && spec->name_bad && i < result->n_disks; i++) {
		struct send_disk_result *disk = &result->disks[i];

		if (disk->bad.n == 0)
			continue;
		if (!disk->bad_named)
			r = name_find(c, spec, (uint16_t)i, disk, err);
		if (r == 0)
			send_unreadable_lines(
				c, spec->machine->disks[i].id, disk->bad_lines, disk->n_bad_lines);
	}
	return r;
}
