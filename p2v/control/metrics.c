/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prometheus' text format, 0.0.4. */
#include <inttypes.h>
#include <string.h>

#include "p2v/control/api-route.h"
#include "p2v/core/opt.h"
#include "p2v/store/queue.h"

static void head(struct p2v_buf *out, const char *name, const char *kind, const char *help)
{
	p2v_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void stages_add(const struct jobs *jobs, struct p2v_buf *out)
{
	head(out, "p2v_jobs", "gauge", "Jobs by how far they are and whether they may go on.");
	for (int stage = 0; ledger_stage_words[stage]; stage++)
		for (int status = 0; ledger_status_words[status]; status++) {
			size_t n = 0;

			for (size_t i = 0; i < jobs->n_jobs; i++)
				n += jobs->jobs[i].stage == stage && jobs->jobs[i].status == status;
			p2v_buf_addf(out, "p2v_jobs{stage=\"%s\",status=\"%s\"} %zu\n",
				ledger_stage_words[stage], ledger_status_words[status], n);
		}
}

struct arrivals {
	size_t received, waiting;
};

static int arrival_see(void *ctx, const char *job, uint32_t place, struct p2v_err *err)
{
	struct arrivals *a = ctx;

	(void)job;
	(void)err;
	a->received += place == 0;
	a->waiting += place != 0;
	return 0;
}

/* Machines whose disks come, or are to come. */
static int queue_add(const char *base, struct p2v_buf *out, struct p2v_err *err)
{
	struct arrivals a = {0};
	int r = store_queue_list(base, arrival_see, &a, err);

	head(out, "p2v_receiving", "gauge", "Machines that are being received now.");
	p2v_buf_addf(out, "p2v_receiving %zu\n", a.received);
	head(out, "p2v_receive_waiting", "gauge",
		"Machines that wait in the queue to be received.");
	p2v_buf_addf(out, "p2v_receive_waiting %zu\n", a.waiting);
	head(out, "p2v_reserved_bytes", "gauge", "Room that is reserved for transfers under way.");
	p2v_buf_addf(out, "p2v_reserved_bytes %" PRIu64 "\n", store_queue_reserved(base));
	return r;
}

int control_metrics(struct api *api, struct p2v_buf *out, struct p2v_err *err)
{
	p2v_auto_jobs struct jobs jobs = {0};
	uint64_t free_bytes = 0;
	size_t running = 0;
	int r = store_ledger_jobs(api->ledger, &jobs, err);

	if (r == 0)
		r = control_free_bytes(api->config->base, &free_bytes, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < jobs.n_jobs; i++)
		running += jobs.jobs[i].running;
	stages_add(&jobs, out);
	r = queue_add(api->config->base, out, err);
	if (r < 0)
		return r;
	head(out, "p2v_jobs_running", "gauge", "Jobs that a stage is at work on now.");
	p2v_buf_addf(out, "p2v_jobs_running %zu\n", running);
	head(out, "p2v_base_free_bytes", "gauge", "Free space below the job directories.");
	p2v_buf_addf(out, "p2v_base_free_bytes %" PRIu64 "\n", free_bytes);
	head(out, "p2v_workers", "gauge", "How many stages this server runs at once at most.");
	p2v_buf_addf(out, "p2v_workers %u\n", api->config->workers);
	head(out, "p2v_info", "gauge", "The program's version.");
	p2v_buf_addf(out, "p2v_info{version=\"%s\"} 1\n", P2V_VERSION);
	return p2v_buf_check(out, err);
}
