/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/window.h"

#include <inttypes.h>
#include <string.h>

void send_window_init(struct send_window *w, uint64_t limit_bytes)
{
	memset(w, 0, sizeof(*w));
	w->limit_bytes = limit_bytes;
}

bool send_window_fits(const struct send_window *w, uint32_t n)
{
	if (w->sent_seq - w->taken_seq >= SEND_WINDOW_CHUNKS)
		return false;
	return w->used_bytes == 0 || w->used_bytes + n <= w->limit_bytes;
}

void send_window_sent(struct send_window *w, uint32_t n)
{
	w->sent_seq++;
	w->lengths[w->sent_seq % SEND_WINDOW_CHUNKS] = n;
	w->used_bytes += n;
}

static int seq_check(const struct send_window *w, const char *what, uint64_t seq, uint64_t before,
	struct p2v_err *err)
{
	if (seq >= before && seq <= w->sent_seq)
		return 0;
	return p2v_err_set(err, P2V_EFORMAT,
		"%s %" PRIu64 " where %" PRIu64 " to %" PRIu64 " can come", what, seq, before,
		w->sent_seq);
}

int send_window_taken(struct send_window *w, uint64_t seq, struct p2v_err *err)
{
	int r = seq_check(w, "TAKEN", seq, w->taken_seq, err);

	if (r < 0)
		return r;
	while (w->taken_seq < seq) {
		w->taken_seq++;
		w->used_bytes -= w->lengths[w->taken_seq % SEND_WINDOW_CHUNKS];
	}
	return 0;
}

/* What is durable was taken: a receiver need not say both. */
int send_window_durable(struct send_window *w, uint64_t seq, struct p2v_err *err)
{
	int r = seq_check(w, "DURABLE", seq, w->durable_seq, err);

	if (r < 0)
		return r;
	w->durable_seq = seq;
	return seq > w->taken_seq ? send_window_taken(w, seq, err) : 0;
}
