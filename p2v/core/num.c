/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/num.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"

int p2v_num_parse(const char *text, const char *what, uint64_t min, uint64_t max,
	uint64_t *ret_value, struct p2v_err *err)
{
	unsigned long long v;
	char *end = NULL;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text < '0' || *text > '9')
		return p2v_err_set(err, P2V_EINVAL, "%s: '%s' is not a whole number", what, text);
	if (v < min || v > max)
		return p2v_err_set(err, P2V_EINVAL,
			"%s: %s is not between %" PRIu64 " and %" PRIu64, what, text, min, max);
	*ret_value = v;
	return 0;
}

int p2v_num_parse_bytes(
	const char *text, const char *what, uint64_t *ret_bytes, struct p2v_err *err)
{
	static const char units[] = "KMGTPE";
	char *end = NULL;
	double v, scale = 1;
	const char *unit;

	errno = 0;
	v = (*text >= '0' && *text <= '9') ? strtod(text, &end) : -1;
	if (errno || v < 0 || !isfinite(v))
		goto bad;
	if (*end && (unit = strchr(units, *end & ~0x20))) {
		scale = pow(1024, (double)(unit - units + 1));
		end++;
		if (*end == 'i')
			end++;
	}
	if (*end == 'B')
		end++;
	if (*end || v * scale >= 0x1p63)
		goto bad;
	*ret_bytes = (uint64_t)(v * scale);
	return 0;
bad:
	return p2v_err_set(
		err, P2V_EINVAL, "%s: '%s' is not a size such as 512K, 10M or 1.5G", what, text);
}

const char *p2v_num_bytes_text(uint64_t bytes, char buf[P2V_NUM_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	size_t unit = 0;

	while (v >= 1024 && unit + 1 < P2V_N(units)) {
		v /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(buf, P2V_NUM_TEXT, "%" PRIu64 " B", bytes);
	else
		snprintf(buf, P2V_NUM_TEXT, "%.*f %s",
			v < 10	  ? 2
			: v < 100 ? 1
				  : 0,
			v, units[unit]);
	return buf;
}

const char *p2v_num_ms_text(uint64_t ms, char buf[P2V_NUM_TEXT])
{
	uint64_t s = ms / 1000;

	if (s < 10)
		snprintf(buf, P2V_NUM_TEXT, "%.1f s", (double)ms / 1000);
	else if (s < 60)
		snprintf(buf, P2V_NUM_TEXT, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buf, P2V_NUM_TEXT, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		snprintf(buf, P2V_NUM_TEXT, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	return buf;
}
