/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/retention.h"

#include <string.h>

#include "p2v/core/span.h"

#define YEARS_100_S (UINT64_C(100) * 366 * 86400)

static bool is_cancelled(const struct job *job)
{
	return job->status == LEDGER_CANCELLED;
}

static bool is_failed(const struct job *job)
{
	return job->status == LEDGER_FAILED;
}

static bool is_waiting(const struct job *job)
{
	return job->stage == LEDGER_WAITING && job->status == LEDGER_READY;
}

static bool is_proven(const struct job *job)
{
	return job->stage == LEDGER_PROVEN && job->status == LEDGER_READY;
}

static bool is_handed_over(const struct job *job)
{
	return is_proven(job) && job->reason && strcmp(job->reason, LEDGER_HANDED_OVER) == 0;
}

static const struct {
	const char *word;
	bool (*is)(const struct job *job);
} whats[] = {{"cancelled", is_cancelled}, {"failed", is_failed}, {"waiting", is_waiting},
	{"proven", is_proven}, {"handed-over", is_handed_over}};

/* "30d" */
static bool time_parse(struct p2v_span text, uint64_t *ret)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	uint64_t n;

	if (text.n < 2 || !p2v_span_u64((struct p2v_span){text.p, text.n - 1}, YEARS_100_S, &n))
		return false;
	for (size_t i = 0; i < P2V_N(units); i++)
		if (text.p[text.n - 1] == units[i].letter) {
			*ret = n * units[i].seconds;
			return n > 0 && *ret <= YEARS_100_S;
		}
	return false;
}

int control_retention_parse(const char *text, struct retention *ret, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_str(text), what, time, more;

	if (p2v_word_next(&rest, &what) && p2v_word_next(&rest, &time) &&
		!p2v_word_next(&rest, &more) && time_parse(time, &ret->after_s))
		for (size_t i = 0; i < P2V_N(whats); i++)
			if (p2v_span_eq(what, whats[i].word)) {
				ret->what = whats[i].word;
				return 0;
			}
	return p2v_err_set(err, P2V_EINVAL,
		"retention: '%.60s' is not like cancelled 30d: cancelled, failed, waiting, proven "
		"and handed-over are known, and a time in d, h, m or s",
		text);
}

bool control_retention_over(
	const struct retention *rule, const struct job *job, uint64_t since_s, uint64_t now_s)
{
	if (job->running || job->wish != LEDGER_NO_WISH || now_s < since_s ||
		now_s - since_s < rule->after_s)
		return false;
	for (size_t i = 0; i < P2V_N(whats); i++)
		if (strcmp(whats[i].word, rule->what) == 0)
			return whats[i].is(job);
	return false;
}
