/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/window.h"

#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define DAY_MIN (24 * 60)
#define DAYS	7

static bool day_parse(struct p2v_span text, unsigned *ret)
{
	static const char *const words[DAYS] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

	for (unsigned i = 0; i < DAYS; i++)
		if (p2v_span_eq(text, words[i])) {
			*ret = i;
			return true;
		}
	return false;
}

/* "mon" or "mon-fri", which may go over the week's end. */
static bool days_parse(struct p2v_span text, uint8_t *days)
{
	struct p2v_span after, first = p2v_span_until(text, '-', &after);
	unsigned from, to;

	if (!day_parse(first, &from))
		return false;
	to = from;
	if (p2v_span_has(text, '-') && !day_parse(after, &to))
		return false;
	for (unsigned day = from;; day = (day + 1) % DAYS) {
		*days |= (uint8_t)(1u << day);
		if (day == to)
			return true;
	}
}

static bool time_parse(struct p2v_span text, uint16_t *ret)
{
	struct p2v_span minutes, hours = p2v_span_until(text, ':', &minutes);
	uint64_t h, m;

	if (minutes.n != 2 || hours.n > 2 || !p2v_span_u64(hours, 24, &h) ||
		!p2v_span_u64(minutes, 59, &m) || h * 60 + m > DAY_MIN)
		return false;
	*ret = (uint16_t)(h * 60 + m);
	return true;
}

static bool parse(struct p2v_span text, struct window *w)
{
	struct p2v_span word, second, to, from;

	if (!p2v_word_next(&text, &word))
		return false;
	if (p2v_word_next(&text, &second)) {
		while (word.n) {
			struct p2v_span after, days = p2v_span_until(word, ',', &after);

			if (!days_parse(days, &w->days))
				return false;
			word = after;
		}
		word = second;
	} else {
		w->days = (1u << DAYS) - 1;
	}
	from = p2v_span_until(word, '-', &to);
	return !p2v_word_next(&text, &second) && time_parse(from, &w->from_min) &&
	       time_parse(to, &w->to_min) && w->from_min < DAY_MIN && w->from_min != w->to_min;
}

int control_window_parse(const char *text, struct window *ret, struct p2v_err *err)
{
	struct window w = {0};

	if (!parse(p2v_span_str(text), &w))
		return p2v_err_set(err, P2V_EINVAL,
			"windows: '%.60s' is not like 22:00-06:00 or sat,sun 00:00-24:00", text);
	*ret = w;
	return 0;
}

bool control_window_open(const struct window *w, const struct tm *now)
{
	int minute = now->tm_hour * 60 + now->tm_min;
	unsigned today = 1u << now->tm_wday, yesterday = 1u << ((now->tm_wday + DAYS - 1) % DAYS);

	if (w->from_min < w->to_min)
		return (w->days & today) && minute >= w->from_min && minute < w->to_min;
	return ((w->days & today) && minute >= w->from_min) ||
	       ((w->days & yesterday) && minute < w->to_min);
}
