/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/turn.h"

#include <string.h>

#include "p2v/core/num.h"
#include "p2v/core/stop.h"

/* Who will be admitted soon looks more often than who is far behind: each look goes over all
 * tickets. */
#define LOOK_MS	    1000
#define FAR_LOOK_MS 5000
#define STEP_MS	    100

/* What the agent says that it will send at most; 0 where an older one does not say. */
static uint64_t used_bytes(const struct recv_job *job)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < job->machine.n_disks; i++)
		if (!p2v_add_u64(sum, job->machine.disks[i].used_bytes, &sum))
			return UINT64_MAX;
	return sum;
}

/* A second pass writes over what is there. */
static uint64_t need_bytes(const struct recv_job *job)
{
	uint64_t used = used_bytes(job), have = store_dir_bytes(job->image_dir);

	return job->finished || used < have ? 0 : used - have;
}

static int quota_check(
	const struct recv_job *job, const struct store_limits *limits, struct p2v_err *err)
{
	char used[P2V_NUM_TEXT], most[P2V_NUM_TEXT];

	if (!limits->job_quota_bytes || used_bytes(job) <= limits->job_quota_bytes)
		return 0;
	return p2v_err_set(err, P2V_EREFUSED,
		"job %s: its disks hold %s, and one machine may have %s on this server (job_quota "
		"in p2vd.conf)",
		job->name, p2v_num_bytes_text(used_bytes(job), used),
		p2v_num_bytes_text(limits->job_quota_bytes, most));
}

static unsigned look_ms(const struct store_turn *turn, const struct store_limits *limits)
{
	return turn->place <= limits->receivers ? LOOK_MS : FAR_LOOK_MS;
}

/* Until it is time to look again. */
static int pass_time(struct peer *peer, unsigned ms, struct p2v_err *err)
{
	uint64_t until_ms = p2v_now_ms() + ms;
	int r = 0;

	while (r == 0 && p2v_now_ms() < until_ms) {
		p2v_sleep_ms(STEP_MS);
		r = recv_peer_poll(peer, err);
	}
	return r;
}

static int wait_say(struct peer *peer, const struct store_turn *turn, unsigned ms, char *said,
	size_t n, struct p2v_err *err)
{
	const struct wire_msg wait = {WIRE_WAIT, .wait = {turn->place, ms, wire_text(turn->text)}};

	if (strcmp(said, turn->text) == 0)
		return 0;
	snprintf(said, n, "%s", turn->text);
	return recv_peer_send(peer, &wait, err);
}

/* What p2vd.conf says now counts: p2vd may have been started anew. */
static int turn_come(struct peer *peer, const char *base, const struct recv_job *job,
	struct store_queue *queue, struct p2v_err *err)
{
	char said[sizeof(((struct store_turn *)NULL)->text)] = "";

	for (;;) {
		struct store_limits limits;
		struct store_turn turn;
		int r = store_limits_load(base, &limits, err);

		if (r == 0)
			r = quota_check(job, &limits, err);
		if (r == 0)
			r = store_queue_look(queue, &limits, need_bytes(job), &turn, err);
		if (r < 0 || turn.admitted)
			return r;
		r = wait_say(peer, &turn, look_ms(&turn, &limits), said, sizeof(said), err);
		if (r == 0)
			r = pass_time(peer, look_ms(&turn, &limits), err);
		if (r < 0)
			return r;
	}
}

int recv_turn_wait(struct peer *peer, const char *base, const struct recv_job *job,
	struct store_queue **ret, struct p2v_err *err)
{
	struct store_queue *queue = NULL;
	struct store_limits limits;
	int r = store_limits_load(base, &limits, err);

	*ret = NULL;
	if (r == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		return 0;
	}
	if (r == 0)
		r = store_queue_enter(base, job->name, &queue, err);
	if (r == 0)
		r = turn_come(peer, base, job, queue, err);
	if (r < 0)
		store_queue_leave(queue, r == P2V_EREFUSED);
	else
		*ret = queue;
	return r;
}
