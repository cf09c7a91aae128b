/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/adapt.h"

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define LOOK_NS	     UINT64_C(1000000000)
#define BUSY_PERCENT 10 /* less is idle: the processors bound the pass */
#define IDLE_PERCENT 35 /* more is idle: there is time to compress more */
#define HOLD_LOOKS   10 /* after a step down: what was too much is not tried again at once */

/*
 * Measured on one core: half-compressible data, and the files of a Debian system.
 *
 *	level	MB/s	ratio	MB/s	ratio
 *	-3	1,364	0.595	632	0.341
 *	1	  729	0.564	508	0.247
 *	2	  854	0.548	432	0.236
 *	3	  502	0.542	317	0.233
 *
 * What a level below 2 saves here, SSH costs at both ends for the bytes that it leaves.
 */
static const int rungs[] = {2, 3};

void send_adapt_init(struct send_adapt *a, const struct send_compress *compress)
{
	*a = (struct send_adapt){.adaptive = compress->adaptive, .looked_ns = send_load_now_ns()};
	atomic_store(&a->level, compress->adaptive ? rungs[0] : compress->level);
}

/* proc_stat(5): "cpu user nice system idle iowait ...", in ticks, of all processors together. */
static bool cpu_times(uint64_t *ret_idle, uint64_t *ret_total)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line, word;
	uint64_t ticks;

	if (p2v_file_read("/proc/stat", 1 << 20, &text, NULL) < 0)
		return false;
	rest = p2v_span_of(text.data, text.len);
	if (!p2v_line_next(&rest, &line) || !p2v_word_next(&line, &word))
		return false;
	*ret_idle = *ret_total = 0;
	for (int i = 0; p2v_word_next(&line, &word) && p2v_span_u64(word, UINT64_MAX, &ticks);
		i++) {
		*ret_total += ticks;
		*ret_idle += i == 3 || i == 4 ? ticks : 0;
	}
	return *ret_total > 0;
}

void send_adapt_step(struct send_adapt *a, enum send_stage stage, unsigned idle_percent)
{
	bool waits = stage != SEND_STAGE_COMPRESS && stage != SEND_STAGE_DISK;

	if (a->hold)
		a->hold--;
	if (idle_percent < BUSY_PERCENT && a->rung > 0 && stage != SEND_STAGE_LIMIT) {
		a->rung--;
		a->hold = HOLD_LOOKS;
	} else if (idle_percent > IDLE_PERCENT && waits && !a->hold && a->rung + 1 < P2V_N(rungs)) {
		a->rung++;
	}
	atomic_store(&a->level, rungs[a->rung]);
}

void send_adapt_look(struct send_adapt *a, enum send_stage stage)
{
	uint64_t now = send_load_now_ns(), idle, total;

	if (!a->adaptive || now - a->looked_ns < LOOK_NS || !cpu_times(&idle, &total))
		return;
	a->looked_ns = now;
	if (a->total && total > a->total && idle >= a->idle)
		send_adapt_step(a, stage, (unsigned)((idle - a->idle) * 100 / (total - a->total)));
	a->idle = idle;
	a->total = total;
}
